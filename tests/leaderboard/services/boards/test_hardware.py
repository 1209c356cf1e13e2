"""Times of different hardware never stand in one ranking."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from leaderboard import models
from leaderboard.services.boards.hardware import by_frequency
from leaderboard.services.boards.reader import BoardView, view_for
from leaderboard.services.boards.store import current_board
from leaderboard.services.boards.task_reader import task_view
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
ANYBODY = AnonymousUser()
METRICS = [
    {"key": "call_time_median", "good": 1.0, "bad": 1000.0, "worst": 1e4, "scale": "log"},
]
LAPTOP, CLUSTER = "2 threads of Laptop", "NVIDIA H200, 4 threads of EPYC"


def timed_task() -> models.TaskVersion:
    return factories.task_version(
        protocol="efficiency",
        metrics=METRICS,
        reference_set=factories.reference_set(properties=[]),
    )


def potential(name: str) -> models.Submission:
    return factories.submission(factories.potential(name=name))


def timed(
    of: models.Submission,
    on: models.TaskVersion,
    score: float,
    hardware: str,
    why_unreliable: str = "",
) -> models.Evaluation:
    return factories.evaluation(
        of,
        on,
        score=score,
        score_low=score - 0.01,
        score_high=score + 0.01,
        replicates=[score - 0.01, score, score + 0.01],
        hardware_key=hardware,
        why_unreliable=why_unreliable,
    )


def test_times_of_a_busy_device_are_shown_and_not_ranked() -> None:
    task = timed_task()
    for name, score in (("Calm", 0.4), ("Calmer", 0.3)):
        timed(potential(name), task, score, LAPTOP)
    timed(potential("Busy"), task, 0.9, LAPTOP, "Its device was busy (processor 40 %).")
    benchmark = factories.benchmark_version((task, "Speed"))

    rows = {row.entrant.name: row for row in task_view(task, ANYBODY).rows}

    assert {name: row.rank for name, row in rows.items()} == {"Calm": 1, "Calmer": 2, "Busy": None}
    assert rows["Busy"].score == 0.9
    why = (
        "Its device was busy (processor 40 %). Such times are not ranked; they are repeated later."
    )
    assert rows["Busy"].why_not_ranked == why
    # Nor does it count on the board of all tasks.
    matrix = current_board(benchmark).matrix
    assert sorted(matrix.rank[:, 0].tolist()) == [0, 1, 2]
    assert why in matrix.sentences


def test_of_a_hidden_set_no_number_tells_why_times_are_not_ranked() -> None:
    hidden = factories.task_version(
        protocol="efficiency",
        metrics=METRICS,
        reference_set=factories.reference_set(properties=[], is_public=False),
    )
    why = "Its times spread by 34 % between processes (Si, 64 atoms)."
    timed(potential("Busy"), hidden, 0.9, LAPTOP, why)
    benchmark = factories.benchmark_version((hidden, "Speed"))
    told = [task_view(hidden, ANYBODY).rows[0].why_not_ranked]
    told += [text for text in current_board(benchmark).matrix.sentences if text]
    assert set(told) == {
        "Its times were not reliable. Such times are not ranked; they are repeated later."
    }


def test_rows_of_a_timed_task_are_ranked_hardware_by_hardware() -> None:
    task = timed_task()
    for name, score, hardware in (
        ("Slow here", 0.2, LAPTOP),
        ("Fast here", 0.4, LAPTOP),
        ("Fast there", 0.9, CLUSTER),
        ("Middle here", 0.3, LAPTOP),
        ("Slow there", 0.5, CLUSTER),
    ):
        timed(potential(name), task, score, hardware)

    board = task_view(task, ANYBODY)

    assert [(row.entrant.name, row.hardware, row.rank) for row in board.rows] == [
        ("Fast here", LAPTOP, 1),
        ("Middle here", LAPTOP, 2),
        ("Slow here", LAPTOP, 3),
        ("Fast there", CLUSTER, 1),
        ("Slow there", CLUSTER, 2),
    ]
    assert board.hardware == [LAPTOP, CLUSTER]


def test_the_first_of_a_hardware_is_tied_with_nobody_above() -> None:
    task = timed_task()
    timed(potential("A"), task, 0.5, LAPTOP)
    timed(potential("B"), task, 0.5, CLUSTER)
    assert [row.tied_with_previous for row in task_view(task, ANYBODY).rows] == [False] * 2


def _mixed_board(weights: dict[str, float]) -> BoardView:
    """Forces count one, speed zero; two potentials were timed here, one there."""
    speed, forces = timed_task(), factories.task_version()
    version = factories.benchmark_version((forces, "Forces"), (speed, "Speed"))
    for name, accuracy, fast, hardware in (
        ("Accurate", 0.9, 0.2, LAPTOP),
        ("Quick", 0.5, 0.8, LAPTOP),
        ("Elsewhere", 0.7, 0.99, CLUSTER),
    ):
        submission = potential(name)
        timed(submission, forces, accuracy, "")
        timed(submission, speed, fast, hardware)
    return view_for(current_board(version), ANYBODY, weights)


def _standing(board: BoardView) -> dict[str, int | None]:
    return {row.entrant.name: row.rank for row in board.rows}


def test_times_do_not_touch_an_overall_score_in_which_their_category_weighs_nothing() -> None:
    board = _mixed_board({"Speed": 0.0})
    assert _standing(board) == {"Accurate": 1, "Elsewhere": 2, "Quick": 3}
    assert [row.overall for row in board.rows] == pytest.approx([0.9, 0.7, 0.5])
    assert board.hardware == ""
    speed = next(e for e in board.entries if e.category == "Speed")
    assert board.shares[speed.task_version_id] == 0.0


def test_an_overall_score_with_times_ranks_one_hardware_and_says_so() -> None:
    board = _mixed_board({"Speed": 1.0})
    assert _standing(board) == {"Quick": 1, "Accurate": 2, "Elsewhere": None}
    assert board.hardware == LAPTOP
    left_out = next(row for row in board.rows if row.rank is None)
    assert left_out.why_not_ranked == (
        f"Timed on {CLUSTER}; times are only ranked with those of the same hardware, here {LAPTOP}."
    )


def test_cells_of_a_benchmark_are_ranked_within_their_hardware() -> None:
    board = _mixed_board({"Speed": 0.0})
    speed = next(e for e in board.entries if e.category == "Speed").task_version_id
    ranks: dict[str, Any] = {
        row.entrant.name: (row.cells_by_task[speed].rank, row.cells_by_task[speed].hardware)
        for row in board.rows
    }
    assert ranks == {
        "Quick": (1, LAPTOP),
        "Accurate": (2, LAPTOP),
        "Elsewhere": (1, CLUSTER),
    }


def test_a_private_row_does_not_decide_which_hardware_is_ranked() -> None:
    alice = factories.user("alice")
    speed = timed_task()
    version = factories.benchmark_version((speed, "Speed"))
    timed(potential("Public"), speed, 0.5, LAPTOP)
    for name in ("Secret one", "Secret two"):
        secret = factories.submission(factories.potential(alice, name=name), visibility="private")
        timed(secret, speed, 0.9, CLUSTER)
    for reader in (ANYBODY, alice):
        board = view_for(current_board(version), reader)
        assert board.hardware == LAPTOP
        assert _standing(board)["Public"] == 1


def test_hardware_is_ordered_by_frequency_and_then_by_name() -> None:
    assert by_frequency(["b", "a", "c", "c"]) == ["c", "a", "b"]
    assert by_frequency([]) == []
