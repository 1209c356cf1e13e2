"""The periodic table with the mean skill on each element, coloured from 0 to 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from evaluator.catalog.elements import SYMBOLS

#: Steps of colour, one hue from pale to dark: told apart by the colour-blind and in grey.
N_STEPS = 6
_SIDE = 40
#: Period, first group and number of elements of each run of neighbours.
_RUNS = (
    (1, 1, 1), (1, 18, 1), (2, 1, 2), (2, 13, 6), (3, 1, 2), (3, 13, 6), (4, 1, 18), (5, 1, 18),
    (6, 1, 2), (9, 4, 15), (6, 4, 15), (7, 1, 2), (10, 4, 15), (7, 4, 15),
)  # fmt: skip


class ElementCell(NamedTuple):
    symbol: str
    #: From 0 to 1.
    skill: float
    #: What it rests on, in words.
    words: str
    #: Rests on few clusters: has a dashed border.
    is_few: bool


@dataclass(frozen=True, kw_only=True)
class PeriodicTable:
    svg: SafeString
    #: (step, from, to) of each colour.
    legend: list[tuple[int, float, float]]
    n_elements: int
    #: Elements whose skill rests on few clusters.
    n_few: int


def places() -> dict[str, tuple[int, int]]:
    """Row and column of each element, from 1; the lanthanides and actinides below the others."""
    by_symbol: dict[str, tuple[int, int]] = {}
    symbols = iter(SYMBOLS)
    for row, column, n in _RUNS:
        for i in range(n):
            by_symbol[next(symbols)] = row, column + i
    return by_symbol


def periodic_table(cells: Iterable[ElementCell], *, label: str) -> PeriodicTable | None:
    """None without any element."""
    known = {cell.symbol: cell for cell in cells if cell.symbol in SYMBOLS}
    if not known:
        return None
    drawn = "".join(_cell(symbol, place, known.get(symbol)) for symbol, place in places().items())
    ordered = sorted(known.values(), key=lambda cell: cell.skill)
    worst, best = ordered[0], ordered[-1]
    words = (
        f"{label} of {len(known)} element{'s' if len(known) > 1 else ''}, from 0 to 1: the "
        f"smallest {worst.skill:.2f} for {worst.symbol}, the largest {best.skill:.2f} for "
        f"{best.symbol}"
    )
    svg = format_html(
        '<svg class="periodic" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        18 * _SIDE, 10 * _SIDE, words, mark_safe(drawn),  # noqa: S308  (see _cell)
    )  # fmt: skip
    return PeriodicTable(
        svg=svg,
        legend=_legend([_step(cell.skill) for cell in ordered]),
        n_elements=len(known),
        n_few=sum(cell.is_few for cell in ordered),
    )


def _cell(symbol: str, place: tuple[int, int], cell: ElementCell | None) -> str:
    """Numbers and chemical symbols; words are escaped."""
    row, column = place
    x, y = (column - 1) * _SIDE, (row - 1) * _SIDE - (_SIDE // 2 if row > 7 else 0)
    shown = f"{cell.skill:.2f}" if cell else ""
    label = f"{symbol}: {shown} {escape(cell.words)}" if cell else f"{symbol}: not tested"
    middle = x + _SIDE / 2
    kind = f"step-{_step(cell.skill)}{' few' if cell.is_few else ''}" if cell else "none"
    return (
        f'<g class="{kind}"><title>{label}</title><rect x="{x + 1}" y="{y + 1}" '
        f'width="{_SIDE - 2}" height="{_SIDE - 2}" rx="3"/>'
        f'<text x="{middle}" y="{y + 18}">{symbol}</text>'
        f'<text class="number" x="{middle}" y="{y + 32}">{shown}</text></g>'
    )


def _legend(steps: Sequence[int]) -> list[tuple[int, float, float]]:
    return [(step, step / N_STEPS, (step + 1) / N_STEPS) for step in sorted(set(steps))]


def _step(skill: float) -> int:
    return min(int(N_STEPS * skill), N_STEPS - 1)
