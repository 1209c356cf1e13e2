"""The periodic table with a number for each element: an error, coloured from small to large."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from evaluator.catalog.elements import SYMBOLS

#: Steps of colour, one hue from pale to dark: told apart by the colour-blind and in grey.
N_STEPS = 6
#: The steps reach over so large a factor at most; what is smaller has the palest colour.
_MAX_SPAN = 40.0
_SIDE = 40
#: Period, first group and number of elements of each run of neighbours.
_RUNS = (
    (1, 1, 1), (1, 18, 1), (2, 1, 2), (2, 13, 6), (3, 1, 2), (3, 13, 6), (4, 1, 18), (5, 1, 18),
    (6, 1, 2), (9, 4, 15), (6, 4, 15), (7, 1, 2), (10, 4, 15), (7, 4, 15),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PeriodicTable:
    svg: SafeString
    #: (step, from, to) of each colour that is used.
    legend: list[tuple[int, float, float]]
    #: (symbol, value), the largest first: the same as words.
    listed: list[tuple[str, float]]


def places() -> dict[str, tuple[int, int]]:
    """Row and column of each element, from 1; the lanthanides and actinides below the others."""
    by_symbol: dict[str, tuple[int, int]] = {}
    symbols = iter(SYMBOLS)
    for row, column, n in _RUNS:
        for i in range(n):
            by_symbol[next(symbols)] = row, column + i
    return by_symbol


def periodic_table(
    values: Mapping[str, float], *, label: str, unit: str, digits: int
) -> PeriodicTable | None:
    """None without any element. Values are positive, in ``unit``; smaller is better."""
    known = {s: v for s, v in values.items() if s in SYMBOLS and math.isfinite(v)}
    if not known:
        return None
    edges = _edges(list(known.values()))
    steps = {symbol: _step(value, edges) for symbol, value in known.items()}
    cells = "".join(
        _cell(symbol, place, known.get(symbol), steps.get(symbol), escape(unit), digits)
        for symbol, place in places().items()
    )
    listed = sorted(known.items(), key=lambda item: -item[1])
    worst, best = listed[0], listed[-1]
    words = (
        f"{label} of {len(known)} elements in {unit or 'no unit'}: the smallest "
        f"{best[1]:.{digits}f} for {best[0]}, the largest {worst[1]:.{digits}f} for {worst[0]}"
    )
    svg = format_html(
        '<svg class="periodic" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        18 * _SIDE, 10 * _SIDE, words, mark_safe(cells),  # noqa: S308  (see _cell)
    )  # fmt: skip
    used = sorted(set(steps.values()))
    legend = [(step, edges[step], edges[step + 1]) for step in used]
    return PeriodicTable(svg=svg, legend=legend, listed=listed)


def _cell(
    symbol: str,
    place: tuple[int, int],
    value: float | None,
    step: int | None,
    unit: str,
    digits: int,
) -> str:
    """Numbers and chemical symbols; ``unit`` is escaped."""
    row, column = place
    x, y = (column - 1) * _SIDE, (row - 1) * _SIDE - (_SIDE // 2 if row > 7 else 0)
    shown = "" if value is None else f"{value:.{digits}f}"
    label = f"{symbol}: {shown} {unit}" if shown else f"{symbol}: not measured"
    middle = x + _SIDE / 2
    kind = "none" if step is None else f"step-{step}"
    return (
        f'<g class="{kind}"><title>{label}</title><rect x="{x + 1}" y="{y + 1}" '
        f'width="{_SIDE - 2}" height="{_SIDE - 2}" rx="3"/>'
        f'<text x="{middle}" y="{y + 18}">{symbol}</text>'
        f'<text class="number" x="{middle}" y="{y + 32}">{shown}</text></g>'
    )


def _edges(values: Sequence[float]) -> list[float]:
    """Borders of the steps, even on a logarithmic scale. The first one reaches to the smallest."""
    low, high = min(values), max(values)
    if low == high or high <= 0:
        return [low] * (N_STEPS + 1)
    # One element that is nearly right must not take the colours from the others.
    start = max(low, high / _MAX_SPAN)
    factor = (high / start) ** (1 / N_STEPS)
    return [low, *(start * factor**i for i in range(1, N_STEPS)), high]


def _step(value: float, edges: Sequence[float]) -> int:
    return min(sum(value >= edge for edge in edges[1:]), N_STEPS - 1)
