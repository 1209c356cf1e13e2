"""Cells of a board as HTML. Written here, not in a template: a page has thousands of them.

Everything that somebody typed is escaped; the rest are numbers and our own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from leaderboard.enums import Visibility
from leaderboard.models import BenchmarkTask, TaskVersion
from leaderboard.ranking import as_array
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.grades import mark_of
from leaderboard.services.boards.matrix import STATES, SUCCEEDED
from leaderboard.services.boards.reader import LIVE, BoardRow
from leaderboard.services.boards.rules import are_apart, levels_of
from leaderboard.services.boards.store import StoredBoard
from leaderboard.services.boards.types import TaskRow
from leaderboard.templatetags.board import board_sort, sort_link
from leaderboard.templatetags.touchstone import NOTHING, count, heat, metric, number, percent
from leaderboard.web.boards.query import BoardQuery
from leaderboard.web.names import version_html

_EMPTY = (
    '<td class="number cell"><span class="state" title="Not evaluated on this task">–'
    '<span class="visually-hidden"> not evaluated</span></span></td>'
)
#: Holds the id of an evaluation where the words of its state belong; what is typed is escaped.
_LIVE = "<!--{}-->"
LIVE_MARK = re.compile(_LIVE.format("([0-9a-f-]{36})"))

#: A score as it is written, its place on a bar's line and its colour, by its thousandths.
_WRITTEN = [f"{k / 1000:.3f}" for k in range(1001)]
_AT = [f"{2 + k / 10:.1f}" for k in range(1001)]
_HEAT = [heat(k / 1000) for k in range(1001)]
#: Where a UUID has digits, and not hyphens.
_DIGITS = [i for i in range(36) if i not in {8, 13, 18, 23}]


@dataclass(frozen=True, kw_only=True)
class BoardColumn:
    """A task as the cells need it."""

    index: int
    entry: BenchmarkTask
    levels: frozenset[str]
    #: Of the reference, escaped.
    theory: str


def columns_of(board: StoredBoard, category: str = "") -> list[BoardColumn]:
    """Grouped by category, in the order in which categories come first."""
    order = {name: i for i, name in enumerate(dict.fromkeys(e.category for e in board.entries))}
    chosen = [i for i, e in enumerate(board.entries) if category in {"", e.category}]
    chosen.sort(key=lambda i: order[board.entries[i].category])
    return [_column(board, i) for i in chosen]


def _column(board: StoredBoard, i: int) -> BoardColumn:
    entry = board.entries[i]
    reference = entry.task_version.reference_set
    theory = reference.level_of_theory if reference else ""
    return BoardColumn(
        index=i, entry=entry, levels=frozenset(levels_of(theory)), theory=escape(theory)
    )


def head_html(column: BoardColumn, query: BoardQuery, share: float) -> str:
    """The task's heading, with the anchors of its metrics."""
    entry = column.entry
    task = entry.task_version.task
    tips = "".join(
        f"<span>{label}: {good:g} scores 1, {bad:g} {unit} scores 0</span>"
        for label, unit, good, bad, _ in _anchors(entry.task_version)
    )
    return (
        f'<th scope="col" class="number task"{board_sort(query, task.slug)}>'
        f'<a id="sort-{escape(task.slug)}" href="{escape(sort_link(query, task.slug))}"'
        f' aria-describedby="anchors-{entry.pk}">'
        f'{escape(task.name)}</a> <span class="unit">{percent(share)} of overall</span>'
        f'<span class="tip" id="anchors-{entry.pk}" role="tooltip">{tips}</span></th>\n'
    )


