"""Leaderboards as JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evaluator.catalog import METRICS
from leaderboard.api.query import VersionFilter, read_query
from leaderboard.api.serializers.boards import BenchmarkBoardRecord, TaskBoardRecord
from leaderboard.api.tables import Cell, Table, is_table, tables, with_unit
from leaderboard.api.views.base import TABLES_TOO, described, one, user_of
from leaderboard.api.views.tasks import find_task_version, shown_benchmark_versions
from leaderboard.services import leaderboards as service
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
        parameters=[VersionFilter],
    )
    def get(self, request: Request, slug: str) -> Response:
        version = find_task_version(request, slug)
        board = service.task_board(version, user=user_of(request))
        for evaluation in chain(board.pending, board.failed):
            evaluation.task_version = version
        if is_table(request):
            return task_table(board).response(request)
        return Response(TaskBoardRecord(board, context={"request": request}).data)


class Leaderboard(APIView):
    renderer_classes = TABLES_TOO

    @described(
        "leaderboards",
        "The overall ranking of a benchmark; weight.<category>=2 changes a category's weight",
        tables(BenchmarkBoardRecord),
        parameters=[VersionFilter],
    )
    def get(self, request: Request, slug: str) -> Response:
        number = read_query(request, VersionFilter, service.WEIGHT_PREFIX).get("version")
        versions = shown_benchmark_versions().filter(benchmark__slug=slug)
        versions = versions.order_by("state", "-number")  # "published" comes before "retired"
        versions = versions.filter(number=number) if number else versions
        board = service.benchmark_board(
            one(versions, f"benchmark {slug!r}"),
            user=user_of(request),
            weights=service.weights_from_query(request.query_params.dict()),
        )
        if is_table(request):
            return benchmark_table(board).response(request)
        context = {"request": request, "board": board}
        return Response(BenchmarkBoardRecord(board, context=context).data)


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
