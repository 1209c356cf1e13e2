"""The overall leaderboard: potentials by tasks."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from leaderboard.enums import VersionState
from leaderboard.exceptions import SubmissionError
from leaderboard.models import Benchmark, BenchmarkTask, BenchmarkVersion
from leaderboard.services import backfill
from leaderboard.services.leaderboards import (
    WEIGHT_PREFIX,
    BenchmarkBoard,
    BoardRow,
    Cell,
    benchmark_board,
    weights_from_query,
)
from leaderboard.services.submissions import default_benchmark

_BY_NAME = "name"
_BY_RANK = "rank"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row as the table shows it: its cells in the order of the columns."""

    row: BoardRow
    cells: list[tuple[BenchmarkTask, Cell]]


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    version = default_benchmark() or (
        BenchmarkVersion.objects.filter(state=VersionState.PUBLISHED)
        .order_by("benchmark__created_at", "-number")
        .first()
    )
    if version is None:
        return render(request, "leaderboard_empty.html")
    return _board(request, version)


@require_safe
def benchmark_latest(request: HttpRequest, slug: str) -> HttpResponse:
    version = get_object_or_404(Benchmark, slug=slug).current_version()
    if version is None:
        raise Http404("nothing of it is published")
    return redirect("benchmark", slug=slug, number=version.number)


@require_safe
def benchmark(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    versions = BenchmarkVersion.objects.exclude(state=VersionState.DRAFT)
    return _board(request, get_object_or_404(versions, benchmark__slug=slug, number=number))


def _board(request: HttpRequest, version: BenchmarkVersion) -> HttpResponse:
    """Bad weights are answered with the board in its own weights, and a sentence (HTTP 400)."""
    complaint, weights = "", {}
    try:
        weights = weights_from_query(request.GET)
        board = benchmark_board(version, user=request.user, weights=weights)
    except SubmissionError as error:
        complaint, weights = str(error), {}
        board = benchmark_board(version, user=request.user)
    sort = request.GET.get("sort", _BY_RANK)
    context = {
        "board": board,
        "benchmark": version.benchmark,
        "version": version,
        "lines": [
            Line(row=row, cells=[(e, row.cells[e.task_version_id]) for e in board.entries])
            for row in _sorted(board, sort)
        ],
        "sort": sort,
        "weights": weights,
        "weight_prefix": WEIGHT_PREFIX,
        "weight_query": urlencode({WEIGHT_PREFIX + name: f"{w:g}" for name, w in weights.items()}),
        "complaint": complaint,
        "filling": backfill.filling(version) if version.state == VersionState.PUBLISHED else None,
        "versions": list(
            BenchmarkVersion.objects.exclude(state=VersionState.DRAFT).select_related("benchmark")
        ),
    }
    return render(request, "leaderboard.html", context, status=400 if complaint else 200)


def _sorted(board: BenchmarkBoard, sort: str) -> list[BoardRow]:
    """By rank, by name, or by the score on the task whose slug is given."""
    if sort == _BY_NAME:
        return sorted(board.rows, key=lambda row: str(row.submission).casefold())
    for entry in board.entries:
        if entry.task_version.task.slug == sort:
            pk = entry.task_version_id
            return sorted(board.rows, key=lambda row: _descending(row.cells[pk].score))
    return board.rows


def _descending(score: float | None) -> tuple[bool, float]:
    return (score is None, -(score or 0.0))
