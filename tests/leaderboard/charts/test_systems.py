"""One system under several potentials: what each family draws."""

from __future__ import annotations

import pytest

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
DOS = {"frequency_THz": [0.0, 1.0, 2.0], "states_per_THz_atom": [0.0, 2.0, 0.0]}
TIMED = {
    "formula": "Si",
    "sizes": [{"n_atoms": n, "median_ms": 2.0 * n, "q1_ms": n, "q3_ms": 3 * n} for n in (8, 64)],
}


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
