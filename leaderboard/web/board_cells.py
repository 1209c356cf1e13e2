"""Cells of a board as HTML. Written here, not in a template: a page has thousands of them.

Everything that somebody typed is escaped; the rest are numbers and our own words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

from leaderboard.enums import EvaluationState, Visibility
from leaderboard.models import BenchmarkTask, TaskVersion
from leaderboard.services.board_entrants import Entrant
from leaderboard.services.board_matrix import STATES, SUCCEEDED
from leaderboard.services.board_places import LIVE, Place
from leaderboard.services.board_store import StoredBoard
from leaderboard.services.grades import mark_of
from leaderboard.services.leaderboards import levels_of
from leaderboard.services.task_board_places import TaskPlace
from leaderboard.templatetags.board import board_sort, sort_link
from leaderboard.templatetags.touchstone import NOTHING, count, metric, number, percent
from leaderboard.web.board_query import BoardQuery

_EMPTY = (
    '<td class="number cell"><span class="state" title="Not evaluated on this task">–'
    '<span class="visually-hidden"> not evaluated</span></span></td>'
)
#: Stands around the id of an evaluation where the words of its state belong. No text has it.
LIVE_MARK = "\0"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A task as the cells need it."""

    index: int
    entry: BenchmarkTask
    levels: frozenset[str]
    #: Of the reference, escaped.
    theory: str


def columns_of(board: StoredBoard, category: str = "") -> list[Column]:
    """Grouped by category, in the order in which categories come first."""
    order = {name: i for i, name in enumerate(dict.fromkeys(e.category for e in board.entries))}
    chosen = [i for i, e in enumerate(board.entries) if category in {"", e.category}]
    chosen.sort(key=lambda i: order[board.entries[i].category])
    return [_column(board, i) for i in chosen]


def _column(board: StoredBoard, i: int) -> Column:
    entry = board.entries[i]
    reference = entry.task_version.reference_set
    theory = reference.level_of_theory if reference else ""
    return Column(index=i, entry=entry, levels=frozenset(levels_of(theory)), theory=escape(theory))


def head_html(column: Column, query: BoardQuery, share: float) -> str:
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


def about_html(column: Column, share: float) -> str:
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
    """The cells of one row."""

    def __init__(self, place: Place) -> None:
        matrix, i = place.board.matrix, place.index
        self.state, self.score, self.low, self.high, self.coverage, self.n_failed, self.rank = (
            array[i].tolist()
            for array in (matrix.state, matrix.score, matrix.low, matrix.high, matrix.coverage,
                          matrix.n_failed, matrix.rank)
        )  # fmt: skip
        self.why = [matrix.sentences[k] for k in matrix.why[i].tolist()]
        self.hardware = [matrix.hardware_keys[k] for k in matrix.hardware[i].tolist()]
        self._ids = matrix.evaluation[i].tobytes().hex()
        theory = place.entrant.level_of_theory
        self._theory, self._levels = escape(theory), levels_of(theory)

    def html(self, column: Column) -> str:
        j = column.index
        state, score = self.state[j], self.score[j]
        if not state:
            return _EMPTY
        h = self._ids[32 * j : 32 * j + 32]
        pk = f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
        if score != score:  # NaN
            words = "nothing judged" if state == SUCCEEDED else f"{LIVE_MARK}{pk}{LIVE_MARK}"
            bad = " bad-text" if state not in LIVE and state != SUCCEEDED else ""
            return (
                f'<td class="number cell"><a href="/evaluations/{pk}/">'
                f'<span class="state{bad}">{words}</span></a></td>'
            )
        rank = self.rank[j]
        margin = f' <span class="margin">#{rank}</span>' if rank else ""
        within = _within(score)
        is_plain = self.coverage[j] == 1 and not self.n_failed[j] and not self._is_other(column)
        return (
            f'<td class="number cell heat-{round(10 * within)}">'
            f'<a href="/evaluations/{pk}/"{self._title(j)}>'
            f'<span class="value">{score:.3f}</span>{margin}'
            f"{_bar(within, self.low[j], self.high[j])}"
            f"{'' if is_plain else self._marks(column)}</a></td>"
        )

    def _is_other(self, column: Column) -> bool:
        """Whether the potential's level of theory is not the reference's."""
        ours, theirs = self._levels, column.levels
        return bool(ours and theirs) and ours.isdisjoint(theirs)

    def short(self, column: Column) -> str:
        """The score alone; in brackets where it is not ranked."""
        state, score = self.state[column.index], self.score[column.index]
        if score != score:  # NaN
            words = "pending" if state in LIVE else STATES[state]
            return f"<td>{words if state != SUCCEEDED else 'not judged'}</td>"
        number = f"{score:.3f}" if self.rank[column.index] else f"({score:.3f})"
        return f'<td class="heat-{round(10 * _within(score))}">{number}</td>'

    def _title(self, j: int) -> str:
        low = self.low[j]
        told = "" if low != low else f"95 % interval {low:.3f} to {self.high[j]:.3f}"
        if self.why[j] or self.hardware[j]:
            words = [told] if told else []
            if self.why[j]:
                words.append(f"Not ranked: {self.why[j]}")
            if self.hardware[j]:
                words.append(f"timed on {self.hardware[j]}")
            told = escape("; ".join(words))
        return f' title="{told}"' if told else ""

    def _marks(self, column: Column) -> str:
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
        if self._is_other(column):
            marks.append(
                f'<span title="{self._theory} potential, {column.theory} reference">'
                '<span aria-hidden="true">≠</span><span class="visually-hidden">'
                "other level of theory than the reference</span></span>"
            )
        return f'<span class="marks">{" ".join(marks)}</span>' if marks else ""


