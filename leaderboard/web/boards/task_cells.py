"""Rows of a task's board as HTML: written here, as those of the leaderboard, since there are many.

Everything that somebody typed is escaped; the rest are numbers and our own words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from django.utils.safestring import SafeString, mark_safe

from leaderboard.models import TaskVersion
from leaderboard.services.boards.types import MetricScore, TaskRow
from leaderboard.web.boards.cells import name_html, rank_html
from leaderboard.web.numbers import NOTHING, heat, interval_bar, metric, number, percent


def rows_html(
    version: TaskVersion, rows: Sequence[TaskRow], scored: Sequence[str], unscored: Sequence[str]
) -> SafeString:
    """With the headings that part them: the hardware, and those that are not ranked."""
    keys = [(key, metric(key).digits, True) for key in scored]
    keys += [(key, metric(key).digits, False) for key in unscored]
    reference = version.reference_set
    theory = reference.level_of_theory if reference else ""
    parts: list[str] = []
    for above, row in zip([None, *rows], rows, strict=False):
        parts += _headings(above, row)
        parts += _row(row, keys, theory)
    return mark_safe("".join(parts))  # noqa: S308  (see the top of this file)


def _headings(above: TaskRow | None, row: TaskRow) -> Iterator[str]:
    heading = '<tr class="unranked-head"><th scope="rowgroup" colspan="99">{}</th></tr>'
    is_other_hardware = above is None or above.hardware != row.hardware
    if is_other_hardware and row.hardware:
        yield heading.format(f"On {escape(row.hardware)}")
    if not row.is_ranked and (is_other_hardware or above is None or above.is_ranked):
        yield heading.format("Shown, not ranked")


def _row(row: TaskRow, keys: Sequence[tuple[str, int, bool]], theory: str) -> Iterator[str]:
    entrant, metrics = row.entrant, row.metrics
    mismatch = why = ""
    if row.theory_mismatch:
        mismatch = (
            ' <span class="marks plain"><span aria-hidden="true">≠</span> '
            f"{escape(entrant.level_of_theory)} on {escape(theory)}</span>"
        )
    if row.why_not_ranked:
        why = f' <span class="marks plain">{escape(row.why_not_ranked)}</span>'
    yield (
        f'<tr><th scope="row" class="pinned"><div class="who"><span class="rank">{rank_html(row)}'
        f'</span><span><span class="name">{name_html(entrant)}</span>{mismatch}{why}</span></div>'
        f'</th><td class="number cell {heat(row.score)}">'
        f'<a href="/evaluations/{row.evaluation_id}/">'
        f'<span class="value">{number(row.score, 3)}</span>'
        f"{interval_bar(row.score, row.low, row.high)}</a></td>"
    )
    for key, digits, is_scored in keys:
        yield _metric(metrics, key, digits, is_scored=is_scored)
    bad = " bad-text" if row.n_failed else ""
    yield (
        f'<td class="number">{row.n_systems}</td>'
        f'<td class="number{bad}">{NOTHING if row.n_failed is None else row.n_failed}</td>'
        f'<td class="number">{percent(row.coverage)}</td>'
        f'<td class="number">{number(row.wall_time_s, 1)}</td></tr>\n'
    )


def _metric(metrics: Mapping[str, MetricScore], key: str, digits: int, *, is_scored: bool) -> str:
    score = metrics.get(key)
    if score is None:
        return f'<td class="number">{NOTHING}</td>'
    if score.n is None:  # of a hidden set the score alone is told
        return f'<td class="number"><span class="soft">score</span> {number(score.score, 2)}</td>'
    value = number(score.value, digits)
    if is_scored:
        value = f'<span class="value">{value}</span>'
    if score.low is not None:
        value += (
            f'<br><span class="margin" title="95 % interval; {score.n} systems, '
            f'{score.n_failed} of them failed">'
            f"{number(score.low, digits)}–{number(score.high, digits)}</span>"
        )
    return f'<td class="number">{value}</td>'
