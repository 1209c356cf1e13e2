"""One system of a task with all potentials: numbers, curves, its structure."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from evaluator.catalog import Column
from evaluator.contract import SystemStatus
from leaderboard.charts import MAX_SERIES, Chart
from leaderboard.charts.structure import structure_picture
from leaderboard.charts.systems import system_charts
from leaderboard.exceptions import InfrastructureError
from leaderboard.lib.extxyz import ShownStructure
from leaderboard.models import EvaluationFile, SystemResult, Task, TaskVersion
from leaderboard.models.disclosure import is_hidden
from leaderboard.services.boards.task_reader import task_view
from leaderboard.services.boards.types import TaskBoard, TaskRow
from leaderboard.services.definitions.published import versions_of
from leaderboard.services.definitions.reference_structures import structure_of
from leaderboard.services.evaluations import records
from leaderboard.web.names import cut
from leaderboard.web.paging import page_of

logger = logging.getLogger(__name__)

#: Potentials drawn when the reader has chosen none.
_DRAWN_AT_FIRST = 4
_MAX_LABEL = 60


def address_of_system(version: TaskVersion, system_id: str) -> str:
    """The page of one system. Without ``reverse``, since plots have thousands of points."""
    return f"{systems_at(version)}{quote(system_id, safe='')}/"


def systems_at(version: TaskVersion) -> str:
    """Where the addresses of a task's systems begin; empty for hidden sets, which show none."""
    if is_hidden(version):
        return ""
    return f"/tasks/{version.task.slug}/{version.number}/systems/"


def chosen_rows(rows: Sequence[TaskRow], names: Sequence[str]) -> tuple[list[TaskRow], str]:
    """Rows that are named by slug and version, or as they are written, and a name that none has.

    Without a known name the best few; baselines, whose numbers may dwarf theirs, only fill up.
    """
    wanted = {name.strip() for name in names} - {""}
    if not wanted:
        return _best(rows), ""
    chosen = [row for row in rows if {row.entrant.key, row.entrant.title} & wanted]
    known = {name for row in chosen for name in (row.entrant.key, row.entrant.title)}
    unknown = min(wanted - known, default="")
    return chosen[:MAX_SERIES] or _best(rows), unknown


def _best(rows: Sequence[TaskRow]) -> list[TaskRow]:
    return sorted(rows, key=lambda row: row.entrant.is_baseline)[:_DRAWN_AT_FIRST]


def label_of(row: TaskRow) -> str:
    """The potential's name and version, short enough for a legend."""
    return cut(row.entrant.title, _MAX_LABEL)


@dataclass(frozen=True, kw_only=True)
class SystemRow:
    """What one potential gave for the system."""

    row: TaskRow
    status: str
    message: str
    #: In the order of the page's columns.
    numbers: list[Any]
    n_calls: int
    wall_time_s: float
    files: list[EvaluationFile]
    is_drawn: bool


@require_safe
def system_latest(request: HttpRequest, slug: str, system_id: str) -> HttpResponse:
    """Redirect to the system of the version that the task shows, whose address lasts."""
    version = get_object_or_404(Task, slug=slug).shown_version()
    if version is None:
        raise Http404("nothing of it is published")
    query = request.GET.urlencode()
    address = reverse("system", args=[slug, version.number, system_id])
    return redirect(f"{address}?{query}" if query else address)


@require_safe
def system(request: HttpRequest, slug: str, number: int, system_id: str) -> HttpResponse:
    """Nothing is shown of the systems of a hidden set."""
    version = _version(request, slug, number)
    board = task_view(version, request.user)
    structure, is_lost = _structure(version, system_id)
    columns = list(version.catalog_protocol.columns)
    numbers = _found(board, system_id, columns)
    if structure is None and not numbers:
        raise Http404
    drawn, unknown = _drawn(board, request.GET.getlist("show"), numbers)
    whole = _whole(drawn, system_id)
    reference: dict[str, Any] = next((r.reference for r in whole.values()), {})
    shown = _with_values(columns, numbers.values())
    answered = [row for row in board.rows if row.evaluation_id in numbers]
    page = page_of(answered, request.GET, ("show",), fragment="#numbers")
    files = records.files_of_system([row.evaluation_id for row in page.rows], system_id)
    rows = [_row(row, numbers[row.evaluation_id], shown, drawn, files) for row in page.rows]
    complaints = [page.complaint] if page.complaint else []
    if unknown:
        complaints.append(f"No {unknown[:60]!r} answered this system.")
    return render(
        request,
        "system.html",
        {
            "version": version,
            "task": version.task,
            "system_id": system_id,
            "structure": structure,
            "structure_is_lost": is_lost,
            "picture": structure_picture(structure) if structure else None,
            "columns": [column for column, _ in shown],
            "reference": [reference.get(column.name) for column, _ in shown],
            "has_reference": any(column.name in reference for column, _ in shown),
            "rows": rows,
            "page": page,
            "complaints": complaints,
            "drawn_elsewhere": [row for row in drawn if row not in page.rows],
            "max_drawn": MAX_SERIES,
            "charts": _charts(version, system_id, drawn, whole, reference),
            "neighbours": _neighbours(version, numbers, system_id),
        },
        status=400 if complaints else 200,
    )


