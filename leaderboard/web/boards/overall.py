"""The overall leaderboard: potentials by tasks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from leaderboard.enums import VersionState
from leaderboard.models import Benchmark, BenchmarkVersion
from leaderboard.services.advice.recommendation import board_version
from leaderboard.services.boards.changes import Change, changes_of_boards
from leaderboard.services.boards.chemistry import FAMILIES
from leaderboard.services.boards.chemistry_board import chemistry_board, on_chemistry, resolution_of
from leaderboard.services.boards.matrix import SUCCEEDED, Ranking
from leaderboard.services.boards.reader import LIVE, BoardRow, view_of
from leaderboard.services.boards.rules import WEIGHT_PREFIX, categories_of, shares_of
from leaderboard.services.boards.store import (
    StoredBoard,
    current_board,
    past_board,
    private_board,
    ranking_of,
)
from leaderboard.services.definitions.published import shown_benchmark_versions
from leaderboard.services.evaluations.progress import states_of
from leaderboard.web.boards.cells import (
    LIVE_MARK,
    BoardColumn,
    about_html,
    columns_of,
    facts,
    head_html,
    rows_html,
    short_rows_html,
)
from leaderboard.web.boards.query import COLUMNS, NAME, RANK, BoardQuery, read_board_query
from leaderboard.web.shared import shared_page
from leaderboard.web.states import state_words

#: Rows of a page, and of a page with all rows.
_ROWS, _MAX_ROWS = 50, 2000
#: A table of more cells has the scores alone: the whole of a large board.
_MAX_CELLS = 4000
_FILTER_LABELS = (
    ("level_of_theory", "Level of theory"),
    ("licence", "Licence"),
    ("architecture", "Architecture"),
    ("training_set", "Training set"),
)
#: From so many tasks on, columns are narrow.
_MANY_TASKS = 6


class _Drawn(NamedTuple):
    """What only depends on the board and the question: the same for all readers and moments."""

    context: dict[str, Any]
    #: The table with its form; every second part is the id of an evaluation that has no score,
    #: where the words of its state belong.
    parts: list[str]


@require_safe
def home(request: HttpRequest) -> HttpResponseBase:
    version = board_version()
    if version is None:
        return render(request, "leaderboard_empty.html")
    return _board(request, version, shown_benchmark_versions(), is_home=True)


@require_safe
def benchmark_latest(request: HttpRequest, slug: str) -> HttpResponseBase:
    version = get_object_or_404(Benchmark, slug=slug).shown_version()
    if version is None:
        raise Http404("nothing of it is published")
    return redirect("benchmark", slug=slug, number=version.number)


@require_safe
def benchmark(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    versions = shown_benchmark_versions()  # the page names the other boards too
    for version in versions:
        if (version.benchmark.slug, version.number) == (slug, number):
            return _board(request, version, versions)
    raise Http404(f"no version {number} of {slug!r} is published")


def _board(
    request: HttpRequest,
    version: BenchmarkVersion,
    versions: Sequence[BenchmarkVersion],
    *,
    is_home: bool = False,
) -> HttpResponseBase:
    """Bad parameters are told and left out (HTTP 400); the page is whole without them."""
    board = current = current_board(version)
    query = read_board_query(
        request.GET,
        [e.task_version.task.slug for e in board.entries],
        {e.category: e.category_weight for e in board.entries},
    )
    if query.as_of is not None:
        board = past_board(version, query.as_of)
    key = (version.benchmark.name, *sorted(query.given.items()))
    own = private_board(board, request.user)
    draw = partial(_draw, version, board, own, query)
    drawn = board.pages.value(key, draw) if own is None else draw()
    states = states_of(drawn.parts[1::2])
    # Pages are remembered by what is good of an address: what is bad of this one is told anew.
    complaints = [*query.complaints, *drawn.context["more_complaints"]]
    query = replace(drawn.context["query"], complaints=complaints)
    others = [other for other in versions if other.pk != version.pk]

    def page() -> HttpResponse:
        context = {
            **drawn.context,
            "query": query,
            "version": version,
            "benchmark": version.benchmark,
            "body": _with_live_words(drawn.parts, states),
            # Who comes with a question of the board wants its answer, not the welcome.
            "is_home": is_home and not query.given,
            "others": others,
            "is_over": all(
                v.state == VersionState.RETIRED
                for v in versions
                if v.benchmark_id == version.benchmark_id
            ),
            "filling": _filling(version, board, versions),
        }
        status = 400 if query.complaints else 200
        return render(request, "leaderboard.html", context, status=status)

    about = [(v.pk, v.state, v.benchmark.name, v.benchmark.summary) for v in (version, *others)]
    live = sorted(str(row) for row in states)
    made_of = (current.stamp, query.as_of, query.since, about, live)
    return shared_page(request, made_of, page)


def _draw(
    version: BenchmarkVersion, whole: StoredBoard, own: StoredBoard | None, query: BoardQuery
) -> _Drawn:
    board, chemistry = whole, None
    if query.chemistry is not None:
        chemistry = chemistry_board(whole, query.chemistry)
        board = chemistry.board
        own = on_chemistry(own, chemistry)
    n_told = len(query.complaints)
    query = _within(query, board)
    view = view_of(board, own, query.weights, query.category, query.wanted)
    columns = columns_of(board, query.category)
    places = _sorted(view.rows, query, columns)
    n_pages = max(1, math.ceil(len(places) / _ROWS))
    shown = _page(places, query, n_pages)
    is_short = len(shown) * len(columns) > _MAX_CELLS
    context = {
        "query": query,
        "more_complaints": query.complaints[n_told:],
        "chemistry": chemistry,
        "resolution": resolution_of(board, chemistry)
        if view.ranking is board.own and not query.category
        else None,
        "has_tasks": bool(whole.entries),
        "board": board,
        "benchmark": version.benchmark,
        "version": version,
        "columns": columns,
        "lines": shown,
        "is_short": is_short,
        "n_rows": len(places),
        "n_all": view.n_all,
        "page": query.page and min(query.page, n_pages),
        "n_pages": n_pages,
        "changes": _changes(version, board, view.ranking, query),
        "hardware": view.ranking.hardware,
        "n_evaluations": int((board.matrix.state == SUCCEEDED).sum()),
    }
    categories = categories_of(board.entries, _weights(query, board))
    shares = shares_of(board.entries, categories)
    parts = {
        **context,
        "heads": _joined(head_html(c, query, shares[c.entry.task_version_id]) for c in columns),
        "rows": _joined(
            short_rows_html(shown, columns) if is_short else rows_html(shown, columns, query.shown)
        ),
        "about": _joined(about_html(c, shares[c.entry.task_version_id]) for c in columns),
        "categories": categories,
        "own_weights": view.categories,
        "groups": [(name, list(members)) for name, members in groupby(columns, _category)],
        "is_dense": len(columns) >= _MANY_TASKS,
        "all_columns": COLUMNS,
        "choices": board.choices,
        "filter_labels": _FILTER_LABELS,
        "weight_prefix": WEIGHT_PREFIX,
        "families": FAMILIES,
    }
    context["foot"] = render_to_string("includes/board_foot.html", parts)
    return _Drawn(context, LIVE_MARK.split(render_to_string("includes/board_body.html", parts)))


def _within(query: BoardQuery, board: StoredBoard) -> BoardQuery:
    """What can be asked of a board that may lack tasks."""
    slugs = [e.task_version.task.slug for e in board.entries]
    return query.within(slugs, {e.category: e.category_weight for e in board.entries})


def _joined(parts: Iterable[str]) -> SafeString:
    return mark_safe("".join(parts))  # noqa: S308  (escaped where they are written)


def _with_live_words(parts: Sequence[str], states: Iterable[Mapping[str, Any]]) -> SafeString:
    """Where the shown evaluations stand that have no score: these words change every second."""
    words = {str(row["pk"]): escape(state_words(row)) for row in states}
    return _joined(words.get(part, "") if n % 2 else part for n, part in enumerate(parts))


@dataclass(frozen=True)
class _Filling:
    n_pending: int
    earlier: BenchmarkVersion | None


def _filling(
    version: BenchmarkVersion, board: StoredBoard, versions: Iterable[BenchmarkVersion]
) -> _Filling:
    """How much of a new version is still to come, and the one that is whole until then."""
    n_pending = int(np.isin(board.matrix.state, LIVE).sum())
    earlier = [
        other
        for other in versions
        if other.benchmark_id == version.benchmark_id and other.number < version.number
    ]
    is_new = version.state == VersionState.PUBLISHED and n_pending > 0
    newest = max(earlier, key=lambda other: other.number, default=None)
    return _Filling(n_pending, newest if is_new else None)


def _category(column: BoardColumn) -> str:
    category: str = column.entry.category
    return category


def _weights(query: BoardQuery, board: StoredBoard) -> dict[str, float]:
    """Weights of all categories; the chosen one alone counts, if one was."""
    if not query.category:
        return query.weights
    return {e.category: float(e.category == query.category) for e in board.entries}


def _sorted(
    places: list[BoardRow], query: BoardQuery, columns: Sequence[BoardColumn]
) -> list[BoardRow]:
    """By what the reader chose; rows without it stay at the end in either direction."""
    if query.sort == RANK:
        return places[::-1] if query.is_reversed else places
    values = [_value(place, query.sort, columns) for place in places]
    known = [i for i, value in enumerate(values) if value not in {None, ""}]
    known.sort(key=lambda i: values[i], reverse=query.is_reversed)  # type: ignore[arg-type,return-value]
    unknown = [i for i, value in enumerate(values) if value in {None, ""}]
    return [places[i] for i in known + unknown]


def _value(place: BoardRow, sort: str, columns: Sequence[BoardColumn]) -> float | str | None:
    """Scores from the best to the worst."""
    if sort == NAME:
        return place.board.matrix.names[place.index].casefold()
    if sort in COLUMNS:
        value: float | str | None = facts(place.entrant)[sort]
        return value
    for column in columns:
        if column.entry.task_version.task.slug == sort:
            score = place.score(column.index)
            return None if score is None else -score
    return None


def _page(places: list[BoardRow], query: BoardQuery, n_pages: int) -> list[BoardRow]:
    if query.page is None:
        return places[:_MAX_ROWS]
    start = _ROWS * (min(query.page, n_pages) - 1)
    return places[start : start + _ROWS]


def _changes(
    version: BenchmarkVersion, board: StoredBoard, ranking: Ranking, query: BoardQuery
) -> list[Change] | None:
    """Between ``since`` and the moment that is shown; None when nobody asked."""
    if query.since is None:
        return None
    before = past_board(version, query.since)
    if query.chemistry is not None:
        before = chemistry_board(before, query.chemistry).board
        query = _within(query, before)
    earlier = ranking_of(before, query.weights, query.category)
    return changes_of_boards((before, earlier), (board, ranking))
