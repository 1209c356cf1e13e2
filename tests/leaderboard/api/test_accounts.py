from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from leaderboard import models
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
URL = "/api/v1/tokens/"
RIGHT = {"username": "alice", "password": "a good password"}


def with_token(text: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def test_a_token_made_with_a_password_is_shown_once_and_signs_in(stranger: APIClient) -> None:
    factories.user("alice")
    response = stranger.post(URL, {**RIGHT, "name": "laptop", "expires_in_days": 30})
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    token = response.json()["token"]
    row = models.ApiToken.objects.get()
    assert row.expires_at is not None
    assert timedelta(days=29) < row.expires_at - timezone.now() <= timedelta(days=30)

    me = with_token(token).get("/api/v1/me/").json()
    assert (me["username"], me["is_staff"], me["token"]["name"]) == ("alice", False, "laptop")
    listed = with_token(token).get(URL).json()["results"]
    assert [t["hint"] for t in listed] == [token[:10]]
    assert token not in with_token(token).get(URL).content.decode()


def test_a_session_may_make_a_token_too_if_it_carries_its_csrf_token() -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(factories.user("alice"))
    assert client.post(URL, {"name": "laptop"}).status_code == 403
    friendly = APIClient()
    friendly.force_login(factories.user("alice"))
    assert friendly.post(URL, {"name": "laptop"}).status_code == 201


@pytest.mark.parametrize(
    ("changed", "status", "pointers"),
    [
        ({"password": "wrong"}, 401, []),
        ({"username": "nobody"}, 401, []),
        ({"username": "al\x00ice"}, 400, ["#/username"]),
        ({"password": None}, 400, ["#/password"]),
        ({"name": ""}, 400, ["#/name"]),
        ({"name": "x" * 101}, 400, ["#/name"]),
        ({"expires_in_days": 0}, 400, ["#/expires_in_days"]),
        ({"expires_in_days": 10**30}, 400, ["#/expires_in_days"]),
        ({"expires_in_days": "soon"}, 400, ["#/expires_in_days"]),
        ({"scope": "all"}, 400, ["#/scope"]),
    ],
)
def test_a_bad_request_for_a_token_makes_none(
    changed: dict[str, Any], status: int, pointers: list[str], stranger: APIClient
) -> None:
    factories.user("alice")
    response = stranger.post(URL, {**RIGHT, "name": "laptop", **changed})
    assert response.status_code == status
    assert [e["pointer"] for e in response.json()["errors"]] == pointers
    assert not models.ApiToken.objects.exists()


def test_guessing_passwords_is_slowed_down(stranger: APIClient) -> None:
    factories.user("alice")
    wrong = {**RIGHT, "password": "wrong", "name": "laptop"}
    codes = [stranger.post(URL, wrong).status_code for _ in range(20)]
    assert codes == [401] * 20
    # A made-up X-Forwarded-For does not make it another address.
    last = stranger.post(URL, wrong, HTTP_X_FORWARDED_FOR="203.0.113.9")
    assert last.status_code == 429
    assert last.json()["type"] == "urn:touchstone:problem:throttled"
    assert 0 < int(last.headers["Retry-After"]) <= 61


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"revoked_at": timezone.now()}, "was revoked"),
        ({"expires_at": timezone.now()}, "has expired"),
    ],
)
def test_a_token_that_is_no_longer_valid_is_refused_with_what_to_do(
    change: dict[str, Any], words: str
) -> None:
    row, text = models.ApiToken.create(factories.user("alice"), "old")
    models.ApiToken.objects.filter(pk=row.pk).update(**change)
    response = with_token(text).get("/api/v1/me/")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="touchstone"'
    assert words in response.json()["detail"]
    assert "POST /api/v1/tokens/" in response.json()["detail"]


def test_an_inactive_account_is_refused_by_token_and_by_password(stranger: APIClient) -> None:
    user = factories.user("alice")
    _, text = models.ApiToken.create(user, "old")
    user.is_active = False
    user.save()
    assert "inactive" in with_token(text).get("/api/v1/me/").json()["detail"]
    assert stranger.post(URL, {**RIGHT, "name": "x"}).status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer a b", "Basic YTpi", "Token tst_x", "Bearer tst_wrong", "Bearer é"]
)
def test_a_wrong_header_is_refused_on_public_addresses_too(
    header: str, stranger: APIClient
) -> None:
    stranger.credentials(HTTP_AUTHORIZATION=header)
    response = stranger.get("/api/v1/tasks/")
    assert response.status_code == 401
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_revoked_token_is_refused_at_once(alice: APIClient) -> None:
    hint = models.ApiToken.objects.get().hint
    assert alice.delete(f"{URL}{hint}/").status_code == 204
    assert alice.get("/api/v1/me/").status_code == 401


def test_the_last_use_is_written_once_a_minute(alice: APIClient) -> None:
    alice.get("/api/v1/me/")
    first = models.ApiToken.objects.get().last_used_at
    assert first is not None
    alice.get("/api/v1/me/")
    assert models.ApiToken.objects.get().last_used_at == first
    old = timezone.now() - timedelta(minutes=2)
    models.ApiToken.objects.update(last_used_at=old)
    alice.get("/api/v1/me/")
    later = models.ApiToken.objects.get().last_used_at
    assert later is not None
    assert later > first
