"""A potential that covers nothing of a task has a score of 0 there, and a rank."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from leaderboard import models
from leaderboard.lib import memory
from leaderboard.services.advice.comparison import compare
from leaderboard.services.boards.chemistry import read_chemistry
from leaderboard.services.boards.chemistry_board import chemistry_board
from leaderboard.services.boards.ranking_moments import moments_of
from leaderboard.services.boards.reader import BoardRow, view_for, view_of
from leaderboard.services.boards.store import current_board, past_board
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

SYSTEMS = ["Si", "O-Si", "Cu", "Al", "Au"]
NOT_COVERED: dict[str, Any] = {"state": "failed", "verdict": "unsupported", "coverage": 0.0}


@pytest.fixture(autouse=True)
def forgetful() -> None:
    memory.forget()


def entrant(name: str) -> models.Submission:
    return factories.submission(factories.potential(name=name, slug=name), version="1")


def world(**ended: Any) -> tuple[models.BenchmarkVersion, models.TaskVersion]:
    """broad is middling on both tasks; narrow is good at one, and ended so on the other."""
    first, second = (
        factories.task_version(metrics=factories.SKILL_METRICS, min_coverage=0.0) for _ in range(2)
    )
    version = factories.benchmark_version((first, "A"), (second, "B"))
    broad, narrow = entrant("broad"), entrant("narrow")
    factories.evaluation_with_skills(broad, first, [0.5] * 5, SYSTEMS)
    factories.evaluation_with_skills(broad, second, [0.5] * 5, SYSTEMS)
    factories.evaluation_with_skills(narrow, first, [0.9] * 5, SYSTEMS)
    if ended:
        factories.evaluation(narrow, second, **ended)
    return version, second


def rows_of(version: models.BenchmarkVersion) -> dict[str, BoardRow]:
    rows = view_for(current_board(version), AnonymousUser()).rows
    return {row.entrant.name: row for row in rows}


def test_no_covered_system_is_a_score_of_zero_and_not_no_rank() -> None:
    rows = rows_of(world(**NOT_COVERED)[0])
    narrow = rows["narrow"]
    assert (rows["broad"].rank, narrow.rank) == (1, 2)
    assert narrow.overall == pytest.approx(0.45)  # (0.9 + 0) / 2
    assert narrow.low is not None and narrow.high is not None
    assert narrow.low < 0.45 < narrow.high < 0.5
    cell = narrow.cells[1]
    assert (cell.is_not_covered, cell.score, cell.rank) == (True, 0.0, None)


@pytest.mark.parametrize(
    "ended",
    [
        {},
        {"state": "queued"},
        {"state": "failed", "verdict": "runtime_error", "coverage": 1.0},
        {"state": "failed", "verdict": "unsupported", "coverage": 0.5},
        {"state": "failed", "verdict": "load_error", "coverage": None},
    ],
)
def test_who_was_not_evaluated_or_failed_has_no_rank(ended: dict[str, Any]) -> None:
    narrow = rows_of(world(**ended)[0])["narrow"]
    assert (narrow.rank, narrow.overall) == (None, None)
    assert narrow.why_not_ranked.startswith("Not ranked overall without a score on")


def test_a_task_by_anchors_or_with_a_least_coverage_gives_no_rank_for_nothing() -> None:
    submission = entrant("one")
    for fields in ({}, {"metrics": factories.SKILL_METRICS, "min_coverage": 0.5}):
        task = factories.task_version(**{"min_coverage": 0.0, **fields})
        version = factories.benchmark_version((task, "A"))
        factories.evaluation(submission, task, **NOT_COVERED)
        assert rows_of(version)["one"].rank is None


def test_a_board_for_a_chemistry_counts_it_alike() -> None:
    version, _ = world(**NOT_COVERED)
    part = chemistry_board(current_board(version), read_chemistry("Si,O"))
    rows = {row.entrant.name: row for row in view_of(part.board, None).rows}
    assert (rows["narrow"].rank, rows["narrow"].overall) == (2, pytest.approx(0.45))
    assert rows["narrow"].cells[1].score == 0.0


def test_boards_of_the_past_histories_and_comparisons_count_it_too() -> None:
    version, _ = world(**NOT_COVERED)
    now = timezone.now()
    then = {row.entrant.name: row for row in view_of(past_board(version, now), None).rows}
    assert then["narrow"].rank == 2
    narrow = models.Submission.objects.get(potential__slug="narrow")
    assert narrow.pk in moments_of(version).standing(now)
    submissions = [models.Submission.objects.get(potential__slug="broad"), narrow]
    overall = compare(submissions, version).categories[-1].cells[1]
    assert overall.score == pytest.approx(0.45)
    assert overall.against_first is not None and overall.against_first.low is not None


def test_halves_count_it_as_zero() -> None:
    found = current_board(world(**NOT_COVERED)[0]).resolution
    assert found is not None and found.stays_first == 1.0
