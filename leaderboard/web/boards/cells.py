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

from evaluator.catalog.skill import largest_error
from leaderboard.enums import EvaluationState, Visibility
from leaderboard.models import BenchmarkTask, TaskVersion
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.grades import mark_of
from leaderboard.services.boards.reader import LIVE_STATES, BoardRow
from leaderboard.services.boards.store import StoredBoard
from leaderboard.services.boards.types import MISSING, Cell, TaskRow
from leaderboard.web.boards.query import BoardQuery, board_sort, sort_link
from leaderboard.web.names import version_html
from leaderboard.web.numbers import NOTHING, count, heat, metric, number, percent
from leaderboard.web.states import NOT_COVERED

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


@dataclass(frozen=True, kw_only=True)
class BoardColumn:
    """A task as the cells need it."""

    index: int
    entry: BenchmarkTask
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
    return BoardColumn(index=i, entry=entry, theory=escape(theory))


def head_html(column: BoardColumn, query: BoardQuery, share: float) -> str:
    """The task's heading, with the anchors of its metrics."""
    entry = column.entry
    task = entry.task_version.task
    tips = "".join(
        f"<span>{label}: {best:g} scores 1, {worst:g} {unit} scores 0</span>"
        for label, unit, best, worst, _ in _anchors(entry.task_version)
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
        f'<span class="anchors">{label}: {best:g} → {worst:g} {unit}{log}</span> '
        for label, unit, best, worst, log in _anchors(version)
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
    """Tell of each metric that counts its label and unit, what scores 1 and 0, the scale.

    Where the task is scored by skill these are errors: the noise, and the largest of a guess.
    """
    for m in version.scored_metrics():
        if m.weight > 0:
            log = " (log)" if m.scale == "log" else ""
            by_skill = m.noise is not None
            best = m.noise if m.noise is not None else m.good
            yield *_label(m.key), best, largest_error(m) if by_skill else m.bad, log


@cache
def _label(key: str) -> tuple[str, str]:
    about = metric(key)
    return escape(about.label), escape(about.unit)


def _cell(cell: Cell, ours: str, theirs: str) -> str:
    """A cell with a score, or what became of the evaluation; both levels of theory are escaped."""
    if cell.evaluation is None:
        return _EMPTY
    address = f'<a href="/evaluations/{cell.evaluation}/"'
    if cell.score is None:
        is_done = cell.state == EvaluationState.SUCCEEDED
        words = "nothing judged" if is_done else _LIVE.format(cell.evaluation)
        is_bad = not is_done and cell.state not in LIVE_STATES and not cell.is_not_covered
        bad = " bad-text" if is_bad else ""
        return f'<td class="number cell">{address}><span class="state{bad}">{words}</span></a></td>'
    score, low, high = _thousandths(cell.score), _thousandths(cell.low), _thousandths(cell.high)
    margin = f' <span class="margin">#{cell.rank}</span>' if cell.rank else ""
    return (
        f'<td class="number cell {_HEAT[score]}">{address}{_title(cell, low, high)}>'
        f'<span class="value">{_WRITTEN[score]}</span>{margin}'
        f"{_bar(score, low, high)}{_marks(cell, ours, theirs)}</a></td>"
    )


def _title(cell: Cell, low: int, high: int) -> str:
    interval = f"95 % interval {_WRITTEN[low]} to {_WRITTEN[high]}" if low >= 0 else ""
    if not cell.why_not_ranked and not cell.hardware:
        return f' title="{interval}"' if interval else ""
    words = [interval] if interval else []
    if cell.why_not_ranked:
        words.append(f"Not ranked: {cell.why_not_ranked}")
    if cell.hardware:
        words.append(f"timed on {cell.hardware}")
    return f' title="{escape("; ".join(words))}"'


def _marks(cell: Cell, ours: str, theirs: str) -> str:
    marks = []
    if cell.coverage is not None and cell.coverage < 1:
        marks.append(
            '<span title="Share of the systems whose elements it supports">'
            f"{percent(cell.coverage)} covered</span>"
        )
    if cell.n_failed:
        marks.append(f'<span title="Systems that failed">{cell.n_failed} failed</span>')
    if cell.theory_mismatch:
        marks.append(
            f'<span title="{ours} potential, {theirs} reference">'
            '<span aria-hidden="true">≠</span><span class="visually-hidden">'
            "other level of theory than the reference</span></span>"
        )
    return f'<span class="marks">{" ".join(marks)}</span>' if marks else ""


def _thousandths(score: float | None) -> int:
    """The score as it is written, in thousandths; -1 is none."""
    return -1 if score is None else round(1000 * score)


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
    for place in places:
        entrant, cells = place.entrant, place.cells
        theory = escape(entrant.level_of_theory)
        yield (
            f'<tr><th scope="row" class="pinned"><div class="who"><span class="rank">'
            f'{rank_html(place)}</span><span class="name">{name_html(entrant)}</span></div></th>'
            f"{_overall(place)}"
        )
        yield from (_cell(cells[c.index], theory, c.theory) for c in columns)
        yield from (_fact(entrant, name) for name in shown)
        yield "</tr>\n"


def short_rows_html(places: Sequence[BoardRow], columns: Sequence[BoardColumn]) -> Iterator[str]:
    """Rows of a table of all: names, ranks and scores, without links to what is behind."""
    for place in places:
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
        cells = place.cells
        yield from (_short(cells[column.index]) for column in columns)
        yield "</tr>\n"


def _short(cell: Cell) -> str:
    """The score alone; in brackets where it is not ranked."""
    if cell.score is None:
        words = "pending" if cell.state in LIVE_STATES else cell.state.replace(MISSING, "")
        words = NOT_COVERED if cell.is_not_covered else words
        return f"<td>{'not judged' if cell.state == EvaluationState.SUCCEEDED else words}</td>"
    score = _thousandths(cell.score)
    number = _WRITTEN[score] if cell.rank else f"({_WRITTEN[score]})"
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
    score, low, high = map(_thousandths, (place.overall, place.low, place.high))
    parts = []
    if score >= 0:
        parts.append(f'<span class="value">{_WRITTEN[score]}</span>')
        if place.low is not None:
            parts.append(f' <span class="margin">{place.low:.2f}–{place.high:.2f}</span>')
        parts.append(_bar(score, low, high))
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
