from __future__ import annotations

import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from leaderboard import models
from leaderboard.exceptions import SubmissionError
from leaderboard.services.accounts import second_factor
from leaderboard.services.accounts.accounts import create_token
from tests.leaderboard import factories

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
PASSWORD = "a good password"


@pytest.fixture(autouse=True)
def required(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # A test is one transaction that never ends; allauth waits for its end within the request.
    monkeypatch.setattr(transaction, "on_commit", lambda act, *_, **__: act())
    settings.STAFF_SECOND_FACTOR = True
    settings.THROTTLES = {**settings.THROTTLES, "login": "100/min", "second-factor": "100/min"}


@pytest.fixture
def charlie() -> User:
    return factories.user("charlie", is_staff=True, is_superuser=True)


def code_of(secret: str, step: int = 0) -> str:
    """Of an app that shows the code of this half minute, or of one near it."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + step))


def sign_in(name: str = "charlie") -> Client:
    client = Client()
    client.post("/login/", {"login": name, "password": PASSWORD})
    return client


def set_up(client: Client) -> str:
    """As a person does it; returns the key."""
    again = client.get("/account/two-factor/app/", follow=True)
    client.post(again.redirect_chain[-1][0], {"password": PASSWORD})
    page = client.get("/account/two-factor/app/").content.decode()
    key = re.search(r'class="key">(\w+)<', page)
    assert key is not None
    assert 'src="data:image/svg+xml' in page
    done = client.post("/account/two-factor/app/", {"code": code_of(key[1])}, follow=True)
    assert "shown this once" in done.content.decode()
    return key[1]


def with_token(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def test_the_staff_is_led_to_set_up_a_second_factor_before_the_desks(charlie: User) -> None:
    client = sign_in()
    assert client.get("/admin/", follow=True).redirect_chain[-1][0].startswith("/account/again/")
    assert "need two-factor sign-in" in client.get("/account/").content.decode()
    set_up(client)
    assert client.get("/admin/").status_code == 200
    entries = models.AuditEntry.objects.filter(action="second factor added")
    assert {entry.actor for entry in entries} == {"charlie"}


def test_without_it_the_staff_has_no_rights_on_pages_and_in_the_api_either(charlie: User) -> None:
    private = factories.submission(factories.potential(factories.user("alice")))
    models.Submission.objects.filter(pk=private.pk).update(visibility="private", published_at=None)
    client = sign_in()
    for address in (f"/submissions/{private.pk}/", f"/api/v1/submissions/{private.pk}/"):
        assert client.get(address).status_code == 404
    set_up(client)
    for address in (f"/submissions/{private.pk}/", f"/api/v1/submissions/{private.pk}/"):
        assert client.get(address).status_code == 200


def test_rights_that_are_withheld_are_not_lost_when_the_user_is_saved(charlie: User) -> None:
    client = sign_in()
    new = "blue-heron-42-lake"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post("/account/password/", form).status_code == 302
    charlie.refresh_from_db()
    assert (charlie.is_staff, charlie.is_superuser) == (True, True)
    assert charlie.check_password(new)


def test_sign_in_asks_for_the_code_and_takes_each_once(charlie: User) -> None:
    key = set_up(sign_in())
    client = sign_in()
    assert "_auth_user_id" not in client.session
    wrong = client.post("/account/two-factor/code/", {"code": "000000"})
    assert "Incorrect code" in wrong.content.decode()
    assert "_auth_user_id" not in client.session
    code = code_of(key, 1)
    client.post("/account/two-factor/code/", {"code": code})
    assert client.get("/admin/").status_code == 200
    # What somebody read over a shoulder.
    from django.core.cache import cache

    for written in (code, f"{code[:3]}-{code[3:]}", f"{code[:3]} {code[3:]}"):
        cache.clear()  # another process remembers nothing
        other = sign_in()
        other.post("/account/two-factor/code/", {"code": written})
        assert "_auth_user_id" not in other.session


def test_a_recovery_code_lets_in_once_and_is_noted(charlie: User) -> None:
    client = sign_in()
    set_up(client)
    row = Authenticator.objects.get(user=charlie, type="recovery_codes")
    code = row.wrap().get_unused_codes()[0]
    for is_in in (True, False):
        other = sign_in()
        other.post("/account/two-factor/code/", {"code": code})
        assert ("_auth_user_id" in other.session) is is_in
    assert models.AuditEntry.objects.filter(action="recovery code used").count() == 1


def test_a_session_from_before_must_show_the_factor_too(charlie: User) -> None:
    before, now = sign_in(), sign_in()
    key = set_up(now)
    led = before.get("/admin/", follow=True).redirect_chain[-1][0]
    assert led.startswith("/account/two-factor/again/?next=")
    before.post(led, {"code": code_of(key, -1)})
    assert before.get("/admin/").status_code == 200


def test_tries_of_codes_are_few(charlie: User, settings: Any) -> None:
    key = set_up(sign_in())
    settings.THROTTLES = {**settings.THROTTLES, "second-factor": "3/15min"}
    models.RequestCount.objects.all().delete()
    client = sign_in()
    codes = [
        client.post("/account/two-factor/code/", {"code": f"{n:06}"}).status_code for n in range(4)
    ]
    assert codes == [200, 200, 200, 429]
    # Another session and another address are the same account.
    other = sign_in()
    late = other.post(
        "/account/two-factor/code/", {"code": code_of(key)}, REMOTE_ADDR="203.0.113.5"
    )
    assert late.status_code == 429


def test_a_password_alone_makes_no_token_of_a_guarded_account() -> None:
    alice = factories.user("alice")
    key = set_up(sign_in("alice"))
    body = {"username": "alice", "password": PASSWORD, "name": "laptop"}
    asked = APIClient().post("/api/v1/tokens/", body)
    assert asked.status_code == 401
    assert asked.json()["type"] == "urn:touchstone:problem:second_factor_required"
    wrong = APIClient().post("/api/v1/tokens/", {**body, "code": "000000"})
    assert "Wrong code" in wrong.json()["detail"]
    assert not alice.api_tokens.exists()
    code = code_of(key, 1)
    assert APIClient().post("/api/v1/tokens/", {**body, "code": code}).status_code == 201
    assert APIClient().post("/api/v1/tokens/", {**body, "code": code}).status_code == 401


def test_admin_tokens_of_the_staff_are_made_with_the_factor_alone(charlie: User) -> None:
    _, old = models.ApiToken.create(charlie, "old", scopes=["read", "admin"])
    assert with_token(old).get("/api/v1/me/").json()["is_staff"] is False
    with pytest.raises(SubmissionError, match="need two-factor sign-in"):
        create_token(charlie, "laptop", scopes=["admin"])
    client = sign_in()
    form = {"name": "laptop", "scopes": ["read", "admin"]}
    assert client.post("/account/tokens/", form).status_code == 400
    set_up(client)
    made = client.post("/account/tokens/", form)
    assert made.status_code == 201
    token = re.search(r"tst_[\w-]{20,}", made.content.decode())
    assert token is not None
    assert with_token(token[0]).get("/api/v1/me/").json()["is_staff"] is True
    # One from before the factor stays an ordinary one.
    assert with_token(old).get("/api/v1/me/").json()["is_staff"] is False

    call_command("drop_second_factor", "charlie", verbosity=0)
    refused = with_token(token[0]).get("/api/v1/me/")
    assert "when the second factor was taken away" in refused.json()["detail"]
    assert client.get("/admin/").status_code == 302
    dropped = models.AuditEntry.objects.get(action="second factor dropped")
    assert (dropped.actor, dropped.label) == ("drop_second_factor", "charlie")


def test_secrets_are_readable_neither_in_the_database_nor_in_the_admin(
    charlie: User, settings: Any
) -> None:
    client = sign_in()
    key = set_up(client)
    for row in Authenticator.objects.all():
        assert key not in str(row.data)
        page = client.get(f"/admin/mfa/authenticator/{row.pk}/change/").content.decode()
        assert "seed" not in page
        assert str(row.data.get("secret")) not in page
    stored = Authenticator.objects.get(type="totp").data["secret"]
    assert second_factor.decrypted(stored) == key
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert second_factor.decrypted(stored) == key
    settings.SECRET_KEY_FALLBACKS = []
    assert second_factor.decrypted(stored) != key


def test_where_it_is_not_required_the_staff_works_without(charlie: User, settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = False
    assert sign_in().get("/admin/").status_code == 200


def test_others_than_the_staff_may_do_without(settings: Any) -> None:
    factories.user("alice")
    assert sign_in("alice").get("/account/").status_code == 200
