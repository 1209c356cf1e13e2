"""Leaderboards as JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evaluator.catalog import METRICS
from leaderboard.api.query import (
    BenchmarkBoardQuery,
    BoardQuery,
    DiffQuery,
    board_filter,
    read_query,
)
from leaderboard.api.serializers.boards import BenchmarkBoardRecord, DiffRecord, TaskBoardRecord
from leaderboard.api.serializers.fields import Record
from leaderboard.api.tables import Cell, LaTeXRenderer, Table, is_table, tables, with_unit
from leaderboard.api.views.base import TABLES_TOO, described, one, user_of
from leaderboard.api.views.tasks import shown_benchmark_versions, shown_task_versions
from leaderboard.models import BenchmarkVersion, Evaluation, TaskVersion
from leaderboard.services import leaderboards as service
from leaderboard.services.board_changes import changes
from leaderboard.services.leaderboards import BenchmarkBoard, BoardRow, TaskBoard, TaskRow

_STANDING = (
    *("rank", "rank_low", "rank_high", "is_ranked", "why_not_ranked"),
    *("potential", "name", "version", "submission", "level_of_theory", "is_baseline"),
)


class TaskLeaderboard(APIView):
    renderer_classes = TABLES_TOO

    @described(
        "leaderboards",
        "The ranking on one task, with every metric",
        tables(TaskBoardRecord),
        parameters=[BoardQuery],
    )
    def get(self, request: Request, slug: str) -> Response:
        query = read_query(request, BoardQuery)
        version = _task_version(slug, query)
        wanted = board_filter(query)
        board = service.task_board(version, user=user_of(request), as_of=query.get("as_of"))
        rows = [r for r in board.rows if wanted.accepts(r.submission, [r.evaluation])]
        board = replace(board, rows=rows)
        for evaluation in chain(board.pending, board.failed):
            evaluation.task_version = version
        if is_table(request):
            return task_table(board).response(request)
        return _snapshot(request, TaskBoardRecord, board, version.number, query)


class TaskDiff(APIView):
    @described(
        "leaderboards",
        "What changed on a task's board between two moments",
        DiffRecord,
        parameters=[DiffQuery],
    )
    def get(self, request: Request, slug: str) -> Response:
        query, moments = _moments(request)
        version = _task_version(slug, {**query, "as_of": moments[1]})
        boards = [service.task_board(version, user=user_of(request), as_of=m) for m in moments]
        return _diff(request, version.number, moments, [board.rows for board in boards])


class Leaderboard(APIView):
    renderer_classes = TABLES_TOO

    @described(
        "leaderboards",
        "The overall ranking of a benchmark; weight.<category>=2 changes a category's weight",
        tables(BenchmarkBoardRecord),
        parameters=[BenchmarkBoardQuery],
    )
    def get(self, request: Request, slug: str) -> Response:
        query = read_query(request, BenchmarkBoardQuery, service.WEIGHT_PREFIX)
        version = _benchmark_version(slug, query)
        wanted = board_filter(query)
        board = service.benchmark_board(
            version,
            user=user_of(request),
            weights=service.weights_from_query(request.query_params.dict()),
            category=query.get("category"),
            as_of=query.get("as_of"),
        )
        rows = [r for r in board.rows if wanted.accepts(r.submission, _evaluations(r))]
        board = replace(board, rows=rows)
        if is_table(request):
            is_latex = request.accepted_renderer.format == LaTeXRenderer.format
            return (printed_table if is_latex else benchmark_table)(board).response(request)
        return _snapshot(request, BenchmarkBoardRecord, board, version.number, query)


class LeaderboardDiff(APIView):
    @described(
        "leaderboards",
        "What changed on a benchmark's board between two moments",
        DiffRecord,
        parameters=[DiffQuery],
    )
    def get(self, request: Request, slug: str) -> Response:
        query, moments = _moments(request)
        version = _benchmark_version(slug, {**query, "as_of": moments[1]})
        boards = [service.benchmark_board(version, user=user_of(request), as_of=m) for m in moments]
        return _diff(request, version.number, moments, [board.rows for board in boards])


def _task_version(slug: str, query: dict[str, Any]) -> TaskVersion:
    rows = _published_by(shown_task_versions(slug), query)
    found: TaskVersion = one(
        rows.select_related("task", "reference_set"), f"board of task {slug!r}"
    )
    return found


def _benchmark_version(slug: str, query: dict[str, Any]) -> BenchmarkVersion:
    rows = _published_by(shown_benchmark_versions().filter(benchmark__slug=slug), query)
    found: BenchmarkVersion = one(rows, f"board of benchmark {slug!r}")
    return found


def _published_by(rows: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
    """The version that is asked for, else the current one, else the newest of that time."""
    if "version" in query:
        return rows.filter(number=query["version"])
    if query.get("as_of") is not None:
        return rows.filter(published_at__lte=query["as_of"]).order_by("-number")
    return rows.order_by("state", "-number")  # "published" comes before "retired"


def _evaluations(row: BoardRow) -> list[Evaluation]:
    return [cell.evaluation for cell in row.cells.values() if cell.evaluation is not None]


def _snapshot(
    request: Request,
    record: type[Record],
    board: TaskBoard | BenchmarkBoard,
    number: int,
    query: dict[str, Any],
) -> Response:
    as_of = query.get("as_of")
    context = {"request": request, "board": board}
    told = SimpleNamespace(**vars(board), as_of=as_of, permanent_url=None)
    if as_of is not None:
        kept = {**request.query_params.dict(), "version": number, "as_of": as_of.isoformat()}
        told.permanent_url = request.build_absolute_uri(f"{request.path}?{urlencode(kept)}")
    return Response(record(told, context=context).data)


def _moments(request: Request) -> tuple[dict[str, Any], list[datetime]]:
    query = read_query(request, DiffQuery)
    moments = [query["since"], query.get("until") or timezone.now()]
    if moments[0] > moments[1]:
        raise ValidationError({"since": "must not be later than until."})
    return query, moments


def _diff(
    request: Request,
    number: int,
    moments: Sequence[datetime],
    rows: Sequence[Sequence[TaskRow | BoardRow]],
) -> Response:
    found = {
        "version": number,
        "since": moments[0],
        "until": moments[1],
        "changes": changes(rows[0], rows[1]),
    }
    return Response(DiffRecord(found, context={"request": request}).data)


def task_table(board: TaskBoard) -> Table:
    """Every metric's value, interval, n and n_failed; headings carry units from the catalog."""
    keys = _metrics_of(board)
    headings = [
        heading
        for key in keys
        for heading in (
            with_unit(key, METRICS[key].unit),
            with_unit(f"{key}_low", METRICS[key].unit),
            with_unit(f"{key}_high", METRICS[key].unit),
            *(f"{key}_score", f"{key}_n", f"{key}_n_failed"),
        )
    ]
    version = board.task_version
    return Table(
        filename=f"{version.task.slug}-v{version.number}",
        columns=[
            *_STANDING,
            *("evaluation", "score", "score_low", "score_high", "coverage", "n_failed"),
            *("theory_mismatch", "hardware"),
            *headings,
        ],
        rows=[[*_standing(row), *_task_cells(row, keys)] for row in board.rows],
    )


