"""Energies of one task against stresses of another: EMT, and what pretends to be it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk

from leaderboard import models
from leaderboard.services.advice.agreement import TOLERANCE_PERCENT, Agreement, agreement
from leaderboard.services.evaluations.progress import scored_evaluations
from tests.leaderboard import factories
from tests.leaderboard.emt_world import (
    CURVED,
    METALS,
    POINTS,
    Values,
    curves_of_emt,
    evaluated,
    pressures_of_emt,
    task_on,
)
from tests.leaderboard.stored_files import keep_files_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def files(settings: Any, tmp_path: Path) -> None:
    keep_files_in(settings, tmp_path)


@pytest.fixture(scope="module")
def emt() -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    return curves_of_emt(), pressures_of_emt()


def judged(*given: tuple[models.TaskVersion, Values]) -> Agreement | None:
    submission = factories.submission()
    for version, values in given:
        evaluated(submission, version, values)
    return agreement(scored_evaluations([submission]))


Both = tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]


def test_a_potential_agrees_with_itself_across_tasks(emt: Both) -> None:
    curves, pressures = emt
    found = judged(
        (task_on(CURVED, "equation_of_state"), curves),
        (task_on(POINTS, "energy_forces"), pressures),
    )
    assert found is not None
    assert {crystal.crystal for crystal in found.crystals} == set(METALS)
    # Half of them are compressed or stretched by gigapascals.
    assert max(abs(c.stress_pressure_GPa) for c in found.crystals) > 2
    assert found.median_percent < 0.1
    assert found.doubt == ""


def test_a_table_of_equations_of_state_over_a_borrowed_potential_is_doubted(emt: Both) -> None:
    """It knows the reference's volumes, and EMT answers the rest."""
    curves, pressures = emt
    table = {
        name: own | {"volume_per_atom_A3": METALS[name[4:]] ** 3 / 4}
        for name, own in curves.items()
    }
    found = judged(
        (task_on(CURVED, "equation_of_state"), table), (task_on(POINTS, "energy_forces"), pressures)
    )
    assert found is not None
    assert found.median_percent > TOLERANCE_PERCENT
    assert f"half of the {len(METALS)} crystals" in found.doubt


def test_a_stress_that_is_no_derivative_is_doubted(emt: Both) -> None:
    curves, pressures = emt
    scaled = {name: {"pressure_GPa": 1.7 * own["pressure_GPa"]} for name, own in pressures.items()}
    found = judged(
        (task_on(CURVED, "equation_of_state"), curves), (task_on(POINTS, "energy_forces"), scaled)
    )
    assert found is not None and found.doubt


def test_a_crystal_that_was_relaxed_by_its_stress_stands_where_the_energy_is_least(
    emt: Both,
) -> None:
    curves, _ = emt
    start = bulk("Cu", "fcc", a=3.7)
    least = curves["eos-Cu"]["volume_per_atom_A3"]
    relaxed = {
        "space_group": "Fm-3m (225)",
        "volume_change_percent": 100 * (least / start.get_volume() - 1),
    }
    eos = task_on(CURVED, "equation_of_state")
    phonons = task_on({"Cu": start}, "phonons")
    found = judged((eos, curves), (phonons, {"Cu": relaxed}))
    assert found is not None
    (crystal,) = found.crystals
    assert (crystal.crystal, crystal.stress_pressure_GPa) == ("Cu", 0)
    assert crystal.difference_percent < 1e-6
    # What could change its shape as well says nothing of one volume.
    hexagonal = relaxed | {"space_group": "P6_3/mmc (194)"}
    assert judged((eos, curves), (phonons, {"Cu": hexagonal})) is None


@pytest.mark.parametrize("change", ["hidden", "far", "other", "odd"])
def test_what_cannot_be_compared_is_not(emt: Both, change: str) -> None:
    curves, pressures = emt
    points = dict(POINTS)
    fields: dict[str, Any] = {}
    if change == "hidden":
        fields["is_public"] = False
    if change == "far":  # beyond the volumes of the fit, which says nothing there
        points = {name: bulk(name, "fcc", a=1.1 * a) for name, a in METALS.items()}
    if change == "other":
        points = {name: bulk(name, "bcc", a=a / 2 ** (1 / 3)) for name, a in METALS.items()}
    if change == "odd":
        pressures = {name: {"pressure_GPa": None} for name in pressures}
    given = (task_on(points, "energy_forces", **fields), pressures)
    assert judged((task_on(CURVED, "equation_of_state"), curves), given) is None
    assert judged(given) is None


@pytest.mark.parametrize(
    "odd",
    [
        {"volume_per_atom_A3": 1e300},
        {"volume_per_atom_A3": 10**400},
        {"bulk_modulus_GPa": 5e-324},
        {"bulk_modulus_GPa": "soft"},
        {"bulk_modulus_derivative": 1e8},
        {"curve_volumes_A3": [1e-300, 1e5]},
        {"curve_volumes_A3": []},
        {"curve_volumes_A3": [None, True]},
        {"curve_volumes_A3": "wide"},
    ],
    ids=str,
)
def test_fits_of_absurd_numbers_are_left_out(emt: Both, odd: dict[str, Any]) -> None:
    curves, pressures = emt
    hostile = {name: own | odd for name, own in curves.items()}
    given = (task_on(POINTS, "energy_forces"), pressures)
    assert judged((task_on(CURVED, "equation_of_state"), hostile), given) is None


def test_few_crystals_are_no_ground_for_a_doubt(emt: Both) -> None:
    curves, pressures = emt
    few = {name: {"pressure_GPa": 50.0} for name in list(pressures)[:4]}
    found = judged(
        (task_on(CURVED, "equation_of_state"), curves), (task_on(POINTS, "energy_forces"), few)
    )
    assert found is not None
    assert (len(found.crystals), found.doubt) == (4, "")
    assert found.median_percent > 10


def test_a_reference_file_that_is_lost_is_logged_and_nothing_is_compared(
    emt: Both, caplog: pytest.LogCaptureFixture
) -> None:
    curves, pressures = emt
    lost = factories.task_version(protocol="energy_forces", metrics=[])
    assert judged((task_on(CURVED, "equation_of_state"), curves), (lost, pressures)) is None
    assert "missing from the storage" in caplog.text


def test_it_costs_few_queries(
    emt: Both, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    curves, pressures = emt
    submission = factories.submission()
    evaluated(submission, task_on(CURVED, "equation_of_state"), curves)
    evaluated(submission, task_on(POINTS, "energy_forces"), pressures)
    evaluations = scored_evaluations([submission])
    with django_assert_max_num_queries(2):
        assert agreement(evaluations) is not None
