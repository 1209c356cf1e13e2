"""Who stands where, who sees it, and why something is not ranked."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.utils import timezone

from leaderboard import models
from leaderboard.exceptions import SubmissionError
from leaderboard.services.boards.reader import view_for
from leaderboard.services.boards.rules import weights_from_query
from leaderboard.services.boards.store import current_board
from leaderboard.services.boards.task_reader import task_view
from leaderboard.services.boards.types import MISSING
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
ANYBODY = AnonymousUser()


def scored(
    name: str,
    on: models.TaskVersion,
    score: float | None,
    submission: models.Submission | None = None,
    **fields: Any,
) -> models.Evaluation:
    submission = submission or factories.submission(
        factories.potential(name=name, slug=name.lower())
    )
    swing = [-0.02, 0.0, 0.02] * 10
    replicates = [] if score is None else [score + s for s in swing]
    if score is not None:
        fields = {"score_low": score - 0.02, "score_high": score + 0.02, **fields}
    return factories.evaluation(submission, on, score=score, replicates=replicates, **fields)


def names(rows: list[Any]) -> list[str]:
    return [row.entrant.name for row in rows]


def test_task_board_ranks_by_score_and_keeps_pending_and_failed_apart() -> None:
    task = factories.task_version()
    scored("Middle", task, 0.5)
    scored("Best", task, 0.9)
    waiting = factories.evaluation(on=task)
    broken = factories.evaluation(on=task, state="failed", verdict="load_error")
    scored("Elsewhere", factories.task_version(), 1.0)

    board = task_view(task, ANYBODY)

    assert names(board.rows) == ["Best", "Middle"]
    assert [(row.rank, row.rank_low, row.rank_high) for row in board.rows] == [
        (1, 1, 1),
        (2, 2, 2),
    ]
    assert board.pending == [waiting]
    assert board.failed == [broken]
    assert all(row.is_ranked and row.why_not_ranked == "" for row in board.rows)


def test_task_board_marks_what_cannot_be_told_apart() -> None:
    task = factories.task_version()
    for name, replicates in (("A", [0.5, 0.6, 0.4]), ("B", [0.6, 0.5, 0.3]), ("C", [0.1] * 3)):
        submission = factories.submission(factories.potential(name=name))
        score = sum(replicates) / 3
        factories.evaluation(submission, task, score=score, replicates=replicates)

    board = task_view(task, ANYBODY)

    assert names(board.rows) == ["A", "B", "C"]
    assert [row.tied_with_previous for row in board.rows] == [False, True, False]


def test_low_coverage_is_shown_but_not_ranked_and_says_why() -> None:
    task = factories.task_version(min_coverage=0.5)
    scored("Narrow", task, 0.95, coverage=0.49)
    scored("Broad", task, 0.3, coverage=0.5)

    board = task_view(task, ANYBODY)

    assert names(board.rows) == ["Broad", "Narrow"]
    assert [row.rank for row in board.rows] == [1, None]
    assert board.rows[1].score == 0.95
    assert board.rows[1].why_not_ranked == (
        f"Supports 49% of the systems of {task.task.name}; at least 50% are needed for a rank."
    )


def test_a_score_that_is_none_stands_last_and_unranked() -> None:
    task = factories.task_version(min_coverage=0.0)
    scored("Nothing", task, None, coverage=0.0)
    scored("Something", task, 0.1)

    rows = task_view(task, ANYBODY).rows

    assert names(rows) == ["Something", "Nothing"]
    assert rows[1].why_not_ranked == (
        "Nothing could be judged: no system of the task is supported."
    )


def test_private_and_withdrawn_submissions_stand_on_no_public_board() -> None:
    task = factories.task_version()
    alice, bob = factories.user("alice"), factories.user("bob")
    private = factories.submission(factories.potential(alice, name="Secret"), visibility="private")
    gone = factories.submission(factories.potential(name="Gone"), withdrawn_at=timezone.now())
    scored("", task, 0.9, private)
    scored("", task, 0.8, gone)
    scored("Public", task, 0.5)

    def seen_by(user: User | AnonymousUser) -> list[tuple[str, int | None]]:
        rows = task_view(task, user).rows
        return [(row.entrant.name, row.rank) for row in rows]

    assert seen_by(ANYBODY) == [("Public", 1)]
    assert seen_by(bob) == [("Public", 1)]
    assert seen_by(alice) == [("Public", 1), ("Secret", None)]


def test_superseded_evaluations_are_left_out() -> None:
    task = factories.task_version()
    first = scored("Again", task, 0.2, is_current=False)
    scored("", task, 0.7, first.submission, supersedes=first)
    assert [row.score for row in task_view(task, ANYBODY).rows] == [0.7]


def test_an_overall_score_on_a_single_system_has_no_interval() -> None:
    lone, other = factories.task_version(), factories.task_version()
    benchmark = factories.benchmark_version((lone, "bulk"), (other, "forces"))
    both = scored("A", lone, 0.5, score_low=None, score_high=None).submission
    scored("", other, 0.7, both)

    row = view_for(current_board(benchmark), ANYBODY).rows[0]

    assert row.overall == pytest.approx(0.6)
    assert (row.low, row.high) == (None, None)


def test_theory_mismatch_needs_both_sides_to_be_known() -> None:
    task = factories.task_version()  # PBE
    for name, theory in (("A", "r2SCAN"), ("B", " pbe "), ("C", ""), ("D", "PBE+U, PBE")):
        potential = factories.potential(name=name, level_of_theory=theory)
        scored("", task, 0.5, factories.submission(potential))
    rows = task_view(task, ANYBODY).rows
    assert {row.entrant.name: row.theory_mismatch for row in rows} == {
        "A": True,
        "B": False,
        "C": False,
        "D": False,
    }


def test_mere_starting_structures_have_no_theory_to_differ_from() -> None:
    task = factories.task_version(reference_set=factories.reference_set(level_of_theory="none"))
    potential = factories.potential(name="A", level_of_theory="r2SCAN")
    scored("", task, 0.5, factories.submission(potential))
    assert [row.theory_mismatch for row in task_view(task, ANYBODY).rows] == [False]


def test_adding_a_potential_leaves_the_scores_of_others_unchanged() -> None:
    first, second = factories.task_version(), factories.task_version()
    benchmark = factories.benchmark_version((first, "bulk"), (second, "forces"))
    both = scored("Old", first, 0.5).submission
    scored("", second, 0.7, both)
    before = view_for(current_board(benchmark), ANYBODY).rows[0]

    new = scored("New", first, 0.9).submission
    scored("", second, 0.9, new)
    after = view_for(current_board(benchmark), ANYBODY).rows[1]

    assert (before.overall, before.low, before.high) == (after.overall, after.low, after.high)
    assert (before.rank, after.rank) == (1, 2)


def test_benchmark_board_combines_tasks_and_leaves_the_incomplete_unranked() -> None:
    first, second = factories.task_version(), factories.task_version()
    benchmark = factories.benchmark_version((first, "bulk"), (second, "forces"))
    full = scored("Full", first, 0.4).submission
    scored("", second, 0.8, full)
    half = scored("Half", first, 0.9).submission
    factories.evaluation(half, second)
    lone = scored("Lone", first, 0.8).submission

    board = view_for(current_board(benchmark), ANYBODY)

    assert [entry.task_version for entry in board.entries] == [first, second]
    assert [category.name for category in board.categories] == ["bulk", "forces"]
    assert [(row.key, row.rank) for row in board.rows] == [
        (full.pk, 1),
        (half.pk, None),
        (lone.pk, None),
    ]
    assert board.rows[0].overall == pytest.approx(0.6)
    assert board.rows[1].why_not_ranked == (
        f"Not ranked overall without a score on {second.task.name}."
    )
    assert board.rows[1].cells_by_task[first.pk].rank == 1
    assert [row.cells_by_task[second.pk].state for row in board.rows] == [
        "succeeded",
        "queued",
        MISSING,
    ]


def test_the_readers_weights_change_the_order_and_a_zero_makes_a_task_optional() -> None:
    first, second = factories.task_version(), factories.task_version()
    benchmark = factories.benchmark_version((first, "bulk"), (second, "forces"))
    a = scored("A", first, 0.9).submission
    scored("", second, 0.1, a)
    scored("B", first, 0.95)

    board = view_for(current_board(benchmark), ANYBODY, {"forces": 0.0})

    assert names(board.rows) == ["B", "A"]
    assert [row.rank for row in board.rows] == [1, 2]
    assert board.shares == {first.pk: 1.0, second.pk: 0.0}


def test_bad_weights_are_refused_by_name() -> None:
    benchmark = factories.benchmark_version((factories.task_version(), "bulk"))
    with pytest.raises(SubmissionError, match="There is no category 'magic'; there are bulk"):
        view_for(current_board(benchmark), ANYBODY, {"magic": 1.0})
    with pytest.raises(SubmissionError, match="At least one category"):
        view_for(current_board(benchmark), ANYBODY, {"bulk": 0.0})


def test_weights_are_read_from_the_query_and_bad_ones_named() -> None:
    query = {"weight.bulk": "2", "weight.forces": " ", "sort": "name"}
    assert weights_from_query(query) == {"bulk": 2.0}
    for bad in ("-1", "nan", "inf", "many", "1e9"):
        with pytest.raises(SubmissionError) as refused:
            weights_from_query({"weight.bulk": bad})
        assert set(refused.value.errors) == {"weight.bulk"}


def test_a_benchmark_without_tasks_is_an_empty_board() -> None:
    board = view_for(current_board(factories.benchmark_version()), ANYBODY)
    assert (board.rows, board.entries, board.shares) == ([], [], {})


@pytest.mark.parametrize("n_potentials", [1, 3])
def test_boards_take_a_constant_number_of_queries(
    n_potentials: int, django_assert_num_queries: Any
) -> None:
    tasks = [factories.task_version() for _ in range(n_potentials)]
    benchmark = factories.benchmark_version(*((task, "bulk") for task in tasks))
    for n in range(n_potentials):
        submission = factories.submission(factories.potential(name=f"P{n}"))
        for task in tasks:
            evaluation = scored("", task, 0.5, submission)
            models.Score.objects.create(
                evaluation=evaluation, metric="eos_delta_mean", value=2.0, n=2, n_failed=0
            )
    task = models.TaskVersion.objects.select_related("task", "reference_set").get(pk=tasks[0].pk)

    with django_assert_num_queries(12):  # computed, and stored
        rows = task_view(task, ANYBODY).rows
        assert [row.entrant.title for row in rows]
        assert {row.metrics["eos_delta_mean"].value for row in rows} == {2.0}
    with django_assert_num_queries(16):  # computed, and stored
        board = view_for(current_board(benchmark), ANYBODY)
        assert [row.entrant.title for row in board.rows]
