"""Potentials side by side. Which ones, and which task is drawn, stand in the address."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence

import pandas as pd
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from evaluator.catalog import Column
from evaluator.contract import SystemStatus
from leaderboard.charts import Chart
from leaderboard.charts.pareto import ParetoPoint, pareto_chart
from leaderboard.charts.residuals import residual_chart
from leaderboard.exceptions import SubmissionError
from leaderboard.models import Score, Submission, SystemResult
from leaderboard.services import pareto
from leaderboard.services.comparison import (
    MAX_COMPARED,
    MIN_COMPARED,
    Comparison,
    NotFound,
    TaskComparison,
    compare,
    find_submissions,
)
from leaderboard.services.recommendation import board_version

#: Choices offered in the lists of the form.
MAX_OFFERED = 500
_TIME = "atom_time_median"


@require_safe
def compare_page(request: HttpRequest) -> HttpResponse:
    """Without two names: the form. Unknown and hidden names alike: the form, and HTTP 404."""
    names = request.GET.getlist("p")
    status, complaint = 200, ""
    submissions: list[Submission] = []
    try:
        submissions = find_submissions(names[: 20 * MAX_COMPARED], request.user)
    except SubmissionError as error:
        status, complaint = 400, str(error)
    except NotFound:
        status, complaint = 404, "One of these potentials does not exist, or is not public."
    context: dict[str, object] = {
        "complaint": complaint,
        "submissions": submissions,
        "offered": _offered(request),
        "slots": [
            submissions[i] if i < len(submissions) else None
            for i in range(min(MAX_COMPARED, max(MIN_COMPARED, len(submissions) + 1)))
        ],
        "max_compared": MAX_COMPARED,
    }
    if len(submissions) >= MIN_COMPARED:
        context |= _answer(request, submissions)
    return render(request, "compare.html", context, status=status)


def _offered(request: HttpRequest) -> QuerySet[Submission]:
    return (
        Submission.objects.all()
        .visible_to(request.user)
        .filter(withdrawn_at__isnull=True)
        .select_related("potential")
        .only("version", "visibility", "withdrawn_at", "potential__slug", "potential__name")
        .order_by("potential__name", "-created_at")[:MAX_OFFERED]
    )


def _answer(request: HttpRequest, submissions: Sequence[Submission]) -> dict[str, object]:
    found = compare(submissions, board_version())
    drawable = [t for t in found.tasks if _columns(t)]
    wanted = request.GET.get("task", "")
    drawn = next((t for t in drawable if t.task_version.task.slug == wanted), None) or next(
        iter(drawable), None
    )
    return {
        "found": found,
        "drawable": drawable,
        "drawn": drawn,
        "residuals": _residuals(drawn, submissions) if drawn else None,
        "pareto": _pareto(found),
    }


def _columns(task: TaskComparison) -> list[Column]:
    """What can be drawn; nothing of a hidden reference set."""
    version = task.task_version
    if version.reference_set is None or not version.reference_set.is_public:
        return []
    by_name = {column.name: column for column in version.catalog_protocol.columns}
    return [by_name[name] for name in version.catalog_protocol.parity]


def _residuals(task: TaskComparison, submissions: Sequence[Submission]) -> Chart | None:
    """On the systems that all of those evaluated did, of the first column that they tell."""
    names = {
        cell.evaluation.pk: str(s)[:60]
        for s, cell in zip(submissions, task.cells, strict=True)
        if cell.evaluation is not None
    }
    rows = list(
        SystemResult.objects.filter(evaluation__in=list(names), status=SystemStatus.OK)
        .order_by("evaluation_id", "position")
        .values_list("evaluation_id", "position", "system_id", "values", "reference")
    )
    for column in _columns(task):
        points = pd.DataFrame(
            [
                {
                    "potential": names[pk],
                    "system": system,
                    "predicted": values[column.name],
                    "reference": reference[column.name],
                    "url": f"/evaluations/{pk}/",
                }
                for pk, _, system, values, reference in rows
                if _is_number(values.get(column.name)) and _is_number(reference.get(column.name))
            ]
        )
        if points.empty:
            continue
        n_potentials = points.groupby("system")["potential"].transform("nunique")
        common = points[n_potentials == len(names)]
        if not common.empty:
            return residual_chart(common, column, list(names.values()))
    return None


def _pareto(found: Comparison) -> Chart | None:
    """Overall score against time per atom, where all were timed by one task on one hardware."""
    timed = [t for t in found.tasks if t.task_version.protocol == "efficiency"]
    overall = found.categories[-1].cells if found.categories else []
    for task in timed:
        evaluations = [cell.evaluation for cell in task.cells]
        hardware = {e.hardware_key for e in evaluations if e is not None}
        if len(hardware) != 1:
            continue
        times = {
            score.evaluation_id: score.value
            for score in _times([e.pk for e in evaluations if e is not None])
        }
        rows = [
            (s, cell, times[e.pk])
            for s, cell, e in zip(found.submissions, overall, evaluations, strict=True)
            if e is not None and cell.score is not None and times.get(e.pk)
        ]
        if len(rows) < MIN_COMPARED:
            continue
        front = pareto.front([t or 0.0 for *_, t in rows], [c.score or 0.0 for _, c, _ in rows])
        points = [
            ParetoPoint(
                name=str(s)[:60],
                cost=t or 0.0,
                score=c.score or 0.0,
                low=c.low,
                high=c.high,
                is_on_front=is_on,
                url=s.potential.get_absolute_url(),
            )
            for (s, c, t), is_on in zip(rows, front, strict=True)
        ]
        title = f"Accuracy against time on {hardware.pop()}"
        return pareto_chart(points, "µs per atom and step", title)
    return None


def _times(evaluations: Sequence[uuid.UUID]) -> QuerySet[Score]:
    return Score.objects.filter(evaluation__in=evaluations, metric=_TIME, value__gt=0)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
