"""Ways into somebody's account that were tried; each must end at the door."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.core import mail
from django.db.models import ProtectedError
from django.test import Client
from rest_framework.test import APIClient

from leaderboard import models
from leaderboard.enums import TeamRole
from leaderboard.services.accounts import teams
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
PASSWORD = "a good password"


def sign_in(client: Client, name: str = "alice", **extra: Any) -> Any:
    return client.post("/login/", {"login": name, "password": PASSWORD, **extra})


@pytest.mark.parametrize(
    "wanted",
    [
        *(
            "//evil.org/",
            "https://evil.org/",
            "/\\evil.org",
            "javascript:alert(1)",
            "http:evil.org",
        ),
        *("///evil.org", "https://testserver@evil.org/", "\thttps://evil.org/"),
    ],
)
def test_signing_in_leads_nowhere_else(client: Client, wanted: str) -> None:
    factories.user("alice")
    location = sign_in(client, next=wanted)["Location"]
    assert location == "/"
    client.logout()
    assert client.post("/logout/", {"next": wanted})["Location"] == "/"


def test_a_session_from_before_the_sign_in_is_not_the_one_after_it(client: Client) -> None:
    factories.user("alice")
    client.get("/login/")
    session = client.session
    session["planted"] = "1"
    session.save()
    fixed = session.session_key
    client.cookies["sessionid"] = str(fixed)
    sign_in(client)
    assert client.session.session_key != fixed
    assert not models.Potential.objects.exists()
    stale = Client()
    stale.cookies["sessionid"] = str(fixed)
    assert stale.get("/account/").status_code == 302


def test_no_form_is_taken_from_another_site() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("alice"))
    for address in (
        *("/account/tokens/", "/account/email/", "/account/password/", "/teams/", "/logout/"),
        *("/account/two-factor/app/", "/account/two-factor/recovery/new/", "/account/again/"),
    ):
        assert client.post(address, {"name": "x"}).status_code == 403, address


@pytest.mark.parametrize("host", ["evil.org", "testserver.evil.org", "testserver:99@evil.org"])
def test_a_forged_host_writes_no_letter(client: Client, host: str) -> None:
    factories.user("alice")
    form = {"email": "alice@example.org"}
    refused = client.post("/account/password/reset/", form, headers={"host": host})
    assert refused.status_code == 400
    assert mail.outbox == []
    forwarded = client.post(
        "/account/password/reset/", form, headers={"x-forwarded-host": "evil.org"}
    )
    assert forwarded.status_code == 302
    assert "evil.org" not in mail.outbox[-1].body


def test_a_link_of_a_letter_is_told_to_no_other_site_and_kept_by_no_cache(client: Client) -> None:
    factories.user("alice")
    client.post("/account/password/reset/", {"email": "alice@example.org"})
    link = re.search(r"http://testserver(/\S+)", mail.outbox[-1].body)
    assert link is not None
    first = client.get(link[1])
    # The key leaves the address before the page is shown.
    assert first.status_code == 302
    assert "set-password" in first["Location"]
    page = client.get(first["Location"])
    assert page["Referrer-Policy"] == "same-origin"
    assert "no-store" in page["Cache-Control"] or "no-cache" in page["Cache-Control"]


def test_wrong_names_cost_as_many_hashes_as_wrong_passwords(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.user("alice")
    hashed: list[str] = []
    hasher = hashers.get_hasher()
    real = type(hasher).encode

    def count(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return str(real(self, password, salt))

    monkeypatch.setattr(type(hasher), "encode", count)
    costs = []
    for name in ("alice", "nobody", "alice@example.org", "nobody@example.org"):
        hashed.clear()
        client.post("/login/", {"login": name, "password": "wrong"})
        costs.append(len(hashed))
    assert costs == [costs[0]] * 4
    for name in ("alice", "nobody"):
        hashed.clear()
        APIClient().post(
            "/api/v1/tokens/", {"username": name, "password": "wrong", "name": "x"}, format="json"
        )
        costs.append(len(hashed))
    assert costs[-1] == costs[-2]


def test_an_address_with_letters_that_only_look_right_resets_nobody(client: Client) -> None:
    alice = factories.user("alice")
    for address in ("alıce@example.org", "alice@exämple.org", "ALICE@examp\u2113e.org"):
        client.post("/account/password/reset/", {"email": address})
    assert [to for letter in mail.outbox for to in letter.to if to == alice.email] == []
    assert all("set-password" not in letter.body for letter in mail.outbox)


def test_nobody_takes_over_an_address_that_is_confirmed_by_another(client: Client) -> None:
    alice = factories.user("alice")
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    bob = factories.user("bob")
    client.force_login(bob)
    client.post("/account/email/", {"email": "Alice@Example.org", "action_add": ""})
    assert EmailAddress.objects.filter(verified=True).get().user == alice
    # What waits is of no use: neither sign-in nor a reset goes by it.
    mail.outbox.clear()
    Client().post("/account/password/reset/", {"email": alice.email})
    assert ["alice" in letter.body for letter in mail.outbox] == [True]
    assert not any("bob" in letter.body for letter in mail.outbox)


def test_who_owns_what_is_public_cannot_be_deleted() -> None:
    alice = factories.user("alice")
    factories.submission(factories.potential(alice))
    with pytest.raises(ProtectedError):
        alice.delete()
    assert User.objects.filter(pk=alice.pk).exists()


def test_an_invitation_is_answered_by_whom_it_names_alone(client: Client) -> None:
    alice, bob = factories.user("alice"), factories.user("bob")
    team = teams.create_team(alice, "a-team", "A team")
    invitation = teams.invite(alice, team, TeamRole.VIEWER, username="bob")
    client.force_login(factories.user("mallory"))
    assert client.post(f"/invitations/{invitation.pk}/").status_code == 404
    assert set(team.memberships.values_list("user__username", flat=True)) == {"alice"}
    client.force_login(bob)
    client.post(f"/invitations/{invitation.pk}/")
    # A viewer makes himself no owner.
    assert client.post("/teams/a-team/members/bob/", {"role": "owner"}).status_code == 403
    assert team.memberships.get(user=bob).role == TeamRole.VIEWER


def test_tokens_stand_in_no_address_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    row, text = models.ApiToken.create(factories.user("alice"), "laptop")
    with caplog.at_level(logging.DEBUG):
        client = APIClient()
        assert client.get(f"/api/v1/me/?token={text}").status_code == 401
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        assert client.get("/api/v1/me/").status_code == 200
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}x")
        assert client.get("/api/v1/me/").status_code == 401
    assert text not in "".join(
        record.getMessage() for record in caplog.records if "?token=" not in record.getMessage()
    )
    assert text not in str(models.ApiToken.objects.filter(pk=row.pk).values().get())
