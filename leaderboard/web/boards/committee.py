"""The part of a task's page that says how far submissions agree, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluator.committee import Calibration
from leaderboard.charts import Chart
from leaderboard.charts.committee import Curve, risk_chart
from leaderboard.services.boards.committee import UNITS, Committee, current_committee
from leaderboard.services.boards.types import TaskBoard, TaskRow
from leaderboard.web.boards.systems import label_of

#: Of a page of the ranking, so many of its first.
_MOST_ROWS = 10
DIGITS = {"forces": 3, "energies": 1}
LABELS = {"forces": "Forces", "energies": "Energies"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row of the ranking by one quantity."""

    row: TaskRow
    label: str
    unit: str
    digits: int
    calibration: Calibration
    is_member: bool


@dataclass(frozen=True, kw_only=True)
class CommitteePart:
    n_members: int
    #: Rows of the page that are shown, and those that are not.
    n_shown: int
    n_hidden: int
    lines: list[Line]
    chart: Chart | None


def committee_part(
    board: TaskBoard, listed: Sequence[TaskRow], drawn: Sequence[TaskRow]
) -> CommitteePart | None:
    """Of the rows that the page lists and draws; None where nobody can judge anybody."""
    # Kept with the board: both are of one stamp, and asking for it would be a query.
    found = board.pages.value("committee", lambda: current_committee(board.task_version))
    if not found.is_quorate:
        return None
    lines = [line for row in listed[:_MOST_ROWS] for line in _lines(row, found)]
    n_shown = min(len(listed), _MOST_ROWS)
    return CommitteePart(
        n_members=len(found.members),
        n_shown=n_shown,
        n_hidden=len(listed) - n_shown,
        lines=lines,
        chart=_chart(board, found, drawn),
    )


def _lines(row: TaskRow, found: Committee) -> list[Line]:
    return [
        Line(
            row=row,
            label=LABELS[name],
            unit=UNITS[name],
            digits=DIGITS[name],
            calibration=judged.calibration,
            is_member=row.evaluation_id in found.members,
        )
        for name, judged in found.rows.get(row.evaluation_id, {}).items()
        if judged.calibration is not None
    ]


def _chart(board: TaskBoard, found: Committee, drawn: Sequence[TaskRow]) -> Chart | None:
    """By forces, or by energies where the task has no forces; kept with the board."""
    key = ("risk", *(row.evaluation_id for row in drawn))
    return board.pages.value(key, lambda: _risk(found, drawn))


def _risk(found: Committee, drawn: Sequence[TaskRow]) -> Chart | None:
    for name, unit in UNITS.items():
        curves = []
        for row in drawn:
            judged = found.rows.get(row.evaluation_id, {}).get(name)
            if judged is not None and judged.calibration is not None:
                curves.append(Curve(label=label_of(row), risk=judged.calibration.risk))
        if curves:
            return risk_chart(curves, LABELS[name].lower(), unit)
    return None
