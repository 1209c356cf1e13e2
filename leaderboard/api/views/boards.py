"""Leaderboards as JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
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
from leaderboard.api.board_rows import written
from leaderboard.api.query import (
    BenchmarkBoardQuery,
    BoardQuery,
    DiffQuery,
    board_filter,
    read_query,
)
from leaderboard.api.serializers.boards import (
    BenchmarkBoardRecord,
    BoardRowRecord,
    ChangeRecord,
    DiffRecord,
    TaskBoardRecord,
    TaskBoardRowRecord,
)
from leaderboard.api.serializers.fields import Record
from leaderboard.api.tables import Cell, LaTeXRenderer, Table, is_table, tables, with_unit
from leaderboard.api.views.base import TABLES_TOO, described, one, user_of
from leaderboard.api.views.tasks import shown_benchmark_versions, shown_task_versions
from leaderboard.models import BenchmarkVersion, TaskVersion
from leaderboard.services.boards.changes import Change, changes_of_boards, changes_of_task
from leaderboard.services.boards.chemistry_board import (
    ChemistryBoard,
    chemistry_board,
    on_chemistry,
    resolution_of,
)
from leaderboard.services.boards.reader import BoardRow, BoardView, view_of, with_live_states
from leaderboard.services.boards.resolution import of_task
from leaderboard.services.boards.rules import WEIGHT_PREFIX, weights_from_query
from leaderboard.services.boards.store import board_at, part_of_board, private_board
from leaderboard.services.boards.task_reader import past_task_board, task_view, wanted_rows
from leaderboard.services.boards.types import TaskRow

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
        board = task_view(version, user_of(request), query.get("as_of"))
        rows = wanted_rows(board.rows, board_filter(query))
        if is_table(request):
            return task_table(version, rows).response(request)
        fields = {
            "task_version": version,
            "pending": board.pending,
            "failed": board.failed,
            "resolution": of_task(board) if query.get("as_of") is None else None,
        }
        written_rows = written(TaskBoardRowRecord, rows, request)
        return _snapshot(request, TaskBoardRecord, fields, written_rows, version.number, query)


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
        before, after = (past_task_board(version, moment).rows for moment in moments)
        return _diff(request, version.number, moments, changes_of_task(before, after))


class Leaderboard(APIView):
    renderer_classes = TABLES_TOO

    @described(
        "leaderboards",
        "The overall ranking of a benchmark; weight.<category>=2 changes a category's weight, "
        "chemistry=Si,O judges on systems of these elements alone",
        tables(BenchmarkBoardRecord),
        parameters=[BenchmarkBoardQuery],
    )
    def get(self, request: Request, slug: str) -> Response:
        query = read_query(request, BenchmarkBoardQuery, WEIGHT_PREFIX)
        version = _benchmark_version(slug, query)
        weights = weights_from_query(request.query_params.dict())
        board = board_at(version, query.get("as_of"))
        own = private_board(board, user_of(request))
        asked = query.get("chemistry")
        chemistry = chemistry_board(board, asked) if asked else None
        if chemistry:
            board, own = chemistry.board, on_chemistry(own, chemistry)
        if "category" in query:
            board = part_of_board(board, query["category"])
            own = part_of_board(own, query["category"]) if own else None
        view = view_of(board, own, weights, wanted=board_filter(query))
        if is_table(request):
            is_latex = request.accepted_renderer.format == LaTeXRenderer.format
            write = printed_table if is_latex else benchmark_table
            return write(view, chemistry).response(request)
        fields = {
            "benchmark_version": version,
            "categories": view.categories,
            "entries": view.entries,
            "hardware": view.hardware,
            "shares": view.shares,
            "resolution": resolution_of(view.board, chemistry)
            if view.ranking is view.board.own and "category" not in query
            else None,
            "chemistry": chemistry,
        }
        rows = written(BoardRowRecord, with_live_states(view), request)
        return _snapshot(request, BenchmarkBoardRecord, fields, rows, version.number, query)


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
        # Until now is the board as it stands, which need not be found again.
        boards = [board_at(version, m) for m in (query["since"], query.get("until"))]
        changes = changes_of_boards(*((board, board.own) for board in boards))
        return _diff(request, version.number, moments, changes)


def _task_version(slug: str, query: dict[str, Any]) -> TaskVersion:
    rows = _published_by(shown_task_versions(slug), query)
    version: TaskVersion = one(
        rows.select_related("task", "reference_set"), f"board of task {slug!r}"
    )
    return version


def _benchmark_version(slug: str, query: dict[str, Any]) -> BenchmarkVersion:
    shown = shown_benchmark_versions().prefetch_related(None)  # the board has the tasks
    rows = _published_by(shown.filter(benchmark__slug=slug), query)
    version: BenchmarkVersion = one(rows, f"board of benchmark {slug!r}")
    return version


def _published_by(rows: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
    """The version that is asked for, else the current one, else the newest of that time."""
    if "version" in query:
        return rows.filter(number=query["version"])
    if query.get("as_of") is not None:
        return rows.filter(published_at__lte=query["as_of"]).order_by("-number")
    return rows.order_by("state", "-number")  # "published" comes before "retired"


def _snapshot(
    request: Request,
    record: type[Record],
    fields: dict[str, Any],
    rows: Sequence[dict[str, Any]],
    number: int,
    query: dict[str, Any],
) -> Response:
    as_of = query.get("as_of")
    board = SimpleNamespace(**fields, rows=[], as_of=as_of, permanent_url=None)
    if as_of is not None:
        parameters = {**request.query_params.dict(), "version": number, "as_of": as_of.isoformat()}
        board.permanent_url = request.build_absolute_uri(f"{request.path}?{urlencode(parameters)}")
    answer = record(board, context={"request": request, "board": board}).data
    return Response({**answer, "rows": rows})


def _moments(request: Request) -> tuple[dict[str, Any], list[datetime]]:
    query = read_query(request, DiffQuery)
    moments = [query["since"], query.get("until") or timezone.now()]
    if moments[0] > moments[1]:
        raise ValidationError({"since": "must not be later than until."})
    return query, moments


def _diff(
    request: Request, number: int, moments: Sequence[datetime], differences: Sequence[Change]
) -> Response:
    fields = {"version": number, "since": moments[0], "until": moments[1], "changes": []}
    rows = written(ChangeRecord, differences, request)
    return Response({**DiffRecord(fields).data, "changes": rows})


def task_table(version: TaskVersion, rows: Sequence[TaskRow]) -> Table:
    """Every metric's value, interval, n and n_failed; headings carry units from the catalog."""
    keys = _metrics_of(version, rows)
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
    return Table(
        filename=f"{version.task.slug}-v{version.number}",
        columns=[
            *_STANDING,
            *("evaluation", "score", "score_low", "score_high", "coverage", "n_failed"),
            *("theory_mismatch", "hardware"),
            *headings,
        ],
        rows=[[*_standing(row), *_task_cells(row, keys)] for row in rows],
    )


