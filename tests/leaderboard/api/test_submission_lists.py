"""Lists of submissions over REST: pages, filters, and how much they cost."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
URL = "/api/v1/submissions/"


@pytest.mark.parametrize("n", [1, 3])
def test_a_list_takes_four_queries(
    n: int, alice: APIClient, django_assert_num_queries: Any
) -> None:
    version = factories.task_version()
    for _ in range(n):
        factories.evaluation(factories.submission(), version)
    alice.get(URL)  # notes the token's use
    with django_assert_num_queries(4):  # token, throttle, submissions, evaluations
        assert len(alice.get(URL).json()["results"]) == n


def test_pages_follow_one_another_without_gap_or_repetition(stranger: APIClient) -> None:
    ids = {str(factories.submission().pk) for _ in range(5)}
    seen: list[str] = []
    address: str | None = URL + "?page_size=2"
    while address:
        page = stranger.get(address).json()
        seen += [row["id"] for row in page["results"]]
        address = page["next"]
    assert len(seen) == 5
    assert set(seen) == ids


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("page_size=0", 400),
        ("page_size=x", 400),
        ("page_size=201", 400),
        ("page_size=²", 400),
        ("cursor=x", 404),
        ("cursor=cD0lMDA=", 404),  # p=%00
        ("cursor=cD15ZXN0ZXJkYXk=", 404),  # p=yesterday
        ("potential=%00", 400),
        ("potential=A B", 400),
        ("colour=red", 400),
        ("mine=perhaps", 400),
        ("format=xml", 404),
    ],
)
def test_a_bad_query_is_told(query: str, status: int, stranger: APIClient) -> None:
    response = stranger.get(f"{URL}?{query}")
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"


def test_mine_lists_mine(alice: APIClient, bob: APIClient) -> None:
    factories.submission(version="a")
    factories.submission(factories.potential(factories.user("bob")), version="b")
    assert [r["version"] for r in alice.get(URL + "?mine=true").json()["results"]] == ["a"]
    assert [r["version"] for r in bob.get(URL + "?mine=true").json()["results"]] == ["b"]
