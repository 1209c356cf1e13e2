"""Boards of systems of one chemistry: the same for everybody, and never of hidden sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser

from leaderboard import models
from leaderboard.enums import Visibility
from leaderboard.lib import memory
from leaderboard.services.boards.chemistry import read_chemistry
from leaderboard.services.boards.chemistry_board import (
    ChemistryBoard,
    chemistry_board,
    on_chemistry,
)
from leaderboard.services.boards.reader import BoardRow, view_of
from leaderboard.services.boards.store import current_board, past_board, private_board
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

ELEMENTS = ("O-Si", "O-Si", "Si", "Cu", "Au-Cu", "He")
CLUSTERS = ("a", "a", "b", "c", "d", "e")


@pytest.fixture(autouse=True)
def forgetful() -> None:
    memory.forget()


def by_skill(**fields: Any) -> models.TaskVersion:
    return factories.task_version(metrics=factories.SKILL_METRICS, **fields)


def skilled(
    submission: models.Submission, version: models.TaskVersion, skills: list[float | None]
) -> models.Evaluation:
    return factories.evaluation_with_skills(submission, version, skills, ELEMENTS, CLUSTERS)


def entrant(name: str, **fields: Any) -> models.Submission:
    potential = factories.potential(name=name, slug=name)
    return factories.submission(potential, version="1", **fields)


def rows_of(board: ChemistryBoard) -> dict[str, BoardRow]:
    view = view_of(board.board, None)
    return {row.entrant.name: row for row in view.rows}


def asked(version: models.BenchmarkVersion, text: str) -> ChemistryBoard:
    return chemistry_board(current_board(version), read_chemistry(text))


def test_all_are_judged_on_the_same_systems_alone() -> None:
    task = by_skill()
    # One that gave up on copper, and one that gave up on silica.
    skilled(entrant("silicon"), task, [0.9, 0.7, 0.8, 0.0, 0.0, None])
    skilled(entrant("copper"), task, [0.0, 0.0, 0.6, 0.9, 0.9, None])
    board = asked(factories.benchmark_version((task, "EOS")), "Si,O")

    rows = rows_of(board)
    assert [(name, row.rank) for name, row in rows.items()] == [("silicon", 1), ("copper", 2)]
    assert rows["silicon"].overall == pytest.approx(0.8)  # (0.9 + 0.7 + 0.8) / 3
    assert rows["copper"].overall == pytest.approx(0.2)  # (0 + 0 + 0.6) / 3
    (judged,) = board.judged
    assert judged[1:] == (3, 2, ["O", "Si"])
    assert (board.n_systems, board.elements, board.left_out) == (3, ["O", "Si"], [])
    # Few clusters: wide, and never of no width.
    low, high = rows["silicon"].low, rows["silicon"].high
    assert low is not None and high is not None and low < 0.7 and 0.85 < high < 1
    cell = rows["copper"].cells[0]
    assert (cell.rank, cell.score, cell.coverage) == (2, pytest.approx(0.2), None)


def test_the_chemistry_of_everything_is_the_whole_board() -> None:
    task = by_skill()
    generator = np.random.default_rng(3)
    for name in ("a", "b", "c"):
        skilled(entrant(name), task, [*generator.random(5).tolist(), None])
    version = factories.benchmark_version((task, "EOS"))
    whole = {r.entrant.name: r for r in view_of(current_board(version), None).rows}

    part = rows_of(asked(version, "O,Si,Cu,Au,He"))

    for name, row in part.items():
        assert row.rank == whole[name].rank
        assert row.overall == pytest.approx(whole[name].overall, abs=1e-6)
        # Of other draws of the same distribution: 200 there, 1,000 here.
        assert (row.low, row.high) == pytest.approx((whole[name].low, whole[name].high), abs=0.1)


def test_tasks_that_cannot_be_judged_are_named_with_the_reason() -> None:
    judged, anchored, empty, lonely = by_skill(), factories.task_version(), by_skill(), by_skill()
    hidden = by_skill(reference_set=factories.reference_set(is_public=False))
    one = entrant("one")
    skilled(one, judged, [0.5] * 6)
    skilled(one, hidden, [0.5] * 6)
    factories.evaluation(one, anchored, score=0.5)
    factories.evaluation_with_skills(one, empty, [0.5], ["Fe"])
    tasks = [judged, anchored, empty, lonely, hidden]
    board = asked(factories.benchmark_version(*((task, "EOS") for task in tasks)), "Si,O")

    assert [task.entry.task_version for task in board.judged] == [judged]
    reasons = {left.entry.task_version: left.why.split(":")[0][:30] for left in board.left_out}
    assert reasons == {
        anchored: "Scored by anchors over all of ",
        empty: "No system of it is made of the",
        lonely: "Nobody has been judged on it y",
        hidden: "Its reference set is hidden",
    }
    assert rows_of(board)["one"].rank == 1


def test_a_set_that_is_hidden_afterwards_is_left_out_at_once() -> None:
    task = by_skill()
    skilled(entrant("one"), task, [0.5] * 6)
    version = factories.benchmark_version((task, "EOS"))
    assert asked(version, "Si,O").judged
    models.ReferenceSet.objects.update(is_public=False)

    board = asked(version, "Si,O")
    assert board.judged == []
    assert board.left_out[0].why.startswith("Its reference set is hidden")
    assert board.board.entries == [] and len(board.board.entrants) == 0


def test_where_a_guess_is_right_nobody_is_judged() -> None:
    task = by_skill()
    # Right on helium, which tests nothing, and wrong on it.
    skilled(entrant("right"), task, [0.5, 0.5, 0.5, 0.5, 0.5, None])
    skilled(entrant("wrong"), task, [0.5, 0.5, 0.5, 0.5, 0.5, 0.0])
    board = asked(factories.benchmark_version((task, "EOS")), "He")
    assert board.judged == []
    assert "tests nothing" in board.left_out[0].why


def test_what_is_tested_is_known_of_the_task_whoever_stands_on_it() -> None:
    """Of helium a guess is right: its count is none where nobody but who is wrong stands there."""
    task = by_skill()
    models.TestedSystems.objects.create(
        task_version=task,
        elements=list(ELEMENTS),
        clusters=list(CLUSTERS),
        is_tested=[True] * 5 + [False],
    )
    skilled(entrant("wrong"), task, [0.5] * 5 + [0.0])
    version = factories.benchmark_version((task, "EOS"))
    board = asked(version, "He,Cu")
    assert [judged[1:] for judged in board.judged] == [(1, 1, ["Cu"])]
    assert asked(version, "He").judged == []
    assert "tests nothing" in asked(version, "He").left_out[0].why


def test_private_rows_are_their_owners_and_move_nobody() -> None:
    task = by_skill()
    skilled(entrant("shown"), task, [0.5] * 6)
    secret = entrant("kept", visibility=Visibility.PRIVATE)
    skilled(secret, task, [1.0, 0.4, 0.1, 1.0, 1.0, None])
    version = factories.benchmark_version((task, "EOS"))
    board = asked(version, "Si,O")
    assert list(rows_of(board)) == ["shown"]

    def rows_for(user: Any) -> list[BoardRow]:
        own = private_board(current_board(version), user)
        return view_of(board.board, on_chemistry(own, board)).rows

    shown, kept = rows_for(secret.potential.owner)
    assert (shown.rank, kept.rank, kept.why_not_ranked[:7]) == (1, None, "Private")
    assert kept.overall == pytest.approx(0.5)
    assert (kept.cells[0].rank, kept.cells[0].why_not_ranked[:7]) == (None, "Private")
    assert kept.low is not None and kept.low < 0.5
    assert len(rows_for(AnonymousUser())) == len(rows_for(factories.user("bob"))) == 1


def test_a_private_row_that_was_judged_on_other_systems_has_no_score() -> None:
    task = by_skill()
    skilled(entrant("shown"), task, [0.5] * 6)
    secret = entrant("kept", visibility=Visibility.PRIVATE)
    factories.evaluation_with_skills(secret, task, [1.0], ["Si"])
    version = factories.benchmark_version((task, "EOS"))
    board = asked(version, "Si,O")
    own = on_chemistry(private_board(current_board(version), secret.potential.owner), board)
    assert own is not None and np.isnan(own.matrix.score).all()


def test_who_has_no_score_on_a_judged_task_is_not_ranked() -> None:
    first, second = by_skill(), by_skill()
    whole, half = entrant("whole"), entrant("half")
    for task in (first, second):
        skilled(whole, task, [0.1] * 6)
    skilled(half, first, [1.0] * 6)
    factories.evaluation(half, second, state="failed", verdict="runtime_error")
    board = asked(factories.benchmark_version((first, "A"), (second, "B")), "Si,O")
    rows = rows_of(board)
    assert (rows["whole"].rank, rows["half"].rank) == (1, None)
    assert rows["half"].why_not_ranked.startswith("Not ranked overall without a score on")


def test_a_new_evaluation_shows_at_once() -> None:
    task = by_skill()
    version = factories.benchmark_version((task, "EOS"))
    skilled(entrant("early"), task, [0.5] * 6)
    assert list(rows_of(asked(version, "metals"))) == ["early"]
    skilled(entrant("late"), task, [0.9] * 6)
    assert list(rows_of(asked(version, "metals"))) == ["late", "early"]


def test_tasks_without_weight_are_no_board() -> None:
    task = by_skill()
    version = factories.benchmark_version((task, "EOS"))
    skilled(entrant("one"), task, [0.5] * 6)
    board = current_board(version)
    board.entries[0].weight = 0.0
    part = chemistry_board(board, read_chemistry("Si,O"))
    assert part.judged == []
    assert "no weight" in part.left_out[0].why


def test_boards_of_the_past_are_judged_on_what_stood_then() -> None:
    task = by_skill()
    version = factories.benchmark_version((task, "EOS"))
    gone = skilled(entrant("gone"), task, [0.5] * 6)
    skilled(entrant("stays"), task, [0.4] * 6)
    models.Submission.objects.filter(pk=gone.submission_id).update(
        withdrawn_at=gone.finished_at.replace(year=gone.finished_at.year + 1)  # type: ignore[union-attr]
    )
    moment = models.Evaluation.objects.latest("finished_at").finished_at
    assert moment is not None
    then = chemistry_board(past_board(version, moment), read_chemistry("Si,O"))
    assert list(rows_of(then)) == ["gone", "stays"]
    assert list(rows_of(asked(version, "Si,O"))) == ["stays"]


@pytest.mark.parametrize("n", [1, 3])
def test_it_takes_as_many_queries_for_many_as_for_one(
    n: int, django_assert_num_queries: Any
) -> None:
    task = by_skill()
    for i in range(n):
        skilled(entrant(f"p{i}"), task, [0.1 * i] * 6)
    version = factories.benchmark_version((task, "EOS"))
    board = current_board(version)
    chemistry_board(board, read_chemistry("Si"))
    with django_assert_num_queries(1):  # stamps of the tasks
        chemistry_board(board, read_chemistry("Si,O"))
    with django_assert_num_queries(0):
        chemistry_board(board, read_chemistry("Si,O"))
    memory.forget()
    with django_assert_num_queries(2):
        chemistry_board(board, read_chemistry("Si,O"))
