"""The tasks: what is measured, how, and who does it well."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from django.contrib.auth.models import AnonymousUser
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from evaluator.catalog import METRICS, PROTOCOLS, Column
from evaluator.contract import SystemStatus
from leaderboard.charts import MAX_SERIES, Chart, parity_chart
from leaderboard.charts.families import Judged, task_charts
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.models import (
    BenchmarkTask,
    BenchmarkVersion,
    Evaluation,
    SystemResult,
    TaskVersion,
)
from leaderboard.services.leaderboards import TaskBoard, TaskRow, on_boards, task_board
from leaderboard.web.systems import address_of_system, chosen_rows, label_of, systems_at


@require_safe
def task_list(request: HttpRequest) -> HttpResponse:
    """Protocol by protocol, in the order of the catalog. Three queries."""
    published = TaskVersion.objects.filter(state=VersionState.PUBLISHED)
    newest = published.order_by("task_id", "-number").distinct("task_id")
    versions = list(
        TaskVersion.objects.filter(pk__in=newest.values("pk"))
        .select_related("task", "reference_set")
        .order_by("task__name")
    )
    n_judged = dict(
        on_boards(AnonymousUser())
        .filter(task_version__in=versions, state=EvaluationState.SUCCEEDED)
        .order_by()
        .values_list("task_version")
        .annotate(n=Count("submission__potential", distinct=True))
    )
    boards: dict[int, list[BenchmarkVersion]] = {}
    for entry in BenchmarkTask.objects.filter(
        benchmark_version__state=VersionState.PUBLISHED, task_version__in=versions
    ).select_related("benchmark_version__benchmark"):
        boards.setdefault(entry.task_version_id, []).append(entry.benchmark_version)
    families = [
        (
            protocol,
            [
                (version, n_judged.get(version.pk, 0), boards.get(version.pk, []))
                for version in versions
                if version.protocol == protocol.name
            ],
        )
        for protocol in PROTOCOLS.values()
    ]
    context = {"families": [family for family in families if family[1]]}
    return render(request, "task_list.html", context)


@require_safe
def task(request: HttpRequest, slug: str, number: int | None = None) -> HttpResponse:
    """The newest published version, or the one asked for. Drafts are seen by the staff alone."""
    versions = TaskVersion.objects.filter(task__slug=slug).select_related("task", "reference_set")
    if number is not None:
        shown = versions if request.user.is_staff else versions.exclude(state=VersionState.DRAFT)
        version = get_object_or_404(shown, number=number)
    else:
        version = get_object_or_404(
            versions.filter(state=VersionState.PUBLISHED).order_by("-number")[:1]
        )
    board = task_board(version, user=request.user)
    column = _chosen_column(version, request.GET.get("plot", ""))
    unscored = _unscored_metrics(version, board)
    shows_all = request.GET.get("columns") == "all"
    drawn = chosen_rows(board, request.GET.getlist("show"))
    charts = _family_charts(version, drawn)
    return render(
        request,
        "task.html",
        {
            "version": version,
            "task": version.task,
            "protocol": version.catalog_protocol,
            "parameters": [
                (p, version.parameters.get(p.name, p.default))
                for p in version.catalog_protocol.parameters
            ],
            "scored": [(METRICS[m.key], m) for m in version.scored_metrics()],
            "unscored": unscored if shows_all else [],
            "shows_all": shows_all,
            "n_more_metrics": 0 if shows_all else len(unscored),
            "board": board,
            "versions": versions.exclude(state=VersionState.DRAFT).order_by("-number"),
            "column": column,
            "columns": _parity_columns(version),
            "drawn_rows": drawn,
            "drawn": [row.submission.pk for row in drawn],
            "max_drawn": MAX_SERIES,
            "chart": _chart(version, column, drawn) if column else None,
            "charts": charts,
            # Where nothing is plotted against a reference the first one stands beside the form.
            "more_charts": charts if column else charts[1:],
        },
    )


def _unscored_metrics(version: TaskVersion, board: TaskBoard) -> list[str]:
    """Measured and shown, but without anchors: in the catalog's order."""
    scored = {metric.key for metric in version.scored_metrics()}
    found = {key for row in board.rows for key in row.metrics}
    return [key for key in version.catalog_protocol.metrics if key in found - scored]


def _parity_columns(version: TaskVersion) -> list[Column]:
    """The columns that can be plotted; none where the reference is hidden.

    Where the set holds some of them by their names, those that it lacks are left out.
    """
    if version.reference_set is None or not version.reference_set.is_public:
        return []
    by_name = {column.name: column for column in version.catalog_protocol.columns}
    names = version.catalog_protocol.parity
    held = [name for name in names if name in version.reference_set.properties]
    return [by_name[name] for name in held or names]


def _chosen_column(version: TaskVersion, name: str) -> Column | None:
    columns = _parity_columns(version)
    return next((column for column in columns if column.name == name), next(iter(columns), None))


def _chart(version: TaskVersion, column: Column, rows: Sequence[TaskRow]) -> Chart | None:
    names = {row.evaluation.pk: label_of(row) for row in rows}
    systems = (
        SystemResult.objects.filter(evaluation__in=list(names), status=SystemStatus.OK)
        .order_by("evaluation_id", "position")
        .values_list("evaluation_id", "position", "system_id", "values", "reference")
    )
    points = pd.DataFrame(
        [
            {
                "potential": names[pk],
                "system": system_id,
                "predicted": values[column.name],
                "reference": reference[column.name],
                "url": address_of_system(version, system_id),
            }
            for pk, position, system_id, values, reference in systems
            if _is_finite(values.get(column.name)) and _is_finite(reference.get(column.name))
        ],
        columns=["potential", "system", "predicted", "reference", "url"],
    )
    if points.empty:
        return None
    drawn = set(points["potential"])
    return parity_chart(points, column, [name for name in names.values() if name in drawn])


def _family_charts(version: TaskVersion, rows: Sequence[TaskRow]) -> list[Chart]:
    """What the protocol draws of several potentials; nothing of a hidden reference."""
    if version.reference_set is None or not version.reference_set.is_public:
        return []
    found = Evaluation.objects.filter(pk__in=[row.evaluation.pk for row in rows])
    summaries = dict(found.values_list("pk", "summary"))
    return task_charts(
        version.protocol,
        [
            Judged(
                evaluation_pk=row.evaluation.pk,
                label=label_of(row),
                summary=summaries[row.evaluation.pk],
                systems_at=systems_at(version),
            )
            for row in rows
        ],
    )


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
