"""Differences between submissions, with answers known beforehand."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from leaderboard import models
from leaderboard.exceptions import SubmissionError
from leaderboard.services.comparison import NotFound, compare, find_submissions
from tests.leaderboard import factories
from tests.leaderboard.advice_world import Advice, add, build_board
from tests.leaderboard.timings import CPU, timed

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Advice:
    return build_board()


def test_a_difference_is_judged_replicate_by_replicate(world: Advice) -> None:
    # Each score swings by 0.05, both together: a gap of 0.03 is told, one of 0.002 is not.
    rows = [
        add(world, "first", 0.50, seed=1),
        add(world, "better", 0.53, seed=2),
        add(world, "alike", 0.502, seed=3),
    ]
    found = compare(rows, world.benchmark)
    forces = next(t for t in found.tasks if t.task_version == world.forces)
    first, better, alike = forces.cells
    assert first.against_first is None
    assert better.against_first and better.against_first.value == pytest.approx(0.03)
    assert better.against_first.is_significant
    assert better.is_best
    assert better.low is not None and better.low < 0.5  # its own interval says nothing of it
    assert alike.against_first and not alike.against_first.is_significant


def test_categories_and_the_overall_score_are_weighted_as_on_the_board(world: Advice) -> None:
    rows = [
        add(world, "a", 0, scores=(0.9, 0.3, 0.6)),
        add(world, "b", 0, scores=(0.3, 0.9, 0.6), seed=1),
    ]
    found = compare(rows, world.benchmark)
    table = {c.name: [cell.score for cell in c.cells] for c in found.categories}
    assert table["Forces"] == [0.9, 0.3]
    assert table["Stability"] == [0.3, 0.9]
    # (0.9 + 0.3 + 0.6) / 3, twice.
    assert table["Overall"] == pytest.approx([0.6, 0.6])
    overall = found.categories[-1].cells[1].against_first
    assert overall is not None
    assert not overall.is_significant


def test_times_on_other_hardware_are_not_compared(world: Advice) -> None:
    rows = [add(world, "a", 0.5), add(world, "b", 0.5, us_per_atom=None)]
    timed(rows[1], world.efficiency, hardware=CPU, score=0.9)
    found = compare(rows, world.benchmark)
    task = next(t for t in found.tasks if t.task_version == world.efficiency)
    assert task.cells[1].against_first is None
    assert task.cells[1].why_not == f"Timed on {CPU}: not comparable."
    assert not any(cell.is_best for cell in task.cells)


def test_elements_go_to_the_smaller_error_where_all_have_one(world: Advice) -> None:
    rows = [
        add(world, "a", 0.5, force_errors={"S": 0.1, "Li": 0.4, "P": 0.1}),
        add(world, "b", 0.5, force_errors={"Li": 0.2, "S": 0.3}),
    ]
    (wins,) = compare(rows, world.benchmark).wins
    assert wins.errors == {"Li": [0.4, 0.2], "S": [0.1, 0.3]}
    assert wins.won == [[("S", 0.1)], [("Li", 0.2)]]


def test_nothing_by_element_is_told_of_a_hidden_reference(world: Advice) -> None:
    rows = [add(world, name, 0.5, force_errors={"Li": 0.1}, deltas={"Li": 1.0}) for name in "ab"]
    assert len(compare(rows, world.benchmark).wins) == 2
    models.ReferenceSet.objects.update(is_public=False)
    assert compare(rows, world.benchmark).wins == []


def test_a_slug_stands_for_the_newest_version_and_may_name_another(world: Advice) -> None:
    old = add(world, "a", 0.5)
    new = factories.submission(old.potential, version="2")
    stranger = AnonymousUser()
    assert find_submissions(["a", "a:1", "a:2", ""], stranger) == [new, old]
    with pytest.raises(SubmissionError, match="At most 6"):
        find_submissions([f"x{n}" for n in range(7)], stranger)


@pytest.mark.parametrize("name", ["nothing", "a:3", "secret", "gone", "a\x00", "x" * 1000])
def test_unknown_and_hidden_names_are_answered_alike(world: Advice, name: str) -> None:
    add(world, "a", 0.5)
    add(world, "secret", 0.5, visibility="private")
    add(world, "gone", 0.5, withdrawn_at=timezone.now())
    with pytest.raises(NotFound):
        find_submissions(["a", name], factories.user("bob"))


def test_an_owner_compares_his_private_one(world: Advice) -> None:
    alice = factories.user("alice")
    secret = add(world, "secret", 0.5, visibility="private", owner=alice)
    assert find_submissions(["secret"], alice) == [secret]