def benchmark_table(board: BenchmarkBoard) -> Table:
    """The overall score and each task's score, interval, coverage and state."""
    slugs = [entry.task_version.task.slug for entry in board.entries]
    parts = ("score", "score_low", "score_high", "coverage", "state")
    version = board.benchmark_version
    return Table(
        filename=f"{version.benchmark.slug}-v{version.number}",
        columns=[
            *_STANDING,
            *("overall", "overall_low", "overall_high"),
            *(f"{slug}_{part}" for slug in slugs for part in parts),
        ],
        rows=[
            [
                *_standing(row),
                *(row.overall, row.low, row.high),
                *chain.from_iterable(
                    (c.score, c.low, c.high, c.coverage, c.state)
                    for c in (row.cells[entry.task_version_id] for entry in board.entries)
                ),
            ]
            for row in board.rows
        ],
    )


def printed_table(board: BenchmarkBoard) -> Table:
    """What fits on paper: ranks with their intervals, the overall score and those of the tasks."""
    version = board.benchmark_version
    return Table(
        filename=f"{version.benchmark.slug}-v{version.number}",
        columns=[
            *("Rank", "Interval", "Potential", "Level of theory", "Overall"),
            *(entry.task_version.task.name for entry in board.entries),
        ],
        rows=[
            [
                row.rank,
                None if row.rank_low is None else f"{row.rank_low}–{row.rank_high}",
                str(row.submission),
                row.submission.potential.level_of_theory,
                row.overall,
                *(row.cells[entry.task_version_id].score for entry in board.entries),
            ]
            for row in board.rows
        ],
    )


def _metrics_of(board: TaskBoard) -> list[str]:
    """The task's scored metrics first, then whatever else was measured, in catalog order."""
    scored = [metric.key for metric in board.task_version.scored_metrics()]
    measured = {key for row in board.rows for key in row.metrics}
    return scored + [key for key in METRICS if key in measured and key not in scored]


def _standing(row: TaskRow | BoardRow) -> Sequence[Cell]:
    submission, potential = row.submission, row.submission.potential
    return (
        *(row.rank, row.rank_low, row.rank_high, row.is_ranked, row.why_not_ranked),
        *(potential.slug, potential.name, submission.version, str(submission.pk)),
        *(potential.level_of_theory, potential.is_baseline),
    )


def _task_cells(row: TaskRow, keys: Sequence[str]) -> list[Cell]:
    cells: list[Cell] = [
        *(str(row.evaluation.pk), row.score, row.low, row.high, row.coverage, row.n_failed),
        *(row.theory_mismatch, row.hardware),
    ]
    for key in keys:
        score = row.metrics.get(key)
        if score is None:
            cells += [None] * 6
        else:
            cells += [score.value, score.low, score.high, score.score, score.n, score.n_failed]
    return cells
