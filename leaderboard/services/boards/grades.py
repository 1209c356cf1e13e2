"""Grades of what must hold for any potential, whatever it was trained on.

A to D, by the worst error found in any of its evaluations, against fixed thresholds. What was not
measured has no grade. In single precision finite differences are good to about 0.02 eV/Å.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import FloatField, Max, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Abs, Cast

from evaluator.catalog import CONSISTENCY, METRICS
from leaderboard.models import Evaluation, Score
from leaderboard.models.disclosure import OPEN

LETTERS = "ABCD"
#: The score of earlier evaluations, which do not tell the drift among their checks.
DRIFT = "nve_extrapolated_drift"
#: Where a run failed, the score holds a charge, which is no drift.
_IS_DRIFT = Q(metric=DRIFT, value__isnull=False, n_failed=0)
GRADIENT = "force_gradient_error_eV_A_rms"


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


_SMOOTH = (
    "Energy is kept in dynamics as the time step goes to zero, frequencies do not depend on the "
    "displacement they are measured with, and no scored structure stands out."
)
#: In meV/(atom ps).
_DRIFT = (0.1, 1.0, 10.0)
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
            "redescribed_energy_error_meV_atom_max": _ENERGY,
            "redescribed_force_error_eV_A_max": _FORCE,
        },
    ),
    (
        "Conservation",
        "Forces and stress are the derivatives of the energy.",
        {
            GRADIENT: (5e-3, 2e-2, 1e-1),
            "stress_gradient_error_GPa_max": (0.05, 0.5, 5.0),
        },
    ),
    (
        "Smoothness",
        _SMOOTH,
        {
            DRIFT: _DRIFT,
            "nve_drift_meV_atom_ps_mean": _DRIFT,
            "phonon_roughness_percent_median": (1.0, 3.0, 10.0),
            "step_share_percent": (0.0, 20.0, 40.0),
        },
    ),
)


#: What must be measured before checks are called passed: all but the last, which needs dynamics.
_NEEDED = tuple(name for name, *_ in _GRADES[:-1])


class Mark(NamedTuple):
    """What a board shows of the grades."""

    #: All of what is needed was measured, and nothing that was measured is worse than B. It says
    #: that checks were passed, nothing of honesty.
    passes_checks: bool
    #: Like "Conservation D", of those that are C or D.
    poor: list[str]
    #: Of those that were measured.
    words: str


def letters_by_name(letters: str) -> dict[str, str]:
    """Name the letters of ``letters_of`` that were measured."""
    named = zip(_GRADES, letters, strict=False)
    return {name: letter for (name, *_), letter in named if letter != "-"}


def mark_of(letters: str) -> Mark:
    """From the letters of ``letters_of``; none at all where nothing was measured."""
    measured = letters_by_name(letters)
    written = {name: f"{name} {letter}" for name, letter in measured.items()}
    poor = [written[name] for name, letter in measured.items() if letter > "B"]
    return Mark(not poor and measured.keys() >= set(_NEEDED), poor, ", ".join(written.values()))


def grades(evaluations: Iterable[Evaluation]) -> list[Grade]:
    """Grade one submission, whose scores are prefetched."""
    worst = _worst(evaluations)
    graded = []
    for name, meaning, limits in _GRADES:
        checks = [_check(key, *worst[key], limits[key]) for key in limits if key in worst]
        letter = max((check.letter for check in checks), default="")
        graded.append(Grade(name=name, meaning=meaning, letter=letter, checks=checks))
    return graded


def letter_of(check: str, value: float) -> str:
    """Grade one figure alone."""
    limits = next(limits[check] for *_, limits in _GRADES if check in limits)
    return _letter(abs(value), limits)


def letters_of(evaluations: QuerySet[Evaluation]) -> dict[uuid.UUID, str]:
    """Give each submission a letter for each grade in order; "-" where nothing was measured.

    By the same limits as ``grades``, for a board's many evaluations: two queries. Hidden sets give
    no grades: the calculator chooses its errors, knowing the structures.
    """
    keys = [key for *_, limits in _GRADES for key in limits if key != DRIFT]
    measured = {
        key: Max(Abs(Cast(KeyTextTransform(key, "consistency"), FloatField()))) for key in keys
    }
    own = evaluations.filter(OPEN).order_by()
    worst: dict[uuid.UUID, dict[str, float | None]] = {
        submission: dict(zip(keys, values, strict=True))
        for submission, *values in own.values("submission_id")
        .annotate(**measured)
        .values_list("submission_id", *keys)
    }
    drifts = (
        Score.objects.filter(_IS_DRIFT, evaluation__in=own.values("pk"))
        .values_list("evaluation__submission_id")
        .annotate(value=Max(Abs("value")))
    )
    for submission, value in drifts:
        worst[submission][DRIFT] = value
    return {
        submission: "".join(_letter_of_grade(figures, limits) for *_, limits in _GRADES)
        for submission, figures in worst.items()
    }


def _letter_of_grade(
    worst: Mapping[str, float | None], limits: Mapping[str, tuple[float, float, float]]
) -> str:
    letters = [
        _letter(value, limits[key]) for key in limits if (value := worst.get(key)) is not None
    ]
    return max(letters, default="-")


def _letter(value: float, limits: tuple[float, float, float]) -> str:
    return LETTERS[sum(value > limit for limit in limits)]


def _worst(evaluations: Iterable[Evaluation]) -> dict[str, tuple[float, str]]:
    worst: dict[str, tuple[float, str]] = {}
    for evaluation in evaluations:
        figures = {column.name: evaluation.consistency.get(column.name) for column in CONSISTENCY}
        figures |= {
            s.metric: s.value
            for s in evaluation.scores.all()
            if s.metric == DRIFT and s.n_failed == 0
        }
        for key, value in figures.items():
            if value is not None and abs(value) >= worst.get(key, (-1.0, ""))[0]:
                worst[key] = abs(float(value)), evaluation.get_absolute_url()
    return worst


def _check(
    key: str, value: float, address: str, limits: tuple[float, float, float]
) -> Check:  # fmt: skip
    about = METRICS.get(key) or next(column for column in CONSISTENCY if column.name == key)
    return Check(
        label=about.label,
        unit=about.unit,
        value=value,
        letter=_letter(value, limits),
        limits=limits,
        address=address,
    )
