"""The overall leaderboard: potentials by tasks."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from leaderboard.enums import VersionState
from leaderboard.models import Benchmark, BenchmarkVersion, Evaluation, Submission
from leaderboard.services.board_changes import Change, changes_of_boards
from leaderboard.services.board_matrix import Ranking
from leaderboard.services.board_store import (
    Entrant,
    StoredBoard,
    current_board,
    past_board,
    private_board,
    ranking_of,
)
from leaderboard.services.json_values import finite
from leaderboard.services.leaderboards import WEIGHT_PREFIX, categories_of, shares_of
from leaderboard.services.submissions import default_benchmark
from leaderboard.web.board_cells import (
    Column,
    cells,
    columns_of,
    evaluation_id,
    facts,
    live_words,
)
from leaderboard.web.board_query import COLUMNS, NAME, RANK, BoardQuery, read_board_query

#: Rows of a page, and of a page with all rows.
_ROWS, _MAX_ROWS = 50, 2000
_FILTER_LABELS = (
    ("level_of_theory", "Level of theory"),
    ("licence", "Licence"),
    ("architecture", "Architecture"),
    ("training_set", "Training set"),
)
#: From so many tasks on, columns are narrow.
_MANY_TASKS = 6


@dataclass(frozen=True, kw_only=True)
class Row:
    """A submission's standing, named as in includes/rank.html."""

    submission: Submission
    entrant: Entrant
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    overall: float | None
    low: float | None
    high: float | None
    is_ranked: bool
    why_not_ranked: str
    tied_with_previous: bool


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row as the table shows it: its cells in the order of the columns."""

    row: Row
    cells: SafeString


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a row is found: a board (the public one, or the reader's own), and its number there."""

    board: StoredBoard
    ranking: Ranking
    index: int

    @property
    def entrant(self) -> Entrant:
        return self.board.entrants[self.index]


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
    """Bad parameters are told and left out (HTTP 400); the page is whole without them."""
    board = current_board(version)
    query = read_board_query(
        request.GET,
        [e.task_version.task.slug for e in board.entries],
        {e.category: e.category_weight for e in board.entries},
    )
    if query.as_of is not None:
        board = past_board(version, query.as_of)
    ranking = ranking_of(board, query.weights, query.category)
    columns = columns_of(board, query.category)
    own = private_board(board, request.user) if query.as_of is None else None
    places = _sorted(_chosen(board, ranking, own, query), query, columns)
    n_pages = max(1, math.ceil(len(places) / _ROWS))
    shown = _page(places, query, n_pages)
    live = _live(shown, columns)
    categories = categories_of(board.entries, _weights(query, board))
    context = {
        "query": query,
        "board": board,
        "benchmark": version.benchmark,
        "version": version,
        "categories": categories,
        "columns": columns,
        "groups": [(name, list(found)) for name, found in groupby(columns, _category)],
        "shares": shares_of(board.entries, categories),
        "lines": [_line(place, columns, live) for place in shown],
        "n_rows": len(places),
        "n_all": len(board.entrants) + (len(own.entrants) if own else 0),
        "page": query.page and min(query.page, n_pages),
        "n_pages": n_pages,
        "hardware": ranking.hardware,
        "is_dense": len(columns) >= _MANY_TASKS,
        "all_columns": COLUMNS,
        "own_weights": categories_of(board.entries, query.weights),
        "choices": _choices(board.entrants),
        "filter_labels": _FILTER_LABELS,
        "weight_prefix": WEIGHT_PREFIX,
        "changes": _changes(version, board, ranking, query),
        "versions": list(
            BenchmarkVersion.objects.exclude(state=VersionState.DRAFT).select_related("benchmark")
        ),
    }
    return render(request, "leaderboard.html", context, status=400 if query.complaints else 200)


def _category(column: Column) -> str:
    return column.entry.category


def _weights(query: BoardQuery, board: StoredBoard) -> dict[str, float]:
    """Of all categories, with the one that was chosen alone, if one was."""
    if not query.category:
        return query.weights
    return {e.category: float(e.category == query.category) for e in board.entries}


def _chosen(
    board: StoredBoard, ranking: Ranking, own: StoredBoard | None, query: BoardQuery
) -> list[Place]:
    """The rows that the reader wants to see, from the top of the board to its bottom."""
    found = _places(board, ranking, query)
    if own is None:
        return found
    private = _places(own, ranking_of(own, query.weights, query.category), query)
    return sorted(found + private, key=_order)


