"""The history of a potential's rank over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from leaderboard import models
from leaderboard.services.boards.history import record
from tests.leaderboard import factories
from tests.leaderboard.past_world import Past, board_of, make_past

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/potentials/steps/history/"


@pytest.fixture
def past() -> Past:
    found = make_past()
    potential = factories.potential(factories.user("alice"), slug="steps", name="Steps")
    found.enters(0.5, potential, version="1.0")
    found.enters(0.8)
    return found


def test_rows_are_told_with_numbers_and_reasons(past: Past, stranger: APIClient) -> None:
    record(past.board)
    answer = stranger.get(ADDRESS).json()
    newest, oldest = answer["results"]
    overall = newest.pop("overall_low"), newest.pop("overall_high")
    assert overall[0] < 0.5 < overall[1]
    submission = newest.pop("submission")
    assert (submission["version"], submission["potential"]["slug"]) == ("1.0", "steps")
    assert datetime.fromisoformat(newest.pop("since")) == past.now
    assert newest == {
        "benchmark": "board",
        "benchmark_version": 1,
        "change": "moved",
        "why": "1 other came above it",
        "rank_before": 1,
        "rank": 2,
        "rank_low": 2,
        "rank_high": 2,
        "n_ranked": 2,
        "overall": 0.5,
        "n_came_above": 1,
        "n_left_above": 0,
    }
    assert (oldest["change"], oldest["rank"], oldest["rank_before"]) == ("entered", 1, None)
    assert answer["n_waiting"] == 0
    assert datetime.fromisoformat(answer["recorded_through"]) > past.now


def test_it_says_that_nothing_is_written_yet(past: Past, stranger: APIClient) -> None:
    answer = stranger.get(ADDRESS).json()
    assert answer == {
        "next": None, "previous": None, "results": [], "recorded_through": None, "n_waiting": 0,
    }  # fmt: skip


def test_it_comes_in_pages(past: Past, stranger: APIClient) -> None:
    for score in (0.6, 0.7):
        past.enters(score)
    record(past.board)
    found: list[Any] = []
    address = f"{ADDRESS}?page_size=1"
    while address:
        answer = stranger.get(address).json()
        found += answer["results"]
        address = answer["next"]
    assert [row["rank"] for row in found] == [4, 3, 2, 1]


def test_another_board_is_asked_for_by_name(past: Past, stranger: APIClient) -> None:
    other = board_of("other", 1, past.tasks[:1], past.now)
    record(other)
    (row,) = stranger.get(ADDRESS, {"benchmark": "other"}).json()["results"]
    assert (row["benchmark"], row["change"], row["rank"]) == ("other", "published", 2)
    assert stranger.get(ADDRESS, {"benchmark": "nowhere"}).status_code == 404
    assert stranger.get(ADDRESS, {"board": "other"}).status_code == 400


def test_what_is_not_public_is_told_to_nobody_else(
    past: Past, stranger: APIClient, alice: APIClient, bob: APIClient
) -> None:
    steps = models.Potential.objects.get(slug="steps")
    past.enters(0.9, steps, version="2.0")
    past.withdraw(steps.submissions.get(version="2.0"))
    record(past.board)

    def versions(client: APIClient) -> set[str]:
        rows = client.get(ADDRESS).json()["results"]
        return {row["submission"]["version"] for row in rows}

    assert versions(stranger) == versions(bob) == {"1.0"}
    assert versions(alice) == {"1.0", "2.0"}
    past.withdraw(steps.submissions.get(version="1.0"))
    assert stranger.get(ADDRESS).status_code == 404
    assert alice.get(ADDRESS).status_code == 200


def test_many_rows_take_as_many_queries(past: Past, stranger: APIClient) -> None:
    record(past.board)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert stranger.get(ADDRESS).status_code == 200
        return len(queries)

    stranger.get(ADDRESS)
    before = count()
    for score in (0.6, 0.7, 0.75):
        past.enters(score)
    record(past.board)
    assert count() == before
