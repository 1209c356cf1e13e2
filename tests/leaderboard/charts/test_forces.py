"""Charts of forces: of what the protocol really tells, and left out where it tells nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from evaluator.plain import plain
from evaluator.protocols.base import Outcome, System
from evaluator.protocols.energy_forces_summary import summarise
from leaderboard.charts import forces


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path


def summary(slope: float, n_materials: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    judged = []
    for n in range(n_materials):
        reference = rng.normal(0, 1, (6, 3))
        atoms = Atoms(f"Si{n + 1}O", positions=rng.random((n + 2, 3)))
        reference = rng.normal(0, 1, (n + 2, 3))
        system = System(id=str(n), atoms=atoms, reference={"forces": reference})
        judged.append((system, Outcome(values={}, arrays={"forces": slope * reference})))
    return dict(plain(summarise(judged)))


def data(spec: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The rows of the layer that has a column of this name."""
    return next(rows for rows in spec["datasets"].values() if rows and key in rows[0])


def test_density_holds_every_component_of_the_histogram() -> None:
    parity = summary(0.8)["force_parity"]
    chart = forces.density_chart("A 1", parity)
    drawn = data(chart.spec, "n")
    assert [row["n"] for row in drawn] == [count for _, _, count in parity["cells"]]
    assert all(row["x"] < row["x2"] and row["y"] < row["y2"] for row in drawn)
    assert f"{parity['n_outside']} beyond it" in chart.description
    assert "predicted force component / eV/Å" in chart.svg


def test_the_colours_of_a_drawing_are_told_apart_from_those_of_others_on_the_page() -> None:
    svg = forces.density_chart("A 1", summary(0.8)["force_parity"]).svg
    (name,) = re.findall(r' id="([^"]*)"', svg)
    assert re.fullmatch(r"predicted-against-reference-force-components-gradient_\d+", name)
    assert f"url(#{name})" in svg


def test_softening_draws_each_material_of_each_potential_at_its_slope() -> None:
    chart = forces.softening_chart([("soft", summary(0.8)), ("exact", summary(1.0))])
    assert chart is not None
    slopes = {(r["potential"], r["material"]): r["slope"] for r in data(chart.spec, "slope")}
    assert slopes == pytest.approx(
        {(p, m): s for p, s in (("soft", 0.8), ("exact", 1.0)) for m in ("OSi", "OSi2", "OSi3")}
    )
    assert "OSi2" in chart.svg


def test_slope_far_off_lies_on_the_edge_and_keeps_its_number() -> None:
    chart = forces.softening_chart([("wild", summary(40.0))])
    assert chart is not None
    rows = data(chart.spec, "slope")
    assert {row["drawn"] for row in rows} == {2.0}
    assert [row["slope"] for row in rows] == pytest.approx([40.0] * 3)


def test_many_materials_are_spread_by_potential_instead_of_named() -> None:
    chart = forces.softening_chart([("A", summary(0.9, n_materials=31))])
    assert chart is not None
    assert "OSi7<" not in chart.svg


def test_an_older_summary_has_the_charts_its_numbers_allow() -> None:
    old = summary(0.9)
    for key in ("force_parity", "force_error_shares"):
        del old[key]
    del old["softening_by_material"]["materials"]
    titles = [chart.title for chart in forces.evaluation_charts("A", old)]
    assert titles == ["Force error by size of the force"]


def test_nothing_judged_gives_no_chart() -> None:
    assert forces.evaluation_charts("A", {}) == []
    assert forces.task_charts([("A", {}), ("B", {})]) == []


@pytest.mark.slow
def test_potential_without_numbers_is_not_in_the_legend() -> None:
    charts = forces.task_charts([("A", summary(0.9)), ("B without", {})])
    assert len(charts) == 3
    assert not any("B without" in chart.svg for chart in charts)


@pytest.mark.slow
def test_exact_forces_are_drawn_on_the_logarithmic_axis_too() -> None:
    charts = forces.task_charts([("exact", summary(1.0))])
    assert {row["error"] for row in data(charts[0].spec, "error")} == {1e-3}


def test_more_potentials_than_colours_are_refused() -> None:
    with pytest.raises(ValueError, match="7 potentials; at most 6"):
        forces.task_charts([(str(n), summary(1.0)) for n in range(7)])
