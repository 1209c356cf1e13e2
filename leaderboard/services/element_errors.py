"""How large the errors are on single chemical elements, where records tell them by element."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from evaluator.contract import SystemStatus
from evaluator.standard import SMOKE_TASK
from leaderboard.models import Evaluation, SystemResult
from leaderboard.services.wishes import SYMBOLS

FORCES, CRYSTALS = "energy_forces", "equation_of_state"
#: What is told of an element, by protocol: words and unit.
QUANTITIES = {FORCES: ("force MAE", "eV/Å"), CRYSTALS: ("Δ of the element's crystal", "meV/atom")}
_NUMBER = {symbol: n for n, symbol in enumerate(SYMBOLS)}


@dataclass(frozen=True, kw_only=True)
class ElementError:
    evaluation: uuid.UUID
    element: str
    #: In the unit of QUANTITIES[protocol]; smaller is better.
    value: float
    protocol: str
    task_slug: str
    task_name: str


def element_errors(
    evaluations: Iterable[uuid.UUID], elements: Iterable[str] | None = None
) -> list[ElementError]:
    """Of these evaluations, on these elements or on all; nothing of a hidden reference set, and
    nothing of the smoke task, which judges none.

    By atomic number; a crystal of several elements counts for none. Two queries. The caller
    answers for who may see the evaluations.
    """
    keys = list(evaluations)
    wanted = None if elements is None else set(elements)
    shown = Evaluation.objects.filter(
        pk__in=keys, task_version__reference_set__is_public=True
    ).exclude(task_version__task__slug=SMOKE_TASK)
    task = ("task_version__task__slug", "task_version__task__name")
    found: list[ElementError] = []
    for pk, by_element, slug, name in shown.filter(task_version__protocol=FORCES).values_list(
        "pk", "summary__force_mae_by_element", *task
    ):
        found += [
            ElementError(
                evaluation=pk, element=element, value=value, protocol=FORCES,
                task_slug=slug, task_name=name,
            )
            for element, value in (by_element or {}).items()
            if _is_number(value)
        ]  # fmt: skip
    crystals = SystemResult.objects.filter(
        evaluation__in=shown.filter(task_version__protocol=CRYSTALS), status=SystemStatus.OK
    ).order_by("evaluation_id", "position")
    if wanted is not None:
        crystals = crystals.filter(values__element__in=sorted(wanted))
    for pk, element, value, slug, name in crystals.values_list(
        "evaluation_id", "values__element", "values__delta_meV",
        *(f"evaluation__{path}" for path in task),
    ):  # fmt: skip
        if isinstance(element, str) and _is_number(value):
            found.append(
                ElementError(
                    evaluation=pk, element=element, value=value, protocol=CRYSTALS,
                    task_slug=slug, task_name=name,
                )
            )  # fmt: skip
    known = [e for e in found if e.element in _NUMBER and (wanted is None or e.element in wanted)]
    return sorted(known, key=lambda e: _NUMBER[e.element])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
