"""Errors by element on tasks whose systems hold several elements each."""

from __future__ import annotations

from typing import Any

import pytest

from leaderboard import models
from leaderboard.services.advice.element_errors import compound_errors
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
Record = tuple[dict[str, Any], dict[str, Any]]


def evaluated(protocol: str, records: list[Record], **fields: Any) -> models.Evaluation:
    task = models.Task.objects.create(slug=protocol.replace("_", "-"), name="T", summary="T.")
    version = factories.task_version(task, protocol=protocol, metrics=factories.METRICS, **fields)
    found = factories.evaluation(factories.submission(), version)
    for position, (values, reference) in enumerate(records):
        models.SystemResult.objects.create(
            evaluation=found, position=position, system_id=str(position),
            status=values.pop("status", "ok"), values=values, reference=reference,
        )  # fmt: skip
    return found


def told(*evaluations: models.Evaluation) -> dict[str, float]:
    errors = compound_errors(e.pk for e in evaluations)
    return {error.element: round(error.value, 6) for error in errors}


def test_an_element_has_the_mean_error_of_the_crystals_that_hold_it() -> None:
    found = evaluated(
        "phonons",
        [
            ({"formula": "NaCl", "omega_max_THz": 9.0}, {"omega_max_THz": 10.0}),
            ({"formula": "NaBr", "omega_max_THz": 6.0}, {"omega_max_THz": 5.0}),
            ({"formula": "MgO", "omega_max_THz": -2.0}, {"omega_max_THz": 20.0}),  # unstable
            ({"formula": "KI", "omega_max_THz": None}, {"omega_max_THz": 4.0}),
            ({"formula": "KI", "omega_max_THz": 8.0, "status": "failed"}, {"omega_max_THz": 4.0}),
        ],
    )
    # In per cent; by atomic number.
    assert list(told(found).items()) == [
        ("O", 110.0), ("Na", 15.0), ("Mg", 110.0), ("Cl", 10.0), ("Br", 20.0),
    ]  # fmt: skip
    error = compound_errors([found.pk])[0]
    assert error.quantity == ("ω_max error, mean over the systems with the element", "%")


def test_what_a_task_compares_is_what_is_told() -> None:
    # All phonon records tell a frequency; of this task the reference knows heat capacities alone.
    values = {"formula": "SiC", "omega_max_THz": 25.0, "heat_capacity_J_K_mol": 24.0}
    found = evaluated("phonons", [(values, {"heat_capacity_J_K_mol": 25.0})])
    assert told(found) == {"C": 4.0, "Si": 4.0}
    assert compound_errors([found.pk])[0].quantity[0].startswith("heat capacity error")


def test_dynamics_tell_the_time_lost_to_failure() -> None:
    runs = [("LiF", 1.0), ("LiF", 0.5), ("Cu", 1.0)]
    found = evaluated(
        "md_stability", [({"formula": f, "survived_share": share}, {}) for f, share in runs]
    )
    assert told(found) == {"Li": 25.0, "F": 25.0, "Cu": 0.0}


def test_nothing_is_told_of_a_hidden_reference_nor_of_other_protocols() -> None:
    record = {"formula": "NaCl", "omega_max_THz": 9.0}
    hidden = evaluated("phonons", [(record, {"omega_max_THz": 10.0})])
    other = evaluated("energy_forces", [(record, {"omega_max_THz": 10.0})])
    assert told(hidden, other) == {"Na": 10.0, "Cl": 10.0}
    models.ReferenceSet.objects.filter(pk=hidden.task_version.reference_set_id).update(
        is_public=False
    )
    assert told(hidden, other) == {}