def _within(score: float) -> float:
    return score if 0.0 <= score <= 1.0 else min(max(score, 0.0), 1.0)


def _bar(score: float, low: float, high: float) -> str:
    """``score`` lies from 0 to 1; the line runs from 2 to 102."""
    line = ""
    if low == low:  # not NaN
        low, high = _within(low), _within(high)
        line = f'<path d="M{2 + 100 * low:.1f} 4H{2 + 100 * high:.1f}"/>'
    # The track first, then the interval: the style sheet tells them apart by their order.
    return (
        f'<svg class="bar" viewBox="0 0 104 8" aria-hidden="true"><path d="M2 4H102"/>{line}'
        f'<circle cx="{2 + 100 * score:.1f}" cy="4" r="2.6"/></svg>'
    )


def live_words(evaluation: Mapping[str, Any]) -> str:
    """Where an evaluation stands, as includes/state.html says it."""
    state, phase = evaluation["state"], evaluation["phase"]
    if state == EvaluationState.RUNNING:
        if phase == "waiting":
            return "waiting for the device"
        done, total = evaluation["progress_done"], evaluation["progress_total"]
        return (phase or "running") + (f" {done}/{total}" if total else "")
    if state == EvaluationState.QUEUED:
        return "queued"
    return str(evaluation["verdict"]).replace("_", " ") or str(state)


def row_html(place: Place, columns: Sequence[Column], shown: Sequence[str]) -> str:
    """One row of the table, with marks for what is looked up when it is sent."""
    entrant, cells = place.entrant, _Cells(place)
    parts = [
        (
            f'<tr><th scope="row" class="pinned"><div class="who"><span class="rank">'
            f'{rank_html(place)}</span><span class="name">{name_html(entrant)}</span></div></th>'
            f"{_overall(place)}"
        ),
        *(cells.html(column) for column in columns),
        *(_fact(entrant, name) for name in shown),
        "</tr>\n",
    ]
    return "".join(parts)


def short_row_html(place: Place, columns: Sequence[Column]) -> str:
    """One row of a table of all rows: names, ranks and scores, without links to what is behind."""
    entrant, cells = place.entrant, _Cells(place)
    rank = place.rank
    low, high = place.rank_low, place.rank_high
    standing = "–" if rank is None else f"{rank}"
    if low is not None and low != high:
        standing += f" <small>{low}–{high}</small>"
    overall = "" if place.overall is None else f"{place.overall:.3f}"
    scores = "".join(cells.short(column) for column in columns)
    return (
        f'<tr><th scope="row" class="pinned">{standing} <a href="/potentials/'
        f'{escape(entrant.slug)}/"><bdi>{escape(entrant.name)}</bdi></a> '
        f"<bdi>{escape(entrant.version)}</bdi></th><td>{overall}</td>{scores}</tr>\n"
    )


def rank_html(row: Place | TaskPlace) -> str:
    """As includes/rank.html."""
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
    """As includes/submission_name.html, with the mark of its grades."""
    baseline = ' <span class="badge">baseline</span>' if entrant.is_baseline else ""
    is_private = entrant.visibility == Visibility.PRIVATE
    private = ' <span class="badge warn">private</span>' if is_private else ""
    return (
        f'<a href="/potentials/{escape(entrant.slug)}/"><bdi>{escape(entrant.name)}</bdi></a> '
        f'<a class="version" href="/submissions/{escape(entrant.submission)}/">'
        f"<bdi>{escape(entrant.version)}</bdi></a>{_mark(entrant)}{baseline}{private}"
    )


def _mark(entrant: Entrant) -> str:
    mark = mark_of(entrant.grades)
    told = f"Checked in the tasks of this board: {mark.words}"
    if mark.is_verified:
        return (
            f' <span class="verified" title="{told}"><span aria-hidden="true">✓</span>'
            f'<span class="visually-hidden">verified</span></span>'
        )
    return "".join(f' <span class="badge warn" title="{told}">{name}</span>' for name in mark.poor)


def _overall(place: Place) -> str:
    found, i = place.ranking, place.index
    score, low, high = float(found.overall[i]), float(found.low[i]), float(found.high[i])
    parts = []
    if not math.isnan(score):
        parts.append(f'<span class="value">{score:.3f}</span>')
        if not math.isnan(low):
            parts.append(f' <span class="margin">{low:.2f}–{high:.2f}</span>')
        parts.append(_bar(_within(score), low, high))
    if found.reasons[i]:
        why = escape(found.reasons[i])
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
