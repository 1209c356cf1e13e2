from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from rest_framework.test import APIClient

from leaderboard import models
from leaderboard.services.accounts.throttles import address_of, forget_old_counts, hit, hit_sign_in
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def rates(settings: Any) -> dict[str, str]:
    settings.THROTTLES = {**settings.THROTTLES, "read": "3/hour", "submit": "2/hour"}
    found: dict[str, str] = settings.THROTTLES
    return found


@pytest.mark.django_db(transaction=True)
def test_the_count_is_exact_when_many_connections_count_at_once(settings: Any) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "read": "1000/day"}
    together, counts = threading.Barrier(8), []

    def count() -> None:
        together.wait()
        counts.extend(hit("read", "somebody").n for _ in range(50))
        connection.close()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == list(range(1, 401))


def test_tries_without_a_name_are_counted_by_address_alone(settings: Any) -> None:
    settings.THROTTLES = {
        **settings.THROTTLES,
        "login": "3/hour",
        "login-account": "2/hour",
        "login-everywhere": "2/hour",
    }
    for n in range(5):
        request = RequestFactory().post("/login/", REMOTE_ADDR=f"203.0.113.{n}")
        tries = [hit_sign_in(request, name).is_allowed for name in ("", " ", "", "")]
        assert tries == [True, True, True, False]


def test_a_new_window_starts_at_nothing(rates: dict[str, str]) -> None:
    for _ in range(4):
        hit("read", "somebody")
    assert not hit("read", "somebody").is_allowed
    models.RequestCount.objects.update(window_start=0)
    assert hit("read", "somebody").n == 1


def test_answers_say_what_is_left_and_when_it_starts_anew(rates: dict[str, str]) -> None:
    client = APIClient()
    answers = [client.get("/api/v1/protocols/") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"read";q=3;w=3600'
    assert answers[0].headers["RateLimit"].startswith('"read";r=2;t=')
    last = answers[3]
    assert last.headers["RateLimit"].startswith('"read";r=0;t=')
    assert 0 < int(last.headers["Retry-After"]) <= 3600
    assert last.json()["type"] == "urn:touchstone:problem:throttled"


def test_accounts_addresses_and_scopes_are_counted_apart(rates: dict[str, str]) -> None:
    alice, bob = client_of(factories.user("alice")), client_of(factories.user("bob"))
    for _ in range(3):
        assert alice.get("/api/v1/me/").status_code == 200
    assert alice.get("/api/v1/me/").status_code == 429
    assert bob.get("/api/v1/me/").status_code == 200
    assert APIClient().get("/api/v1/tasks/").status_code == 200
    assert alice.post("/api/v1/potentials/", {"slug": "x", "name": "X"}).status_code == 201


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "address 192.0.2.1"),
        (1, "203.0.113.9", "address 203.0.113.9"),
        (1, "198.51.100.7, 203.0.113.9", "address 203.0.113.9"),
        (2, "198.51.100.7, 203.0.113.9, 192.0.2.8", "address 203.0.113.9"),
        (1, "", "address 192.0.2.1"),
        (1, "2001:db8::1", "address 2001:db8::/64"),
        (1, "::ffff:203.0.113.9", "address 203.0.113.9"),
        (1, "rubbish", "address unknown"),
    ],
)
def test_the_address_is_what_our_own_proxies_saw(
    proxies: int, forwarded: str, expected: str, settings: Any
) -> None:
    settings.PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="192.0.2.1")
    assert address_of(request) == expected


def test_old_counts_are_forgotten() -> None:
    hit("read", "somebody")
    hit("read", "long ago")
    models.RequestCount.objects.filter(key="read long ago").update(window_start=0)
    assert forget_old_counts() == 1
    assert models.RequestCount.objects.get().key == "read somebody"
