"""Do tasks agree? Rank correlations between them, and one pair drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from leaderboard.charts import Chart
from leaderboard.charts.scatter import score_scatter
from leaderboard.models import TaskVersion
from leaderboard.services.advice.correlation import (
    FEW_POTENTIALS,
    MIN_POTENTIALS,
    Correlation,
    Correlations,
    task_correlations,
)
from leaderboard.services.advice.recommendation import board_version
from leaderboard.web.estimates import shade, signed

_FORCES, _DYNAMICS = "energy_forces", "md_stability"


@dataclass(frozen=True, kw_only=True)
class Pair:
    first: TaskVersion
    second: TaskVersion
    correlation: Correlation


@require_safe
def correlation_page(request: HttpRequest) -> HttpResponse:
    """``?x=slug&y=slug`` draws a pair; names that are no tasks of the benchmark draw the first."""
    version = board_version()
    if version is None:
        return render(request, "correlation.html", {"found": None})
    correlations = task_correlations(version)
    answers = _force_answers(correlations)
    drawn = _drawn(correlations, answers, request.GET.get("x", ""), request.GET.get("y", ""))
    return render(
        request,
        "correlation.html",
        {
            "benchmark": version,
            "found": correlations,
            "rows": _rows_html(correlations),
            "answers": answers,
            "drawn": drawn,
            "chart": _chart(correlations, drawn) if drawn else None,
            "few": FEW_POTENTIALS,
            "least": MIN_POTENTIALS,
        },
    )


def _rows_html(correlations: Correlations) -> SafeString:
    """The table, written here: thirty tasks have nine hundred pairs."""
    tasks = [
        (escape(v.task.name), escape(v.task.slug), v.number) for v in correlations.task_versions
    ]
    rows = []
    for (name, slug, number), row in zip(tasks, correlations.table, strict=True):
        cells = "".join(
            _cell(c, (name, slug), other[:2]) for c, other in zip(row, tasks, strict=True)
        )
        rows.append(
            f'<tr><th scope="row" class="pinned"><a href="/tasks/{slug}/{number}/">{name}</a></th>'
            f"{cells}</tr>\n"
        )
    return mark_safe("".join(rows))  # noqa: S308  (numbers, and escaped names)


def _cell(c: Correlation | None, own: tuple[str, str], other: tuple[str, str]) -> str:
    """Names and slugs are escaped."""
    if c is None:
        return '<td><span class="soft" aria-label="the same task">·</span></td>'
    if c.value is None:
        return (
            f'<td class=""><span class="soft" title="Too few potentials, or too equal scores">–'
            f'<span class="margin">n = {c.n}</span></span></td>'
        )
    value, low, high = signed(c.value, 2), signed(c.low, 2), signed(c.high, 2)
    shown = f'<span class="value">{value}</span>' if c.is_certain else f"<em>{value}</em>"
    return (
        f'<td class="{shade(c.value)}"><a href="?x={own[1]}&amp;y={other[1]}#pair" '
        f'aria-label="{own[0]} and {other[0]}: {value}, 95 % interval {low} to {high}, '
        f'{c.n} potentials. Draw.">{shown}<span class="margin">{low} to {high}</span>'
        f'<span class="margin">n = {c.n}</span></a></td>'
    )


def _pairs(correlations: Correlations) -> list[tuple[int, int, Pair]]:
    return [
        (
            i,
            j,
            Pair(
                first=correlations.task_versions[i],
                second=correlations.task_versions[j],
                correlation=c,
            ),
        )
        for i, row in enumerate(correlations.table)
        for j, c in enumerate(row)
        if c is not None
    ]


def _force_answers(correlations: Correlations) -> list[Pair]:
    """The question of the field: does a low force error foretell stable dynamics?"""
    return [
        pair
        for _, _, pair in _pairs(correlations)
        if (pair.first.protocol, pair.second.protocol) == (_FORCES, _DYNAMICS)
    ]


def _drawn(
    correlations: Correlations, answers: Sequence[Pair], x: str, y: str
) -> tuple[int, int, Pair] | None:
    """The pair that is asked for, else forces with dynamics, else the first that has a number."""
    pairs = [row for row in _pairs(correlations) if row[2].correlation.n > 0]
    asked = [p for p in pairs if (p[2].first.task.slug, p[2].second.task.slug) == (x, y)]
    classic = [p for p in pairs if p[2] in answers]
    measured = [p for p in pairs if p[2].correlation.value is not None]
    return next(iter([*asked, *classic, *measured]), None)


def _chart(correlations: Correlations, drawn: tuple[int, int, Pair]) -> Chart | None:
    i, j, pair = drawn
    points = [
        (e.title[:60], float(scores[i]), float(scores[j]), f"/potentials/{e.slug}/")
        for e, scores in zip(correlations.entrants, correlations.scores, strict=True)
        if math.isfinite(scores[i]) and math.isfinite(scores[j])
    ]
    c = pair.correlation
    caption = f"{c.n} potentials. "
    if c.value is None:
        caption += "Too few, or too equal, for a correlation."
    else:
        caption += f"Rank correlation {c.value:.2f}, 95 % interval {c.low:.2f} to {c.high:.2f}."
    return score_scatter(points, pair.first.task.name, pair.second.task.name, caption)
