"""The overall leaderboard: potentials by tasks."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from leaderboard.enums import VersionState
from leaderboard.models import Benchmark, BenchmarkVersion, Evaluation, Submission
from leaderboard.services.board_changes import Change, changes_of_boards
from leaderboard.services.board_matrix import Ranking
from leaderboard.services.board_store import (
    Entrant,
    Kept,
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
    LIVE,
    SUCCEEDED,
    Column,
    Place,
    columns_of,
    evaluation_id,
    facts,
    live_words,
    row_html,
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


@dataclass(frozen=True)
class Line:
    """A row as the table shows it."""

    place: Place
    columns: list[Column]
    shown: Sequence[str]
    live: Mapping[uuid.UUID, str]

    @property
    def html(self) -> SafeString:
        return row_html(self.place, self.columns, self.shown, self.live)

    @property
    def row(self) -> Row:
        return Row(self.place)


@dataclass(frozen=True)
class Row:
    """What a row stands for, in single values."""

    place: Place

    @property
    def submission(self) -> Submission:
        return self.place.entrant.model()

    @property
    def rank(self) -> int | None:
        return int(self.place.ranking.rank[self.place.index]) or None


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    version = default_benchmark() or (
        BenchmarkVersion.objects.filter(state=VersionState.PUBLISHED)
        .order_by("benchmark__created_at", "-number")
        .first()
    )
    if version is None:
        return render(request, "leaderboard_empty.html")
    return _board(request, version, is_home=True)


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


def _board(
    request: HttpRequest, version: BenchmarkVersion, *, is_home: bool = False
) -> HttpResponse:
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
    context = {
        "query": query,
        "board": board,
        "benchmark": version.benchmark,
        "version": version,
        "columns": columns,
        "lines": [Line(p, columns, query.shown, live) for p in shown],
        "n_rows": len(places),
        "n_all": len(board.entrants) + (len(own.entrants) if own else 0),
        "page": query.page and min(query.page, n_pages),
        "n_pages": n_pages,
        "changes": _changes(version, board, ranking, query),
    }
    # What only depends on the board and the question is the same for all readers.
    pages = board.pages if own is None else Kept(1)
    key = (tuple(sorted(query.given.items())), tuple(live.items()))
    body, foot = pages.get(key) or pages.put(key, _rendered(context))
    versions = list(
        BenchmarkVersion.objects.exclude(state=VersionState.DRAFT).select_related("benchmark")
    )
    context |= {
        "body": body,
        "foot": foot,
        "hardware": ranking.hardware,
        "is_home": is_home,
        "n_evaluations": int((board.matrix.state == SUCCEEDED).sum()),
        "others": [other for other in versions if other.pk != version.pk],
        "filling": _filling(version, board, versions),
    }
    return render(request, "leaderboard.html", context, status=400 if query.complaints else 200)


def _rendered(context: Mapping[str, Any]) -> tuple[str, str]:
    """The table with its form, and what stands below it."""
    query, board, columns = context["query"], context["board"], context["columns"]
    categories = categories_of(board.entries, _weights(query, board))
    whole = {
        **context,
        "categories": categories,
        "own_weights": categories_of(board.entries, query.weights),
        "groups": [(name, list(found)) for name, found in groupby(columns, _category)],
        "shares": shares_of(board.entries, categories),
        "is_dense": len(columns) >= _MANY_TASKS,
        "all_columns": COLUMNS,
        "choices": _choices(board.entrants),
        "filter_labels": _FILTER_LABELS,
        "weight_prefix": WEIGHT_PREFIX,
    }
    names = ("includes/board_body.html", "includes/board_foot.html")
    body, foot = (render_to_string(name, whole) for name in names)
    return body, foot


@dataclass(frozen=True)
class _Filling:
    n_pending: int
    earlier: BenchmarkVersion | None


def _filling(
    version: BenchmarkVersion, board: StoredBoard, versions: Iterable[BenchmarkVersion]
) -> _Filling:
    """How much of a new version is still to come, and the one that is whole until then."""
    n_pending = int(np.isin(board.matrix.state, list(LIVE)).sum())
    earlier = [
        other
        for other in versions
        if other.benchmark_id == version.benchmark_id and other.number < version.number
    ]
    is_new = version.state == VersionState.PUBLISHED and n_pending > 0
    newest = max(earlier, key=lambda other: other.number, default=None)
    return _Filling(n_pending, newest if is_new else None)


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
    return [Place(board, ranking, i) for i in order]


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