@require_safe
def structure(request: HttpRequest, slug: str, number: int, system_id: str) -> HttpResponse:
    """The structure as extended XYZ, with the reference's numbers; public sets alone."""
    version = _version(request, slug, number)
    atoms, is_lost = _structure(version, system_id)
    if is_lost:
        return HttpResponse("The file of the set cannot be read just now.", status=503)
    if atoms is None:
        raise Http404
    response = HttpResponse(atoms.text, content_type="text/plain; charset=utf-8")
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in system_id)
    response["Content-Disposition"] = f'attachment; filename="{safe[:100]}.xyz"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _version(request: HttpRequest, slug: str, number: int) -> TaskVersion:
    version = get_object_or_404(versions_of(slug).visible_to(request.user), number=number)
    if is_hidden(version):  # for the staff as well: these pages are made of what everybody sees
        raise Http404
    return version


def _structure(version: TaskVersion, system_id: str) -> tuple[ShownStructure | None, bool]:
    """The structure, and whether the set's file is lost: the numbers are shown all the same."""
    try:
        return structure_of(version.reference_set, system_id), False
    except InfrastructureError:
        logger.exception("no structures of %s", version.reference_set)
        return None, True


def _found(
    board: TaskBoard, system_id: str, columns: Sequence[Column]
) -> dict[UUID, dict[str, Any]]:
    """Records by evaluation: what the table shows, without the long curves of the records."""
    evaluations = [row.evaluation_id for row in board.rows]
    return records.numbers_of_system(evaluations, system_id, [column.name for column in columns])


def _drawn(
    board: TaskBoard, names: Sequence[str], records: dict[UUID, dict[str, Any]]
) -> tuple[list[TaskRow], str]:
    """Draw those that have a record of the system that can be drawn."""
    well = [
        row
        for row in board.rows
        if row.evaluation_id in records and records[row.evaluation_id]["status"] == SystemStatus.OK
    ]
    return chosen_rows(well, names)


def _whole(drawn: Sequence[TaskRow], system_id: str) -> dict[UUID, SystemResult]:
    return records.records_of_system([row.evaluation_id for row in drawn], system_id)


def _with_values(
    columns: Sequence[Column], records: Iterable[dict[str, Any]]
) -> list[tuple[Column, str]]:
    """Columns that some potential has a number in, with the key of the query's rows."""
    rows = list(records)
    keyed = [(column, f"values__{column.name}") for column in columns]
    return [(c, key) for c, key in keyed if any(row[key] is not None for row in rows)]


def _row(
    row: TaskRow,
    values: dict[str, Any],
    columns: Sequence[tuple[Column, str]],
    drawn: Sequence[TaskRow],
    files: dict[UUID, list[EvaluationFile]],
) -> SystemRow:
    return SystemRow(
        row=row,
        status=values["status"],
        message=values["message"],
        numbers=[(values[key], column) for column, key in columns],
        n_calls=values["n_calls"],
        wall_time_s=values["wall_time_s"],
        files=files.get(row.evaluation_id, []),
        is_drawn=row in drawn,
    )


def _charts(
    version: TaskVersion,
    system_id: str,
    drawn: Sequence[TaskRow],
    whole: dict[UUID, SystemResult],
    reference: dict[str, Any],
) -> list[Chart]:
    rows = [
        (label_of(row), whole[row.evaluation_id].values)
        for row in drawn
        if row.evaluation_id in whole
    ]
    return system_charts(version.protocol, system_id, rows, reference)


def _neighbours(
    version: TaskVersion, numbers: dict[UUID, dict[str, Any]], system_id: str
) -> list[tuple[str, str]]:
    """(system, address) before and after it in the reference set; None at an end."""
    one = next(iter(numbers.items()), None)
    if one is None:
        return []
    evaluation, values = one
    at = values["position"]
    beside = records.system_ids_at(evaluation, [at - 1, at + 1])
    return [
        (beside[place], address_of_system(version, beside[place])) if place in beside else ("", "")
        for place in (at - 1, at + 1)
    ]
