"""Differences between submissions, with answers known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from leaderboard import models
from leaderboard.exceptions import SubmissionError
from leaderboard.services.advice.comparison import MetricRow, NotFound, compare, find_submissions
from leaderboard.services.advice.speed import measured_hardware, timings
from leaderboard.services.evaluations.metric_replicates import packed
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


@pytest.mark.parametrize(
    ("metric", "values", "verdict"),
    [
        ("force_mae", (0.30, 0.27), "better"),
        ("force_mae", (0.27, 0.30), "worse"),
        ("force_mae", (0.30, 0.299), "alike"),
        ("force_cosine_mean", (0.80, 0.83), "better"),
        ("softening_slope", (0.80, 0.83), "better"),  # best at 1
        ("softening_slope", (1.20, 1.23), "worse"),
        ("softening_slope", (0.80, 1.20), "alike"),
    ],
)
def test_a_metric_is_judged_by_its_direction(
    world: Advice, metric: str, values: tuple[float, float], verdict: str
) -> None:
    rows = [add(world, name, 0.5) for name in "ab"]
    for seed, (row, value) in enumerate(zip(rows, values, strict=True)):
        _measure(row, world.forces, metric, value, seed)
    (found,) = _metrics(rows, world)
    first, second = found.cells
    assert first.against_first is first.gain is None
    assert (second.value, second.low) == (values[1], pytest.approx(values[1] - 0.1, abs=0.02))
    gap, gain = second.against_first, second.gain
    assert gap and gain and gap.value == pytest.approx(values[1] - values[0])
    assert gap.low is not None and gap.high is not None
    assert gap.high - gap.low < 0.05  # both swing together
    told = ("better" if gain.value > 0 else "worse") if gain.is_significant else "alike"
    assert told == verdict


def test_a_metric_without_replicates_on_one_side_is_not_judged(world: Advice) -> None:
    rows = [add(world, name, 0.5) for name in "ab"]
    _measure(rows[0], world.forces, "force_mae", 0.3, seed=0)
    rows[1].evaluations.get(task_version=world.forces).scores.create(
        metric="force_mae", value=0.1, low=None, high=None, score=0.5, n=1, n_failed=0
    )
    (found,) = _metrics(rows, world)
    gap = found.cells[1].against_first
    assert gap and gap.value == pytest.approx(-0.2)
    assert gap.low is None and not gap.is_significant


def test_values_by_skill_are_judged_where_both_answered_the_same_systems(world: Advice) -> None:
    """Who fails on the hard systems has a smaller error over the others, and is no better."""
    version = factories.task_version(metrics=factories.SKILL_METRICS)
    rows = [add(world, name, 0.5) for name in ("whole", "better", "selective")]
    for seed, (row, value) in enumerate(zip(rows, (9.0, 8.0, 1.0), strict=True)):
        factories.evaluation(row, version, score=0.5)
        _measure(row, version, "eos_delta_mean", value, seed, n_failed=4 * (value == 1.0))
    (found,) = next(
        t.metrics for t in compare(rows, world.benchmark).tasks if t.task_version == version
    )
    _, better, selective = (cell.against_first for cell in found.cells)
    assert better and better.is_significant
    assert selective and selective.value == pytest.approx(-8.0)
    assert selective.low is None and not selective.is_significant


def test_a_score_without_an_interval_is_not_judged(world: Advice) -> None:
    # Of one system alone each replicate is the same: that tells nothing.
    rows = [add(world, name, 0.5) for name in "ab"]
    for n, row in enumerate(rows):
        row.evaluations.filter(task_version=world.dynamics).delete()
        factories.evaluation(row, world.dynamics, score=0.5 + n / 10, replicates=[0.5 + n / 10] * 9)
    found = compare(rows, world.benchmark)
    task = next(t for t in found.tasks if t.task_version == world.dynamics)
    category = next(c for c in found.categories if c.name == "Stability")
    for cell in (task.cells[1], category.cells[1]):
        gap = cell.against_first
        assert gap and gap.value == pytest.approx(0.1)
        assert not gap.is_significant


def _measure(
    submission: models.Submission,
    task: models.TaskVersion,
    metric: str,
    value: float,
    seed: int,
    n_failed: int = 0,
) -> None:
    """All swing together by 0.05, each has a little of its own."""
    swing = np.random.default_rng(7).normal(0, 0.05, 200)
    own = np.random.default_rng(100 + seed).normal(0, 0.003, 200)
    low, high = np.quantile(value + swing + own, [0.025, 0.975])
    submission.evaluations.get(task_version=task).scores.create(
        metric=metric, value=value, low=low, high=high, score=0.5, n=9, n_failed=n_failed,
        replicates=packed((value + swing + own).tolist()),
    )  # fmt: skip


def _metrics(rows: list[models.Submission], world: Advice) -> list[MetricRow]:
    tasks = compare(rows, world.benchmark).tasks
    return next(t.metrics for t in tasks if t.task_version == world.forces)


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


def test_times_of_a_busy_device_are_compared_with_none(world: Advice) -> None:
    rows = [add(world, "a", 0.5), add(world, "b", 0.5, us_per_atom=None)]
    why = "Its device was busy with something else before the times were taken (processor 40 %)."
    timed(rows[1], world.efficiency, why_unreliable=why, score=0.99)
    found = compare(rows, world.benchmark)
    task = next(t for t in found.tasks if t.task_version == world.efficiency)
    assert task.cells[1].against_first is None
    assert task.cells[1].why_not == f"{why} Not comparable."
    assert not any(cell.is_best for cell in task.cells)
    assert all(row.cells[1].against_first is None for row in task.metrics)
    # Nor is anybody advised by them.
    (hardware,) = measured_hardware()
    assert list(timings([row.pk for row in rows], hardware.key)) == [rows[0].pk]


MANY = 40


def on_elements(**skills: float) -> dict[str, float | None]:
    """Skills on many alloys with copper of each element."""
    return {
        "-".join([symbol, "Cu", *["Zn"] * n]): skill
        for symbol, skill in skills.items()
        for n in range(MANY)
    }


def test_elements_go_to_whom_more_than_chance_tells_apart(world: Advice) -> None:
    rows = [
        add(world, "a", 0.5, skills=on_elements(Li=0.2, S=0.8, F=0.5)),
        add(world, "b", 0.5, skills=on_elements(Li=0.7, S=0.3, F=0.5)),
    ]
    (wins,) = compare(rows, world.benchmark).wins
    assert [(p.name, p.n_systems) for p in wins.parts][:3] == [("Li", 40), ("F", 40), ("S", 40)]
    assert wins.skills[:3] == [pytest.approx(pair) for pair in ([0.2, 0.7], [0.5, 0.5], [0.8, 0.3])]
    assert wins.won == [[("S", pytest.approx(0.8))], [("Li", pytest.approx(0.7))]]


def test_one_system_is_nobodys_win(world: Advice) -> None:
    rows = [add(world, "a", 0.5, skills={"Li": 0.2}), add(world, "b", 0.5, skills={"Li": 0.6})]
    assert compare(rows, world.benchmark).wins == []


def test_nothing_by_element_is_told_of_a_hidden_reference(world: Advice) -> None:
    rows = [
        add(world, name, 0.5, skills=on_elements(Li=skill))
        for name, skill in (("a", 0.1), ("b", 0.9))
    ]
    assert compare(rows, world.benchmark).wins
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
