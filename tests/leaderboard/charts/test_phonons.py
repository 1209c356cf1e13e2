"""Charts of phonons: of what the protocol really tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from evaluator.catalog import PROTOCOLS, check_parameters
from evaluator.plain import plain
from evaluator.protocols.base import Outcome, System
from evaluator.protocols.phonons.protocol import PhononsProtocol, dos_curve
from leaderboard.charts import phonons

PARAMETERS = check_parameters(PROTOCOLS["phonons"].parameters, {"mesh": 4})


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


@pytest.fixture(scope="module")
def copper() -> dict[str, Any]:
    """The record of a crystal, as the database keeps it."""
    system = System(id="Cu", atoms=bulk("Cu"), reference={"supercell_matrix": 2 * np.eye(3)})
    return dict(plain(PhononsProtocol().simulate(system, EMT(), PARAMETERS).values))


def summary(*lowest: tuple[float, float]) -> dict[str, Any]:
    """Of crystals with these lowest modes, (predicted, reference)."""
    systems = [
        System(id=str(i), atoms=bulk("Cu"), reference={"omega_min_THz": r, "omega_max_THz": 7.0})
        for i, (_, r) in enumerate(lowest)
    ]
    found = [Outcome(values={"omega_min_THz": p, "omega_max_THz": 7.0}) for p, _ in lowest]
    return dict(plain(PhononsProtocol().summary(systems, found, PARAMETERS)))


def rows(spec: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return next(rows for rows in spec["datasets"].values() if rows and key in rows[0])


@pytest.mark.slow
def test_bands_stand_beside_both_densities_of_states(copper: dict[str, Any]) -> None:
    reference = {"dos": plain(dos_curve(np.array([[1.0, 2.0, 3.0]]), np.ones(1)))}
    chart = phonons.band_chart("A 1", "Cu", copper | {"reference": reference})

    assert chart.title == "Phonons of Cu"
    drawn = rows(chart.spec, "distance")
    assert len(drawn) == 3 * len(copper["bands"]["distance"])
    assert {row["curve"] for row in rows(chart.spec, "states")} == {"A 1", "reference"}
    for corner in ("Γ", "X", "U|K", "L", "W"):
        assert f">{corner}<" in chart.svg
    assert "the reference's is grey" in chart.description


@pytest.mark.slow
def test_lines_break_where_the_path_jumps(copper: dict[str, Any]) -> None:
    chart = phonons.band_chart("A 1", "Cu", copper)
    ends = {at for at, name in copper["bands"]["corners"] if name == "U"}  # the path goes on from K
    lines = {row["line"] for row in rows(chart.spec, "distance") if row["distance"] in ends}
    assert len(lines) == 2 * 3
    assert "no density of states is known" in chart.description


@pytest.mark.slow
def test_best_middle_and_worst_crystals_are_drawn(copper: dict[str, Any]) -> None:
    def crystal(distance: float) -> dict[str, Any]:
        return copper | {"dos_distance_THz": distance}

    systems = [("c", crystal(3.0)), ("a", crystal(1.0)), ("x", crystal(9.0)), ("b", crystal(2.0))]
    charts = phonons.evaluation_charts("A 1", {}, systems)
    assert [chart.title for chart in charts] == [f"Phonons of {name}" for name in ("a", "c", "x")]
    measured = [
        (name, copper | {"gamma_max_THz": found, "reference": {"gamma_max_THz": 10.0}})
        for name, found in (("far", 2.0), ("near", 9.5))
    ]
    charts = phonons.evaluation_charts("A 1", {}, measured)
    assert [chart.title for chart in charts] == ["Phonons of near", "Phonons of far"]


def test_confusion_matrix_counts_crystals() -> None:
    (chart,) = phonons.task_charts(
        [("A 1", summary((0.0, 0.0), (-1.0, 0.0), (-2.0, -1.0))), ("B 1", summary((0.0, -1.0)))]
    )
    counts = {(r["potential"], r["class"]): r["n"] for r in rows(chart.spec, "n")}
    assert counts == {
        ("A 1", "rightly stable"): 1,
        ("A 1", "wrongly unstable"): 1,
        ("A 1", "wrongly stable"): 0,
        ("A 1", "rightly unstable"): 1,
        ("B 1", "rightly stable"): 0,
        ("B 1", "wrongly unstable"): 0,
        ("B 1", "wrongly stable"): 1,
        ("B 1", "rightly unstable"): 0,
    }


def test_nothing_is_drawn_of_nothing() -> None:
    assert phonons.evaluation_charts("A 1", {}, [("failed", {"reference": {}})]) == []
    assert phonons.task_charts([("A 1", summary())]) == []
