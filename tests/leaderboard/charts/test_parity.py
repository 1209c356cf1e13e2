"""Charts: complete without scripts, readable in light and dark, cached, and harmless."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from evaluator.catalog import Column
from leaderboard import charts

COLUMN = Column(name="bulk_modulus_GPa", label="B₀", unit="GPa")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, settings: pytest.FixtureRequest) -> Path:
    settings.DATA_DIR = tmp_path  # type: ignore[attr-defined]
    return tmp_path / "charts"


def points(potential: str = "A", reference: tuple[float, ...] = (10.0, 20.0, 40.0)) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "potential": potential,
            "system": [f"system {n}" for n in range(len(reference))],
            "predicted": [0.8 * value for value in reference],
            "reference": reference,
            "url": [f"/evaluations/e/#system-{n}" for n in range(len(reference))],
        }
    )


def test_a_parity_chart_has_a_linked_mark_for_each_system() -> None:
    chart = charts.parity_chart(points(), COLUMN, ["A"])
    root = ElementTree.fromstring(chart.svg)
    links = [a.get("{http://www.w3.org/1999/xlink}href") for a in root.iter(f"{SVG}a")]
    assert sorted(filter(None, links)) == [f"/evaluations/e/#system-{n}" for n in range(3)]
    assert "3 points, 3 systems, for A" in chart.description
    assert "reference B₀ / GPa" in chart.svg


def test_the_drawing_takes_the_pages_colours_and_width() -> None:
    svg = charts.parity_chart(points(), COLUMN, ["A"]).svg
    root = ElementTree.fromstring(svg)
    assert root.get("viewBox")
    assert root.get("width") is None
    texts = [text.get("fill") for text in root.iter(f"{SVG}text")]
    assert set(texts) == {"currentColor"}
    assert 'fill="white"' not in svg


def test_points_beyond_the_frame_lie_on_its_edge() -> None:
    frame = points()
    frame.loc[0, "predicted"] = 1e6
    spec = charts.parity_chart(frame, COLUMN, ["A"]).spec
    scale = spec["layer"][1]["encoding"]["y"]["scale"]
    assert scale["clamp"] is True
    assert scale["domain"][1] < 100


@pytest.mark.slow
def test_a_wide_positive_range_is_drawn_on_logarithmic_axes() -> None:
    wide = charts.parity_chart(points(reference=(1.0, 400.0)), COLUMN, ["A"]).spec
    signed = charts.parity_chart(points(reference=(-1.0, 400.0)), COLUMN, ["A"]).spec
    assert wide["layer"][1]["encoding"]["x"]["scale"]["type"] == "log"
    assert "type" not in signed["layer"][1]["encoding"]["x"]["scale"]


@pytest.mark.slow
def test_drawings_are_kept_by_the_hash_of_their_spec(cache: Path) -> None:
    first = charts.parity_chart(points(), COLUMN, ["A"])
    (kept,) = cache.rglob("*.svg")
    kept.write_text("<svg>kept</svg>")
    assert charts.parity_chart(points(), COLUMN, ["A"]).svg == "<svg>kept</svg>"
    other = charts.parity_chart(points("B"), COLUMN, ["B"])
    assert other.svg != first.svg
    assert len(list(cache.rglob("*.svg"))) == 2


def test_hostile_names_are_escaped_in_the_drawing() -> None:
    name = "<script>alert(1)</script>"
    svg = charts.parity_chart(points(name), COLUMN, [name]).svg
    assert "<script" not in svg
    assert any(e.text == name for e in ElementTree.fromstring(svg).iter(f"{SVG}text"))


def test_too_many_potentials_and_no_points_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 6"):
        charts.parity_chart(points(), COLUMN, list("ABCDEFG"))
    with pytest.raises(ValueError, match="at least one point"):
        charts.parity_chart(points()[:0], COLUMN, ["A"])