def benchmark_table(view: BoardView, chemistry: ChemistryBoard | None = None) -> Table:
    """The overall score and each task's score, interval, coverage and state.

    For a chemistry, how many systems and clusters the score is made of instead of the coverage.
    """
    slugs = [entry.task_version.task.slug for entry in view.entries]
    parts = ["score", "score_low", "score_high", "coverage", "state"]
    counts: dict[int, tuple[int, int]] = {}
    if chemistry is not None:
        parts[3:4] = ["n_systems", "n_clusters"]
        counts = {t.entry.task_version_id: (t.n_systems, t.n_clusters) for t in chemistry.judged}
    known = [counts.get(entry.task_version_id) for entry in view.entries]
    return Table(
        filename=_filename(view, chemistry),
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
                    (c.score, c.low, c.high, *(n or (c.coverage,)), c.state)
                    for c, n in zip(row.cells, known, strict=True)
                ),
            ]
            for row in with_live_states(view)
        ],
    )


def _filename(view: BoardView, chemistry: ChemistryBoard | None) -> str:
    version = view.benchmark_version
    name = f"{version.benchmark.slug}-v{version.number}"
    return f"{name}-{str(chemistry.chemistry).replace(',', '-')[:60]}" if chemistry else name


def printed_table(view: BoardView, chemistry: ChemistryBoard | None = None) -> Table:
    """What fits on paper: ranks with their intervals, the overall score and those of the tasks."""
    return Table(
        filename=_filename(view, chemistry),
        columns=[
            *("Rank", "Interval", "Potential", "Level of theory", "Overall"),
            *(entry.task_version.task.name for entry in view.entries),
        ],
        rows=[
            [
                row.rank,
                None if row.rank_low is None else f"{row.rank_low}–{row.rank_high}",
                row.entrant.title,
                row.entrant.level_of_theory,
                row.overall,
                *(cell.score for cell in row.cells),
            ]
            for row in view.rows
        ],
    )


def _metrics_of(version: TaskVersion, rows: Sequence[TaskRow]) -> list[str]:
    """The task's scored metrics first, then whatever else was measured, in catalog order."""
    scored = [metric.key for metric in version.scored_metrics()]
    measured = {key for row in rows for key in row.metrics}
    return scored + [key for key in METRICS if key in measured and key not in scored]


def _standing(row: TaskRow | BoardRow) -> Sequence[Cell]:
    entrant = row.entrant
    return (
        *(row.rank, row.rank_low, row.rank_high, row.is_ranked, row.why_not_ranked),
        *(entrant.slug, entrant.name, entrant.version, entrant.submission),
        *(entrant.level_of_theory, entrant.is_baseline),
    )


def _task_cells(row: TaskRow, keys: Sequence[str]) -> list[Cell]:
    cells: list[Cell] = [
        *(str(row.evaluation_id), row.score, row.low, row.high, row.coverage, row.n_failed),
        *(row.theory_mismatch, row.hardware),
    ]
    for key in keys:
        score = row.metrics.get(key)
        if score is None:
            cells += [None] * 6
        else:
            cells += [score.value, score.low, score.high, score.score, score.n, score.n_failed]
    return cells
