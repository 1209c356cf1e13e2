from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from leaderboard.exceptions import SubmissionError
from leaderboard.models import ApiToken
from leaderboard.services.accounts.accounts import create_token
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
OLD, NEW = "a good password", "blue-heron-42-lake"


@pytest.fixture
def alice() -> User:
    alice = factories.user("alice")
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    return alice


def answer(token: str) -> tuple[int, str]:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    response = client.get("/api/v1/me/")
    return response.status_code, response.json().get("detail", "")


def is_signed_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_a_changed_password_ends_tokens_and_other_sessions_and_tells_so(alice: User) -> None:
    _, token = ApiToken.create(alice, "laptop")
    _, of_bob = ApiToken.create(factories.user("bob"), "laptop")
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        client.post("/login/", {"login": "alice", "password": OLD})
    assert "your API tokens and all other sessions end" in (
        here.get("/account/password/").content.decode()
    )
    form = {"oldpassword": OLD, "password1": NEW, "password2": NEW}
    assert here.post("/account/password/", form).status_code == 302

    status, detail = answer(token)
    assert status == 401
    assert "was revoked when the password changed" in detail
    assert answer(of_bob)[0] == 200
    assert is_signed_in(here)
    assert not is_signed_in(elsewhere)
    assert "All API tokens that you had are revoked" in mail.outbox[-1].body


def test_a_reset_password_ends_tokens_and_all_sessions_and_tells_so(alice: User) -> None:
    _, token = ApiToken.create(alice, "laptop")
    thief, owner = Client(), Client()
    thief.post("/login/", {"login": "alice", "password": OLD})
    owner.post("/account/password/reset/", {"email": alice.email})
    link = re.search(r"http://testserver(/\S+)", mail.outbox[-1].body)
    assert link is not None
    action = owner.get(link[1], follow=True).redirect_chain[-1][0]
    owner.post(action, {"password1": NEW, "password2": NEW})

    assert answer(token)[0] == 401
    assert not is_signed_in(thief)
    assert "All API tokens that you had are revoked" in mail.outbox[-1].body


def test_a_password_set_by_the_admin_or_by_a_command_ends_tokens_too(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = ApiToken.create(alice, "laptop")
    desk = Client()
    desk.force_login(factories.user("root", is_staff=True, is_superuser=True))
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    assert desk.post(f"/admin/auth/user/{alice.pk}/password/", form).status_code == 302
    assert answer(token)[0] == 401

    _, token = ApiToken.create(alice, "laptop")
    monkeypatch.setattr("getpass.getpass", lambda **_: "green-heron-42-pond")
    call_command("changepassword", "alice", verbosity=0)
    assert answer(token)[0] == 401


def test_a_closed_account_loses_tokens_and_sessions_for_good(alice: User) -> None:
    _, token = ApiToken.create(alice, "laptop")
    client, bob = Client(), Client()
    client.post("/login/", {"login": "alice", "password": OLD})
    bob.force_login(factories.user("bob"))
    alice.is_active = False
    alice.save()
    assert answer(token)[0] == 401
    alice.is_active = True
    alice.save()
    assert "was revoked when the account was closed" in answer(token)[1]
    assert not is_signed_in(client)
    assert is_signed_in(bob)
    assert Session.objects.count() == 1


def test_whatever_else_is_saved_of_a_user_ends_nothing(alice: User) -> None:
    _, token = ApiToken.create(alice, "laptop")
    alice.first_name = "Alice"
    alice.save()
    assert answer(token)[0] == 200


@pytest.mark.slow
def test_a_password_hash_that_is_renewed_at_sign_in_ends_nothing(
    alice: User, settings: object
) -> None:
    _, token = ApiToken.create(alice, "laptop")
    before = alice.password

    settings.PASSWORD_HASHERS = [  # type: ignore[attr-defined]
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    assert authenticate(username="alice", password=OLD) is not None
    alice.refresh_from_db()
    assert alice.password != before
    assert answer(token)[0] == 200


def test_no_token_comes_of_a_password_that_was_changed_meanwhile(alice: User) -> None:
    signed_in = User.objects.get(pk=alice.pk)
    alice.set_password(NEW)
    alice.save()
    with pytest.raises(SubmissionError, match="changed meanwhile"):
        create_token(signed_in, "laptop")