def _places(board: StoredBoard, ranking: Ranking, query: BoardQuery) -> list[Place]:
    order = ranking.order.tolist()
    if query.is_filtered:
        workers = board.matrix.workers
        order = [
            i
            for i in order
            if query.wanted.accepts_row(
                board.entrants[i].model(),
                (workers[k] for k in np.unique(board.matrix.worker[i]).tolist()),
            )
        ]
    return [Place(board=board, ranking=ranking, index=i) for i in order]


def _order(place: Place) -> tuple[bool, int, bool, float, str]:
    rank = int(place.ranking.rank[place.index])
    overall = finite(float(place.ranking.overall[place.index]))
    name = place.board.matrix.names[place.index]
    return (not rank, rank, overall is None, -(overall or 0.0), name)


def _sorted(places: list[Place], query: BoardQuery, columns: Sequence[Column]) -> list[Place]:
    """By what the reader chose; rows without it stay at the end in either direction."""
    if query.sort == RANK:
        return places[::-1] if query.is_reversed else places
    values = [_value(place, query.sort, columns) for place in places]
    known = [i for i, value in enumerate(values) if value not in {None, ""}]
    known.sort(key=lambda i: values[i], reverse=query.is_reversed)  # type: ignore[arg-type,return-value]
    unknown = [i for i, value in enumerate(values) if value in {None, ""}]
    return [places[i] for i in known + unknown]


def _value(place: Place, sort: str, columns: Sequence[Column]) -> float | str | None:
    """Scores from the best to the worst."""
    if sort == NAME:
        return place.board.matrix.names[place.index].casefold()
    if sort in COLUMNS:
        found: float | str | None = facts(place.entrant)[sort]
        return found
    for column in columns:
        if column.entry.task_version.task.slug == sort:
            score = finite(float(place.board.matrix.score[place.index, column.index]))
            return None if score is None else -score
    return None


def _page(places: list[Place], query: BoardQuery, n_pages: int) -> list[Place]:
    if query.page is None:
        return places[:_MAX_ROWS]
    start = _ROWS * (min(query.page, n_pages) - 1)
    return places[start : start + _ROWS]


def _live(places: Iterable[Place], columns: Sequence[Column]) -> dict[uuid.UUID, str]:
    """Where the shown evaluations stand that have no score: these words change every second."""
    keys = [
        evaluation_id(place.board, place.index, column.index)
        for place in places
        for column in columns
        if place.board.matrix.state[place.index, column.index]
        and math.isnan(place.board.matrix.score[place.index, column.index])
    ]
    names = ("pk", "state", "phase", "progress_done", "progress_total", "verdict")
    rows = Evaluation.objects.filter(pk__in=keys).values(*names)
    return {row["pk"]: live_words(row) for row in rows}


def _line(place: Place, columns: list[Column], live: dict[uuid.UUID, str]) -> Line:
    ranking, i = place.ranking, place.index
    row = Row(
        submission=place.entrant.model(),
        entrant=place.entrant,
        rank=int(ranking.rank[i]) or None,
        rank_low=int(ranking.rank_low[i]) or None,
        rank_high=int(ranking.rank_high[i]) or None,
        overall=finite(float(ranking.overall[i])),
        low=finite(float(ranking.low[i])),
        high=finite(float(ranking.high[i])),
        is_ranked=not ranking.reasons[i],
        why_not_ranked=ranking.reasons[i],
        tied_with_previous=bool(ranking.is_tied[i]),
    )
    return Line(row=row, cells=cells(place.board, i, columns, live))


def _choices(entrants: Sequence[Entrant]) -> dict[str, list[str]]:
    """What the filters may be set to, as far as it occurs on the board."""
    return {
        "level_of_theory": _texts(
            level.strip() for e in entrants for level in e.level_of_theory.split(",")
        ),
        "licence": _texts(e.licence for e in entrants),
        "architecture": _texts(e.architecture for e in entrants),
        "training_set": _texts(name for e in entrants for name in e.training_sets),
    }


def _texts(found: Iterable[str]) -> list[str]:
    return sorted({text for text in found if text}, key=str.casefold)[:100]


def _changes(
    version: BenchmarkVersion, board: StoredBoard, ranking: Ranking, query: BoardQuery
) -> list[Change] | None:
    """Between ``since`` and the moment that is shown; None when nobody asked."""
    if query.since is None:
        return None
    before = past_board(version, query.since)
    earlier = ranking_of(before, query.weights, query.category)
    return changes_of_boards((before, earlier), (board, ranking))