def about_html(column: BoardColumn, share: float) -> str:
    """The task's row of the table that tells about all of them."""
    version = column.entry.task_version
    task, reference = version.task, version.reference_set
    anchors = "".join(
        f'<span class="anchors">{label}: {good:g} → {bad:g} {unit}{log}</span> '
        for label, unit, good, bad, log in _anchors(version)
    )
    set_words = "–"
    if reference is not None:
        set_words = f'{escape(reference.title)} <span class="soft">({column.theory})</span>'
    return (
        f'<tr role="row"><th role="rowheader" scope="row">'
        f'<a href="/tasks/{escape(task.slug)}/{version.number}/">'
        f'{escape(task.name)}</a> <span class="badge">v{version.number}</span></th>'
        f'<td role="cell">{escape(task.summary)}</td>'
        f'<td role="cell" data-label="Reference">{set_words}</td>'
        f'<td role="cell" data-label="Scores 1 → scores 0">{anchors}</td>'
        f'<td role="cell" class="number" data-label="Share of overall">{percent(share)}</td></tr>\n'
    )


def _anchors(version: TaskVersion) -> Iterator[tuple[str, str, float, float, str]]:
    """Of each metric that counts: label and unit, the values that score 1 and 0, the scale."""
    for m in version.metrics:
        if float(m.get("weight", 1.0)) > 0:
            log = " (log)" if m.get("scale") == "log" else ""
            yield *_label(m["key"]), m["good"], m["bad"], log


@cache
def _label(key: str) -> tuple[str, str]:
    about = metric(key)
    return escape(about.label), escape(about.unit)


class _Cells:
    """The cells of one row, written from what is looked up in ``_Numbers``."""

    def __init__(self, place: BoardRow, numbers: _Numbers, row: int) -> None:
        matrix, i = place.board.matrix, place.index
        self.state, self.rank = matrix.state[i].tolist(), matrix.rank[i].tolist()
        self.coverage, self.n_failed = matrix.coverage[i].tolist(), matrix.n_failed[i].tolist()
        self.why = [matrix.sentences[k] for k in matrix.why[i].tolist()]
        self.hardware = [matrix.hardware_keys[k] for k in matrix.hardware[i].tolist()]
        self.score, self.low, self.high = numbers.score[row], numbers.low[row], numbers.high[row]
        self.keys = numbers.keys[row]
        theory = place.entrant.level_of_theory
        self._theory, self._levels = escape(theory), levels_of(theory)

    def html(self, column: BoardColumn) -> str:
        j = column.index
        state, score, pk = self.state[j], self.score[j], self.keys[j]
        if not state:
            return _EMPTY
        if score < 0:
            words = "nothing judged" if state == SUCCEEDED else _LIVE.format(pk)
            bad = " bad-text" if state not in LIVE and state != SUCCEEDED else ""
            return (
                f'<td class="number cell"><a href="/evaluations/{pk}/">'
                f'<span class="state{bad}">{words}</span></a></td>'
            )
        low, high, rank = self.low[j], self.high[j], self.rank[j]
        margin = f' <span class="margin">#{rank}</span>' if rank else ""
        return (
            f'<td class="number cell {_HEAT[score]}"><a href="/evaluations/{pk}/"{self._title(j)}>'
            f'<span class="value">{_WRITTEN[score]}</span>{margin}'
            f"{_bar(score, low, high)}{self._marks(column)}</a></td>"
        )

    def _title(self, j: int) -> str:
        low, high = self.low[j], self.high[j]
        title = f"95 % interval {_WRITTEN[low]} to {_WRITTEN[high]}" if low >= 0 else ""
        if self.why[j] or self.hardware[j]:
            words = [title] if title else []
            if self.why[j]:
                words.append(f"Not ranked: {self.why[j]}")
            if self.hardware[j]:
                words.append(f"timed on {self.hardware[j]}")
            title = escape("; ".join(words))
        return f' title="{title}"' if title else ""

    def _marks(self, column: BoardColumn) -> str:
        coverage, n_failed = self.coverage[column.index], self.n_failed[column.index]
        marks = []
        if coverage < 1:
            marks.append(
                '<span title="Share of the systems whose elements it supports">'
                f"{percent(coverage)} covered</span>"
            )
        if n_failed:
            marks.append(
                f'<span title="Systems that failed and were charged">{n_failed} failed</span>'
            )
        if are_apart(self._levels, column.levels):
            marks.append(
                f'<span title="{self._theory} potential, {column.theory} reference">'
                '<span aria-hidden="true">≠</span><span class="visually-hidden">'
                "other level of theory than the reference</span></span>"
            )
        return f'<span class="marks">{" ".join(marks)}</span>' if marks else ""


