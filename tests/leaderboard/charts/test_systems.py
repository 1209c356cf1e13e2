"""One system under several potentials: what each family draws."""

from __future__ import annotations

import pytest

from leaderboard.charts import dynamics, efficiency, phonons
from leaderboard.charts.systems import system_charts

EOS = {
    "curve_volumes_A3": [18.0, 19.0, 20.0, 21.0, 22.0],
    "curve_energies_meV": [40.0, 10.0, 0.0, 9.0, 33.0],
}
EOS_REFERENCE = {
    "volume_per_atom_A3": 20.0,
    "bulk_modulus_GPa": 160.21766208,
    "bulk_modulus_derivative": 4.0,
}
MD = {
    "end": "completed",
    "series_time_ps": [0.0, 0.5, 1.0],
    "series_temperature_K": [300.0, 310.0, 305.0],
    "series_energy_meV_atom": [0.0, 1.0, 2.0],
}
WHOLE_MD = {**MD, "survived_ps": 1.0, "failure_reason": ""}
DOS = {"frequency_THz": [0.0, 1.0, 2.0], "states_per_THz_atom": [0.0, 2.0, 0.0]}
TIMED = {
    "formula": "Si",
    "sizes": [{"n_atoms": n, "median_ms": 2.0 * n, "q1_ms": n, "q3_ms": 3 * n} for n in (8, 64)],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "values", "reference", "titles"),
    [
        ("equation_of_state", EOS, EOS_REFERENCE, ["Equation of state of X"]),
        ("md_stability", MD, {}, ["Course of X"]),
        ("md_stability", {**MD, "end": "failed", "failure_reason": "hot"}, {}, ["Course of X"]),
        ("phonons", {"dos": DOS}, {"dos": DOS}, ["Phonon density of states of X"]),
        ("efficiency", TIMED, {}, ["Time of a call against atoms, Si"]),
        ("energy_forces", {"force_mae_eV_A": 0.1}, {}, ["Errors on X"]),
    ],
)
def test_each_family_draws_its_curve(
    protocol: str, values: dict[str, object], reference: dict[str, object], titles: list[str]
) -> None:
    charts = system_charts(protocol, "X", [("a", values), ("b", values)], reference)
    assert [chart.title for chart in charts] == titles
    assert all(chart.svg.startswith("<svg") and chart.description for chart in charts)


@pytest.mark.parametrize(
    "protocol", ["equation_of_state", "md_stability", "phonons", "efficiency", "energy_forces"]
)
def test_records_without_curves_draw_nothing(protocol: str) -> None:
    assert system_charts(protocol, "X", [("a", {}), ("b", {})], {}) == []


def test_the_reference_curve_is_its_birch_murnaghan_equation() -> None:
    (chart,) = system_charts("equation_of_state", "X", [("a", EOS)], EOS_REFERENCE)
    rows = [
        row for rows in chart.spec["datasets"].values() for row in rows if "potential" not in row
    ]
    assert min(row["energy"] for row in rows) == pytest.approx(0, abs=1.0)
    # To second order E = B0 (V - V0)^2 / (2 V0): 1 eV/A^3 (2 A^3)^2 / 40 A^3 = 0.1 eV at 22 A^3;
    # the third order lowers it by (B0' + 1) / 3 x 10 %, to about 85 meV.
    assert rows[-1]["volume"] == 22.0
    assert rows[-1]["energy"] == pytest.approx(85, abs=3)


@pytest.mark.slow
def test_trajectories_times_and_bands_lead_to_the_pages_of_their_systems() -> None:
    course = dynamics.course_chart("A 1", [("Cu", {**WHOLE_MD, "url": "/tasks/t/1/systems/Cu/"})])
    assert course is not None
    assert "/tasks/t/1/systems/Cu/" in course.svg
    (timed,) = efficiency.evaluation_charts([("Si", {**TIMED, "url": "/tasks/t/1/systems/Si/"})])
    assert "/tasks/t/1/systems/Si/" in timed.svg
    bands = {"distance": [0.0, 1.0], "frequency_THz": [[0.0, 1.0]], "corners": [[0.0, "Γ"]]}
    values = {"dos": DOS, "bands": bands, "url": "/tasks/t/1/systems/X/", "reference": {}}
    assert phonons.band_chart("A 1", "X", values).url == "/tasks/t/1/systems/X/"


def test_without_pages_nothing_is_linked() -> None:
    course = dynamics.course_chart("A 1", [("Cu", WHOLE_MD)])
    assert course is not None
    assert "href" not in course.svg
