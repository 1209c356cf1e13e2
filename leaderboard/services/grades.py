"""Grades of what must hold for any potential, whatever it was trained on.

A to D, by the worst error found in any of its evaluations, against fixed thresholds. What was not
measured has no grade. In single precision finite differences are good to about 0.02 eV/Å.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evaluator.catalog import CONSISTENCY, METRICS
from leaderboard.models import Evaluation

LETTERS = "ABCD"
DRIFT = "nve_extrapolated_drift"


@dataclass(frozen=True, kw_only=True)
class Check:
    label: str
    unit: str
    #: The worst found.
    value: float
    letter: str
    #: Largest values for A, B and C.
    limits: tuple[float, float, float]
    address: str


@dataclass(frozen=True, kw_only=True)
class Grade:
    name: str
    meaning: str
    #: Of the worst check; empty where nothing was measured.
    letter: str
    checks: list[Check]


_ENERGY, _FORCE = (0.01, 0.1, 1.0), (1e-3, 1e-2, 5e-2)
#: Name, meaning, and the checks with their limits.
_GRADES: tuple[tuple[str, str, dict[str, tuple[float, float, float]]], ...] = (
    (
        "Consistency",
        "The same question gets the same answer.",
        {"repeat_energy_error_meV_atom_max": _ENERGY, "repeat_force_error_eV_A_max": _FORCE},
    ),
    (
        "Invariance",
        "Turning a structure or renaming its atoms changes nothing.",
        {
            "rotation_energy_error_meV_atom_max": _ENERGY,
            "rotation_force_error_eV_A_max": _FORCE,
            "permutation_energy_error_meV_atom_max": _ENERGY,
            "permutation_force_error_eV_A_max": _FORCE,
        },
    ),
    (
        "Conservation",
        "Forces and stress are the derivatives of the energy.",
        {
            "force_gradient_error_eV_A_rms": (5e-3, 2e-2, 1e-1),
            "stress_gradient_error_GPa_max": (0.05, 0.5, 5.0),
        },
    ),
    (
        "Smoothness",
        "Energy is kept in dynamics as the time step goes to zero.",
        {DRIFT: (0.1, 1.0, 10.0)},
    ),
)


def grades(evaluations: Iterable[Evaluation]) -> list[Grade]:
    """Of one submission; scores are prefetched."""
    worst = _worst(evaluations)
    found = []
    for name, meaning, limits in _GRADES:
        checks = [_check(key, *worst[key], limits[key]) for key in limits if key in worst]
        letter = max((check.letter for check in checks), default="")
        found.append(Grade(name=name, meaning=meaning, letter=letter, checks=checks))
    return found


def _worst(evaluations: Iterable[Evaluation]) -> dict[str, tuple[float, str]]:
    worst: dict[str, tuple[float, str]] = {}
    for evaluation in evaluations:
        found = {column.name: evaluation.consistency.get(column.name) for column in CONSISTENCY}
        found |= {s.metric: s.value for s in evaluation.scores.all() if s.metric == DRIFT}
        for key, value in found.items():
            if value is not None and abs(value) >= worst.get(key, (-1.0, ""))[0]:
                worst[key] = abs(float(value)), evaluation.get_absolute_url()
    return worst


def _check(
    key: str, value: float, address: str, limits: tuple[float, float, float]
) -> Check:  # fmt: skip
    about = METRICS.get(key) or next(column for column in CONSISTENCY if column.name == key)
    letter = LETTERS[sum(value > limit for limit in limits)]
    return Check(
        label=about.label, unit=about.unit, value=value, letter=letter, limits=limits,
        address=address,
    )  # fmt: skip