class _Numbers:
    """What the cells of many rows show. Scores are in thousandths, as they are written; -1 is none.

    Read at once for all rows: a page has thousands of cells.
    """

    def __init__(self, places: Sequence[BoardRow]) -> None:
        positions = [(place.board.matrix, place.index) for place in places]
        self.score = _thousandths([matrix.score[i] for matrix, i in positions])
        self.low = _thousandths([matrix.low[i] for matrix, i in positions])
        self.high = _thousandths([matrix.high[i] for matrix, i in positions])
        self.keys = _keys(np.array([matrix.evaluation[i] for matrix, i in positions]))


def _thousandths(scores: npt.ArrayLike) -> list[Any]:
    values = np.array(scores)
    rounded: list[Any] = np.where(np.isnan(values), -1, np.rint(1000 * values)).astype(int).tolist()
    return rounded


def _keys(evaluations: npt.NDArray[np.uint8]) -> list[list[str]]:
    """Their bytes, shape (rows, columns, 16), as addresses have them."""
    written = np.full((evaluations.size // 16, 36), ord("-"), np.uint8)
    digits = evaluations.tobytes().hex().encode()
    written[:, _DIGITS] = np.frombuffer(digits, np.uint8).reshape(-1, 32)
    keys: list[list[str]] = written.view("S36").astype(str).reshape(evaluations.shape[:2]).tolist()
    return keys


def _bar(score: int, low: int, high: int) -> str:
    """A score with its interval on a line; all of them in thousandths."""
    # The track first, then the interval: the style sheet tells them apart by their order.
    line = f'<path d="M{_AT[low]} 4H{_AT[high]}"/>' if low >= 0 else ""
    return (
        f'<svg class="bar" viewBox="0 0 104 8" aria-hidden="true"><path d="M2 4H102"/>{line}'
        f'<circle cx="{_AT[score]}" cy="4" r="2.6"/></svg>'
    )


def rows_html(
    places: Sequence[BoardRow], columns: Sequence[BoardColumn], shown: Sequence[str]
) -> Iterator[str]:
    """Rows of the table, with marks for what is looked up when it is sent."""
    numbers = _Numbers(places)
    for row, place in enumerate(places):
        entrant, cells = place.entrant, _Cells(place, numbers, row)
        yield (
            f'<tr><th scope="row" class="pinned"><div class="who"><span class="rank">'
            f'{rank_html(place)}</span><span class="name">{name_html(entrant)}</span></div></th>'
            f"{_overall(place)}"
        )
        yield from map(cells.html, columns)
        yield from (_fact(entrant, name) for name in shown)
        yield "</tr>\n"


def short_rows_html(places: Sequence[BoardRow], columns: Sequence[BoardColumn]) -> Iterator[str]:
    """Rows of a table of all: names, ranks and scores, without links to what is behind."""
    all_scores = _thousandths([place.board.matrix.score[place.index] for place in places])
    for place, scores in zip(places, all_scores, strict=True):
        entrant, rank = place.entrant, place.rank
        low, high = place.rank_low, place.rank_high
        standing = "–" if rank is None else f"{rank}"
        if low is not None and low != high:
            standing += f" <small>{low}–{high}</small>"
        overall = "" if place.overall is None else f"{place.overall:.3f}"
        yield (
            f'<tr><th scope="row" class="pinned">{standing} <a href="/potentials/'
            f'{escape(entrant.slug)}/"><bdi>{escape(entrant.name)}</bdi></a> '
            f"<bdi>{escape(entrant.version)}</bdi></th><td>{overall}</td>"
        )
        matrix, i = place.board.matrix, place.index
        states, ranks = matrix.state[i].tolist(), matrix.rank[i].tolist()
        yield from (_short(states[c.index], scores[c.index], ranks[c.index]) for c in columns)
        yield "</tr>\n"


def _short(state: int, score: int, rank: int) -> str:
    """The score alone, in thousandths; in brackets where it is not ranked."""
    if score < 0:
        words = "pending" if state in LIVE else STATES[state]
        return f"<td>{words if state != SUCCEEDED else 'not judged'}</td>"
    number = _WRITTEN[score] if rank else f"({_WRITTEN[score]})"
    return f'<td class="{_HEAT[score]}">{number}</td>'


def rank_html(row: BoardRow | TaskRow) -> str:
    """A rank with its interval and its tie, or a dash that says why there is none."""
    rank, low, high = row.rank, row.rank_low, row.rank_high
    if rank is None:
        why = escape(row.why_not_ranked)
        return f'<span class="soft" title="{why}" aria-label="not ranked">–</span>'
    title = f"Rank {rank}" + (f"; 95 % interval {low} to {high}" if low else "")
    before = after = ""
    if row.tied_with_previous:
        title += "; cannot be told apart from the row above"
        before = '<span aria-hidden="true">≈ </span>'
        after = '<span class="visually-hidden">, cannot be told apart from the row above</span>'
    span = f"<small>{low}–{high}</small>" if low and low != high else ""
    return f'<span title="{title}">{before}{rank}</span>{after}{span}'


def name_html(entrant: Entrant) -> str:
    """A potential's name and version, with the mark of its grades."""
    return version_html(
        slug=entrant.slug,
        name=entrant.name,
        submission=entrant.submission,
        version=entrant.version,
        grades=_mark(entrant),
        is_baseline=entrant.is_baseline,
        is_private=entrant.visibility == Visibility.PRIVATE,
        by=entrant.team or entrant.owner,
        resembles=entrant.resembles,
    )


def _mark(entrant: Entrant) -> str:
    mark = mark_of(entrant.grades)
    title = f"Checked in the tasks of this board: {mark.words}"
    if mark.passes_checks:
        return (
            f' <span class="verified" title="{title}"><span aria-hidden="true">✓</span>'
            f'<span class="visually-hidden">passes checks</span></span>'
        )
    return "".join(f' <span class="badge warn" title="{title}">{name}</span>' for name in mark.poor)


def _overall(place: BoardRow) -> str:
    score, *interval = _thousandths(as_array([place.overall, place.low, place.high]))
    parts = []
    if score >= 0:
        parts.append(f'<span class="value">{_WRITTEN[score]}</span>')
        if place.low is not None:
            parts.append(f' <span class="margin">{place.low:.2f}–{place.high:.2f}</span>')
        parts.append(_bar(score, *interval))
    if place.why_not_ranked:
        why = escape(place.why_not_ranked)
        parts.append(
            f'<span class="marks" title="{why}">not ranked'
            f'<span class="visually-hidden">: {why}</span></span>'
        )
    return f'<td class="number overall">{"".join(parts)}</td>'


def _fact(entrant: Entrant, name: str) -> str:
    """A cell about the potential."""
    if name == "parameters":
        exact = "" if entrant.n_parameters is None else f"{entrant.n_parameters:,}"
        return f'<td class="meta number" title="{exact}">{count(entrant.n_parameters)}</td>'
    if name in {"speed", "memory"}:
        value, digits = (entrant.speed, 1) if name == "speed" else (entrant.memory, 0)
        return f'<td class="meta number">{number(value, digits)}</td>'
    text = {
        "architecture": entrant.architecture,
        "training": ", ".join(entrant.training_sets),
        "theory": entrant.level_of_theory,
        "licence": entrant.licence,
        "date": entrant.date,
    }[name]
    return f'<td class="meta" title="{escape(text)}"><bdi>{escape(text) or NOTHING}</bdi></td>'


def facts(entrant: Entrant) -> dict[str, Any]:
    """What the columns about potentials sort by."""
    return {
        "architecture": entrant.architecture.casefold(),
        "parameters": entrant.n_parameters,
        "training": ", ".join(entrant.training_sets).casefold(),
        "theory": entrant.level_of_theory.casefold(),
        "licence": entrant.licence.casefold(),
        "speed": entrant.speed,
        "memory": entrant.memory,
        "date": entrant.date,
    }
