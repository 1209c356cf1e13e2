"""How large the errors are on single chemical elements, where records tell them by element."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from django.db.models import QuerySet

from evaluator.catalog.elements import SYMBOLS
from evaluator.contract import SystemStatus
from evaluator.standard_tasks.read import SMOKE_TASK
from leaderboard.lib.json_values import is_number
from leaderboard.models import Evaluation, SystemResult
from leaderboard.models.disclosure import OPEN

FORCES, CRYSTALS = "energy_forces", "equation_of_state"
PHONONS, DYNAMICS = "phonons", "md_stability"
#: What is told of an element, by protocol: words and unit.
QUANTITIES = {FORCES: ("force MAE", "eV/Å"), CRYSTALS: ("Δ of the element's crystal", "meV/atom")}
#: What is compared with the reference, in words; of a task, the first that its records tell.
_DEVIATIONS = {
    "omega_max_THz": "ω_max error",
    "gamma_max_THz": "Γ ω error",
    "heat_capacity_J_K_mol": "heat capacity error",
}
_WORDS = (*_DEVIATIONS.values(), "time lost to failure")
_SYMBOL = re.compile(r"[A-Z][a-z]?")
_NUMBER = {symbol: n for n, symbol in enumerate(SYMBOLS)}


@dataclass(frozen=True)
class ElementError:
    evaluation: uuid.UUID
    element: str
    #: In the unit of the quantity; smaller is better.
    value: float
    protocol: str
    task_slug: str
    task_name: str
    #: Words and unit, where they are not those of QUANTITIES.
    other: tuple[str, str] | None = None

    @property
    def quantity(self) -> tuple[str, str]:
        return self.other or QUANTITIES[self.protocol]


def element_errors(
    evaluations: Iterable[uuid.UUID], elements: Iterable[str] | None = None
) -> list[ElementError]:
    """Errors of these evaluations, on these elements or all; nothing of a hidden reference set, and
    nothing of the smoke task, which judges none.

    By atomic number; a crystal of several elements counts for none. Two queries. The caller
    answers for who may see the evaluations.
    """
    wanted = None if elements is None else set(elements)
    shown = _told(evaluations)
    task = ("task_version__task__slug", "task_version__task__name")
    errors: list[ElementError] = []
    for pk, by_element, slug, name in shown.filter(task_version__protocol=FORCES).values_list(
        "pk", "summary__force_mae_by_element", *task
    ):
        errors += [
            ElementError(pk, element, value, FORCES, slug, name)
            for element, value in (by_element or {}).items()
            if is_number(value)
        ]
    crystals = SystemResult.objects.filter(
        evaluation__in=shown.filter(task_version__protocol=CRYSTALS), status=SystemStatus.OK
    ).order_by("evaluation_id", "position")
    if wanted is not None:
        crystals = crystals.filter(values__element__in=sorted(wanted))
    for pk, element, value, slug, name in crystals.values_list(
        "evaluation_id", "values__element", "values__delta_meV",
        *(f"evaluation__{path}" for path in task),
    ):  # fmt: skip
        if isinstance(element, str) and is_number(value):
            errors.append(ElementError(pk, element, value, CRYSTALS, slug, name))
    known = [e for e in errors if e.element in _NUMBER and (wanted is None or e.element in wanted)]
    return sorted(known, key=lambda e: _NUMBER[e.element])


def compound_errors(evaluations: Iterable[uuid.UUID]) -> list[ElementError]:
    """Errors of phonons and dynamics, whose systems hold several elements each.

    The mean over the systems with the element that have not failed. One query.
    """
    task = ("protocol", "task__slug", "task__name")
    rows = SystemResult.objects.filter(
        evaluation__in=_told(evaluations).filter(task_version__protocol__in=[PHONONS, DYNAMICS]),
        status=SystemStatus.OK,
    ).values_list(
        "evaluation_id",
        *(f"evaluation__task_version__{path}" for path in task),
        *("values__formula", "values__survived_share"),
        *(f"{side}__{column}" for column in _DEVIATIONS for side in ("values", "reference")),
    )
    records: dict[tuple[uuid.UUID, str, str, str], list[tuple[str, list[float | None]]]] = {}
    for pk, protocol, slug, name, formula, survived, *pairs in rows:
        errors = [_deviation(*pair) for pair in zip(pairs[::2], pairs[1::2], strict=True)]
        errors.append(100 * (1 - survived) if is_number(survived) else None)
        records.setdefault((pk, protocol, slug, name), []).append((str(formula), errors))
    element_means = []
    for (pk, protocol, slug, name), records_of_task in records.items():
        place = next(
            (i for i in range(len(_WORDS)) if any(e[i] is not None for _, e in records_of_task)),
            None,
        )
        if place is None:
            continue
        by_element: dict[str, list[float]] = {}
        for formula, errors in records_of_task:
            if (error := errors[place]) is not None:
                for element in set(_SYMBOL.findall(formula)) & set(_NUMBER):
                    by_element.setdefault(element, []).append(error)
        other = (f"{_WORDS[place]}, mean over the systems with the element", "%")
        element_means += [
            ElementError(pk, element, fmean(values), protocol, slug, name, other)
            for element, values in by_element.items()
        ]
    return sorted(element_means, key=lambda e: _NUMBER[e.element])


def _deviation(predicted: object, reference: object) -> float | None:
    """The deviation in per cent of the reference."""
    if not (is_number(predicted) and is_number(reference) and reference):
        return None
    return 100 * abs(predicted / reference - 1)


def _told(evaluations: Iterable[uuid.UUID]) -> QuerySet[Evaluation]:
    return Evaluation.objects.filter(
        OPEN, pk__in=list(evaluations), task_version__reference_set__isnull=False
    ).exclude(task_version__task__slug=SMOKE_TASK)
