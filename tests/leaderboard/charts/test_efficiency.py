from __future__ import annotations

import math
from typing import Any

import pytest

from leaderboard.charts import efficiency


def material(formula: str, factor: float = 1.0) -> dict[str, Any]:
    """Exactly linear: ``factor`` times 0.1 ms for each atom."""
    return {
        "formula": formula,
        "sizes": [
            {
                "n_atoms": n,
                "median_ms": factor * 0.1 * n,
                "q1_ms": factor * 0.09 * n,
                "q3_ms": factor * 0.12 * n,
                "n_calls": 100,
                "sandbox_ms": 0.1,
            }
            for n in (8, 64, 216)
        ],
        "scaling_exponent": 1.0,
        "scaling_prefactor_ms": factor * 0.1,
        "scaling_smallest_n_atoms": 8,
        "scaling_largest_n_atoms": 216,
    }


def rows_of(chart: Any, *names: str) -> list[tuple[Any, ...]]:
    """The data of a chart that carry all these fields."""
    found = [row for rows in chart.spec["datasets"].values() for row in rows]
    return [tuple(row[name] for name in names) for row in found if all(n in row for n in names)]


def test_an_evaluation_is_drawn_with_a_curve_and_a_law_for_each_material() -> None:
    (chart,) = efficiency.evaluation_charts([("a", material("Si")), ("b", material("Cu", 2.0))])
    assert ("Si", 64, pytest.approx(5.76)) in rows_of(chart, "curve", "n_atoms", "q1_ms")
    # The law's ends, at 8 and 216 atoms, lie on the points of exactly linear times.
    ends = [row for row in rows_of(chart, "curve", "n_atoms", "median_ms") if row[0] == "Cu"]
    assert ends.count(("Cu", 216, pytest.approx(43.2))) == 2
    assert "1.00 for Si, 1.00 for Cu" in chart.description
    assert "<svg" in chart.svg


@pytest.mark.slow
@pytest.mark.parametrize(
    "law",
    [
        {"scaling_exponent": 8e7},
        {"scaling_exponent": -8e7},
        {"scaling_exponent": 90.0, "scaling_prefactor_ms": 1e300},
        {"scaling_exponent": math.nan},
    ],
    ids=["overflows", "underflows", "infinite", "no number"],
)
def test_a_law_that_cannot_be_drawn_is_left_out_and_the_points_stand(law: dict[str, float]) -> None:
    (chart,) = efficiency.evaluation_charts([("a", {**material("Si"), **law})])
    assert len(rows_of(chart, "curve", "n_atoms", "median_ms")) == 3
    assert "<svg" in chart.svg
    (on_task,) = efficiency.task_charts([("A", {}, [("a", {**material("Si"), **law})])])
    assert "<svg" in on_task.svg


def test_a_task_is_drawn_on_the_first_material_that_all_have_run() -> None:
    both = [("speed-Si", material("Si")), ("speed-Cu", material("Cu"))]
    (chart,) = efficiency.task_charts(
        [("A", {"hardware": "x"}, both), ("B", {"hardware": "x"}, [("speed-Cu", material("Cu"))])]
    )
    assert chart.title == "Time of a call against atoms, Cu"
    assert {row[0] for row in rows_of(chart, "curve")} == {"A", "B"}


def test_potentials_of_different_hardware_tell_theirs() -> None:
    (chart,) = efficiency.task_charts(
        [(name, {"hardware": name * 2}, [("speed-Si", material("Si"))]) for name in ("A", "B")]
    )
    assert {row[0] for row in rows_of(chart, "curve")} == {"A, AA", "B, BB"}


def test_nothing_is_drawn_of_nothing() -> None:
    assert efficiency.evaluation_charts([("a", {})]) == []
    assert efficiency.task_charts([]) == []
    assert efficiency.task_charts([("A", {}, [("a", {})])]) == []


def test_a_material_with_one_size_has_no_law() -> None:
    lone = {**material("Si"), "scaling_exponent": None}
    (chart,) = efficiency.evaluation_charts([("a", lone)])
    assert "of none known" in chart.description
