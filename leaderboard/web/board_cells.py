"""Cells of a board as HTML. Written here, not in a template: a page has thousands of them.

Everything that somebody typed is escaped; the rest are numbers and our own words.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from leaderboard.enums import EvaluationState, Visibility
from leaderboard.models import BenchmarkTask
from leaderboard.services.board_matrix import STATES, Ranking
from leaderboard.services.board_store import Entrant, StoredBoard
from leaderboard.services.leaderboards import levels_of
from leaderboard.templatetags.touchstone import NOTHING, count, number, percent

SUCCEEDED = STATES.index(EvaluationState.SUCCEEDED)
LIVE = {STATES.index(EvaluationState.QUEUED), STATES.index(EvaluationState.RUNNING)}
_EMPTY = (
    '<td class="number cell"><span class="state" title="Not evaluated on this task">–'
    '<span class="visually-hidden"> not evaluated</span></span></td>'
)


@dataclass(frozen=True)
class Place:
    """Where a row is found: a board (the public one, or the reader's own), and its number there."""

    board: StoredBoard
    ranking: Ranking
    index: int

    @property
    def entrant(self) -> Entrant:
        return self.board.entrants[self.index]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A task as the cells need it."""

    index: int
    entry: BenchmarkTask
    levels: frozenset[str]

    @property
    def theory(self) -> str:
        reference = self.entry.task_version.reference_set
        return reference.level_of_theory if reference else ""


def columns_of(board: StoredBoard, category: str = "") -> list[Column]:
    """Grouped by category, in the order in which categories come first."""
    order = {name: i for i, name in enumerate(dict.fromkeys(e.category for e in board.entries))}
    chosen = [i for i, e in enumerate(board.entries) if category in {"", e.category}]
    chosen.sort(key=lambda i: order[board.entries[i].category])
    return [_column(board, i) for i in chosen]


def _column(board: StoredBoard, i: int) -> Column:
    entry = board.entries[i]
    reference = entry.task_version.reference_set
    levels = levels_of(reference.level_of_theory if reference else "")
    return Column(index=i, entry=entry, levels=frozenset(levels))


def evaluation_id(board: StoredBoard, row: int, column: int) -> uuid.UUID:
    return uuid.UUID(bytes=board.matrix.evaluation[row, column].tobytes())


def _cell(
    board: StoredBoard,
    row: int,
    column: Column,
    levels: set[str],
    live: Mapping[uuid.UUID, str],
) -> str:
    matrix, j = board.matrix, column.index
    state = int(matrix.state[row, j])
    if not state:
        return _EMPTY
    pk = evaluation_id(board, row, j)
    score = float(matrix.score[row, j])
    if math.isnan(score):
        words = live.get(pk, STATES[state]) if state != SUCCEEDED else "nothing judged"
        bad = " bad-text" if state not in LIVE and state != SUCCEEDED else ""
        return (
            f'<td class="number cell"><a href="/evaluations/{pk}/">'
            f'<span class="state{bad}">{escape(words)}</span></a></td>'
        )
    rank = int(matrix.rank[row, j])
    margin = f' <span class="margin">#{rank}</span>' if rank else ""
    return (
        f'<td class="number cell heat-{round(10 * min(max(score, 0.0), 1.0))}">'
        f'<a href="/evaluations/{pk}/"{_title(board, row, j, score)}>'
        f'<span class="value">{score:.3f}</span>{margin}'
        f"{_bar(score, float(matrix.low[row, j]), float(matrix.high[row, j]))}"
        f"{_marks(board, row, column, levels)}</a></td>"
    )


def _title(board: StoredBoard, row: int, j: int, score: float) -> str:
    matrix = board.matrix
    low, high = float(matrix.low[row, j]), float(matrix.high[row, j])
    words = [] if math.isnan(low) else [f"95 % interval {low:.3f} to {high:.3f}"]
    if why := matrix.sentences[matrix.why[row, j]]:
        words.append(f"Not ranked: {why}")
    if hardware := matrix.hardware_keys[matrix.hardware[row, j]]:
        words.append(f"timed on {hardware}")
    return f' title="{escape("; ".join(words))}"' if words else ""


def _bar(score: float, low: float, high: float) -> str:
    line = ""
    if not math.isnan(low):
        start, end = (2 + 100 * min(max(x, 0.0), 1.0) for x in (low, high))
        line = f'<path class="bar-interval" d="M{start:.1f} 4H{end:.1f}"/>'
    point = 2 + 100 * min(max(score, 0.0), 1.0)
    return (
        f'<svg class="bar" viewBox="0 0 104 8" aria-hidden="true">'
        f'<path class="bar-track" d="M2 4H102"/>{line}'
        f'<circle class="bar-point" cx="{point:.1f}" cy="4" r="2.6"/></svg>'
    )


def _marks(board: StoredBoard, row: int, column: Column, levels: set[str]) -> str:
    coverage = float(board.matrix.coverage[row, column.index])
    n_failed = int(board.matrix.n_failed[row, column.index])
    marks = []
    if coverage < 1:
        marks.append(
            '<span title="Share of the systems whose elements it supports">'
            f"{percent(coverage)} covered</span>"
        )
    if n_failed:
        marks.append(f'<span title="Systems that failed and were charged">{n_failed} failed</span>')
    if levels and column.levels and levels.isdisjoint(column.levels):
        theory = escape(board.entrants[row].level_of_theory)
        marks.append(
            f'<span title="{theory} potential, {escape(column.theory)} reference">'
            '<span aria-hidden="true">≠</span><span class="visually-hidden">'
            "other level of theory than the reference</span></span>"
        )
    return f'<span class="marks">{" ".join(marks)}</span>' if marks else ""


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


def row_html(
    place: Place, columns: list[Column], shown: Sequence[str], live: Mapping[uuid.UUID, str]
) -> SafeString:
    """One row of the table."""
    board, i, entrant = place.board, place.index, place.entrant
    levels = levels_of(entrant.level_of_theory)
    parts = [
        (
            f'<tr><th scope="row" class="pinned"><div class="who"><span class="rank">{_rank(place)}'
            f'</span><span class="name">{_name(entrant)}</span></div></th>{_overall(place)}'
        ),
        *(_cell(board, i, column, levels, live) for column in columns),
        *(_fact(entrant, name) for name in shown),
        "</tr>\n",
    ]
    return mark_safe("".join(parts))  # noqa: S308  (see the top of this file)


def _rank(place: Place) -> str:
    """As includes/rank.html."""
    found, i = place.ranking, place.index
    rank, low, high = int(found.rank[i]), int(found.rank_low[i]), int(found.rank_high[i])
    if not rank:
        why = escape(found.reasons[i])
        return f'<span class="soft" title="{why}" aria-label="not ranked">–</span>'
    title = f"Rank {rank}" + (f"; 95 % interval {low} to {high}" if low else "")
    before = after = ""
    if found.is_tied[i]:
        title += "; cannot be told apart from the row above"
        before = '<span aria-hidden="true">≈ </span>'
        after = '<span class="visually-hidden">, cannot be told apart from the row above</span>'
    span = f"<small>{low}–{high}</small>" if low and low != high else ""
    return f'<span title="{title}">{before}{rank}</span>{after}{span}'


def _name(entrant: Entrant) -> str:
    """As includes/submission_name.html."""
    baseline = ' <span class="badge">baseline</span>' if entrant.is_baseline else ""
    is_private = entrant.visibility == Visibility.PRIVATE
    private = ' <span class="badge warn">private</span>' if is_private else ""
    return (
        f'<a href="/potentials/{escape(entrant.slug)}/"><bdi>{escape(entrant.name)}</bdi></a> '
        f'<a class="version" href="/submissions/{escape(entrant.submission)}/">'
        f"<bdi>{escape(entrant.version)}</bdi></a>{baseline}{private}"
    )


def _overall(place: Place) -> str:
    found, i = place.ranking, place.index
    score, low, high = float(found.overall[i]), float(found.low[i]), float(found.high[i])
    parts = []
    if not math.isnan(score):
        parts.append(f'<span class="value">{score:.3f}</span>')
        if not math.isnan(low):
            parts.append(f' <span class="margin">{low:.2f}–{high:.2f}</span>')
        parts.append(_bar(score, low, high))
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
