"""Charts of molecular dynamics: of what the protocol tells, and left out where it does not."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from evaluator.catalog import PROTOCOLS, check_parameters
from evaluator.plain import plain
from evaluator.protocols.base import Outcome, System
from evaluator.protocols.dynamics.stability import MDStabilityProtocol
from leaderboard.charts import dynamics
from tests.calculators import NanAfter

PROTOCOL = MDStabilityProtocol()
N_BINS = 25


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


PARAMETERS = check_parameters(
    PROTOCOLS["md_stability"].parameters,
    {
        "ensemble": "nvt_hold",
        "duration_ps": 0.2,
        "timestep_fs": 2.0,
        "n_relax_steps": 0,
        "thermostat_time_fs": 25.0,
        "uses_reference_temperature": True,
    },
)


def system(place: int) -> System:
    reference = {
        "temperature_K": 300.0,
        "rdf": np.linspace(0, 2, N_BINS),
        "rdf_max_A": 2.5,
        "rdf_noise_percent": 1.0,
    }
    atoms = bulk("Cu", cubic=True).repeat((2, 2, 2))
    return System(id=f"Cu-seed{place}", atoms=atoms, reference=reference)


@cache
def outcome(place: int, n_calls: int) -> Outcome:
    calculator: Calculator = NanAfter(n_calls) if n_calls else EMT()
    return PROTOCOL.simulate(system(place), calculator, PARAMETERS)


@cache
def found(*n_calls: int) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Summary and systems of one replica for each entry: good for so many calls, or (0) all."""
    systems = [system(place) for place in range(len(n_calls))]
    outcomes = [outcome(place, n) for place, n in enumerate(n_calls)]
    values = [
        plain({**o.values, "reference": PROTOCOL.reference_values(s)})
        for s, o in zip(systems, outcomes, strict=True)
    ]
    rows = [(s.id, v) for s, v in zip(systems, values, strict=True)]
    return plain(PROTOCOL.summary(systems, outcomes, PARAMETERS)), rows


def data(spec: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The rows of the layer that has a column of this name."""
    return next(rows for rows in spec["datasets"].values() if rows and key in rows[0])


@pytest.mark.slow
def test_survival_falls_where_trajectories_fail_and_a_whole_one_is_drawn_to_its_end() -> None:
    broken, whole = found(0, 50)[0], found(0)[0]
    chart = dynamics.survival_chart([("broken", broken), ("whole", whole)])
    drawn = [(r["potential"], r["time"], r["survival"]) for r in data(chart.spec, "survival")]
    assert drawn == [
        ("broken", 0.0, 1.0),
        ("broken", pytest.approx(0.1), 0.5),
        ("broken", 0.2, 0.5),
        ("whole", 0.0, 1.0),
        ("whole", 0.2, 1.0),
    ]
    assert "share of trajectories still in physics" in chart.svg


@pytest.mark.slow
def test_ends_are_counted_by_reason_and_none_is_lost() -> None:
    chart = dynamics.end_chart([("A 1", found(0, 50)[0])])
    counts = {r["end"]: r["n"] for r in data(chart.spec, "end")}
    assert counts == {"completed": 1, "non-finite": 1}


@pytest.mark.slow
def test_course_goes_up_to_the_failure_and_failed_ones_come_first() -> None:
    _, systems = found(0, 50)
    chart = dynamics.course_chart("A 1", systems)
    assert chart is not None
    rows = data(chart.spec, "series_temperature_K")
    assert rows[0]["system"] == "Cu-seed1"
    (failure,) = [row for row in rows if row["is_failure"]]
    assert failure["time"] == pytest.approx(0.1) and failure["reason"] == "non-finite"
    assert failure["series_temperature_K"] is None
    for title in ("temperature / K", "pressure / GPa", "distance / Σr_cov"):
        assert title in chart.svg


@pytest.mark.slow
def test_crosses_stand_in_those_panels_alone_where_a_failure_has_a_value() -> None:
    _, systems = found(0, 50)
    chart = dynamics.course_chart("A 1", systems)
    assert chart is not None
    marks = {
        panel["layer"][0]["encoding"]["y"]["title"]: len(panel["layer"])
        for panel in chart.spec["vconcat"]
    }
    # Its last temperature and energies are not finite; distances and volumes are.
    assert (marks["temperature / K"], marks["distance / Σr_cov"]) == (1, 2)
    assert 'aria-roledescription="symbol mark container"></g>' not in chart.svg


@pytest.mark.slow
def test_no_more_courses_are_drawn_than_can_be_seen() -> None:
    _, ((name, values),) = found(0)
    chart = dynamics.course_chart("A 1", [(f"{name}-{i}", values) for i in range(40)])
    assert chart is not None
    assert len({row["system"] for row in data(chart.spec, "system")}) == 8
    assert "32 more stand in the records" in chart.description


@pytest.mark.slow
def test_structure_stands_beside_its_reference_once_for_each_state() -> None:
    _, systems = found(0, 0)
    chart = dynamics.structure_chart("A 1", systems)
    assert chart is not None
    rows = data(chart.spec, "g")
    assert {(r["state"], r["of"]) for r in rows} == {("Cu", "reference"), ("Cu", "A 1")}
    assert len(rows) == 2 * N_BINS
    assert rows[0]["r"] == pytest.approx(0.05)


@pytest.mark.slow
def test_nothing_is_drawn_of_nothing() -> None:
    assert dynamics.task_charts([("A 1", {})]) == []
    assert dynamics.evaluation_charts("A 1", {}, [("Cu-seed0", {})]) == []
    _, systems = found(50)
    titles = [c.title for c in dynamics.evaluation_charts("A 1", found(50)[0], systems)]
    assert titles == [
        "Survival of trajectories",
        "How trajectories ended",
        "Course of trajectories",
    ]
