from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from leaderboard import models
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
NEW = {"slug": "x", "name": "X"}


def client(user: User, *scopes: str) -> APIClient:
    _, text = models.ApiToken.create(user, "for a test", scopes=scopes)
    found = APIClient()
    found.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return found


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (("read",), (200, 403, 403)),
        (("submit",), (403, 201, 403)),
        (("admin",), (403, 403, 201)),
        (("read", "submit", "admin"), (200, 201, 201)),
    ],
)
def test_a_token_does_what_its_scopes_say(
    scopes: tuple[str, ...], expected: tuple[int, ...]
) -> None:
    alice = client(factories.user("alice"), *scopes)
    found = (
        alice.get("/api/v1/me/"),
        alice.post("/api/v1/potentials/", NEW),
        alice.post("/api/v1/teams/", NEW),
    )
    assert tuple(r.status_code for r in found) == expected


@pytest.mark.parametrize("scope", ["read", "submit", "admin"])
def test_a_proxy_is_told_of_any_valid_token_and_counts_nothing(scope: str, settings: Any) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "read": "1/hour"}
    alice = client(factories.user("alice"), scope)
    answers = [alice.get("/api/v1/signed-in/") for _ in range(3)]
    assert [(a.status_code, a.content) for a in answers] == [(204, b"")] * 3
    assert not models.RequestCount.objects.exists()
    models.ApiToken.objects.update(expires_at=timezone.now())
    assert alice.get("/api/v1/signed-in/").status_code == 401
    assert APIClient().get("/api/v1/signed-in/").status_code == 401


def test_a_proxy_is_told_of_a_session() -> None:
    page = Client()
    page.force_login(factories.user("alice"))
    assert page.get("/api/v1/signed-in/").status_code == 204


def test_what_is_refused_says_which_scope_lacks() -> None:
    refused = client(factories.user("alice"), "read").post("/api/v1/potentials/", NEW)
    assert refused.status_code == 403
    assert refused.json()["missing_scope"] == "submit"
    assert "lacks the scope 'submit'; it has read." in refused.json()["detail"]
    assert not models.Potential.objects.exists()


def test_without_the_scope_admin_the_staff_is_an_ordinary_user() -> None:
    private = factories.submission(visibility="private")
    address = f"/api/v1/submissions/{private.pk}/"
    charlie = factories.charlie()
    ordinary, staff = client(charlie, "read"), client(charlie, "read", "admin")
    assert (ordinary.get(address).status_code, staff.get(address).status_code) == (404, 200)
    assert not ordinary.get("/api/v1/me/").json()["is_staff"]
    charlie.refresh_from_db()
    assert charlie.is_staff


def test_a_token_of_any_scope_may_end_itself_and_a_read_token_no_other() -> None:
    alice = factories.user("alice")
    reader = client(alice, "read")
    mine = models.ApiToken.objects.get()
    other, _ = models.ApiToken.create(alice, "other")
    assert reader.delete(f"/api/v1/tokens/{other.hint}/").status_code == 403
    assert reader.delete(f"/api/v1/tokens/{mine.hint}/").status_code == 204
    assert reader.get("/api/v1/me/").status_code == 401


def test_a_new_token_reads_and_submits_for_a_year_unless_told_otherwise() -> None:
    factories.user("alice")
    body = {"username": "alice", "password": "a good password", "name": "x"}
    made = APIClient().post("/api/v1/tokens/", body).json()
    assert made["scopes"] == ["read", "submit"]
    row = models.ApiToken.objects.get()
    assert row.expires_at is not None
    assert (row.expires_at - row.created_at).days in {364, 365}
    other = APIClient().post("/api/v1/tokens/", {**body, "scopes": ["read"]}).json()
    assert other["scopes"] == ["read"]
    for wrong in ([], ["everything"], "read"):
        assert APIClient().post("/api/v1/tokens/", {**body, "scopes": wrong}).status_code == 400
