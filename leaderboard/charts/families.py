"""Which charts each protocol has: of one evaluation, and of a task with several potentials.

Each family has a module of its own, which fills in its protocol's entry here. A chart is left out
where its data are not there (an old report, nothing judged); it is never drawn empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote
from uuid import UUID

from leaderboard.charts import dynamics, efficiency, forces, phonons
from leaderboard.charts.base import Chart
from leaderboard.charts.remembered import remember
from leaderboard.models import SystemResult
from leaderboard.services.evaluations.records import records_of


@dataclass(kw_only=True)
class Judged:
    """What one evaluation found, as far as charts need it; systems are read where one asks."""

    evaluation_pk: UUID
    #: The potential's name and version, as legends show it.
    label: str
    summary: Mapping[str, Any]
    #: Where the pages of the task's systems begin; empty where there are none.
    systems_at: str = ""

    @property
    def key(self) -> tuple[UUID, str, str]:
        return self.evaluation_pk, self.label, self.systems_at

    @cached_property
    def systems(self) -> list[SystemResult]:
        """Systems in the order of the reference set."""
        return records_of(self.evaluation_pk)

    @cached_property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and values of each system, with its reference and the address of its page."""
        return [
            (
                s.system_id,
                {**s.values, "reference": s.reference, "url": self._address(s.system_id)},
            )
            for s in self.systems
        ]

    def _address(self, system_id: str) -> str:
        return f"{self.systems_at}{quote(system_id, safe='')}/" if self.systems_at else ""


#: Charts of one evaluation, by protocol.
EVALUATION_CHARTS: dict[str, Callable[[Judged], list[Chart]]] = {
    "energy_forces": lambda judged: forces.evaluation_charts(judged.label, judged.summary),
    "md_stability": lambda judged: dynamics.evaluation_charts(
        judged.label, judged.summary, judged.told
    ),
    "phonons": lambda judged: phonons.evaluation_charts(judged.label, judged.summary, judged.told),
    "efficiency": lambda judged: efficiency.evaluation_charts(judged.told),
}
#: Charts of a task, by protocol: at most MAX_SERIES evaluations, in the order of colours.
TASK_CHARTS: dict[str, Callable[[Sequence[Judged]], list[Chart]]] = {
    "energy_forces": lambda rows: forces.task_charts([(r.label, r.summary) for r in rows]),
    "md_stability": lambda rows: dynamics.task_charts([(r.label, r.summary) for r in rows]),
    "phonons": lambda rows: phonons.task_charts([(r.label, r.summary) for r in rows]),
    "efficiency": lambda rows: efficiency.task_charts([(r.label, r.summary, r.told) for r in rows]),
}
#: Keys of a summary that are drawn and would only fill a table.
DRAWN_ONLY = {"energy_forces": frozenset({"force_parity", "force_error_shares"})}


def evaluation_charts(protocol: str, judged: Judged) -> list[Chart]:
    """What an evaluation found never changes, so its charts are remembered under its key."""
    draw = EVALUATION_CHARTS.get(protocol)
    return remember((protocol, judged.key), lambda: draw(judged)) if draw else []


def task_charts(protocol: str, rows: Sequence[Judged]) -> list[Chart]:
    draw = TASK_CHARTS.get(protocol)
    if not draw or not rows:
        return []
    return remember((protocol, *(row.key for row in rows), "task"), lambda: draw(rows))
