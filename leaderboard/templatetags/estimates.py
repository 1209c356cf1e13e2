"""How estimates, differences and correlations look: no more digits than are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from django import template

from leaderboard.templatetags.touchstone import NOTHING, number

register = template.Library()

_SHADES = 4


@register.filter
def rough(value: float | None) -> str:
    """An estimate with two significant digits: 0.012, 3.4, 120."""
    if value is None:
        return NOTHING
    if value == 0 or not math.isfinite(value):
        return number(float(value), 0)
    rounded = float(f"{value:.2g}")
    return number(rounded, max(0, 1 - math.floor(math.log10(abs(rounded)))))


@register.filter
def hours(value: float | None) -> str:
    """An estimated length of time in the unit that fits: 20 s, 5 min, 3.4 h, 12 d, 3.1 years."""
    if value is None:
        return NOTHING
    for unit, size in (("years", 8766.0), ("d", 24.0), ("h", 1.0), ("min", 1 / 60)):
        if value >= 2 * size:
            return f"{rough(value / size)} {unit}"
    return f"{rough(3600 * value)} s"


@register.filter
def at(rows: Sequence[Any], place: int) -> Any:  # noqa: ANN401  (whatever it holds)
    """An item of a list by its place, from 0."""
    return rows[place]


@register.filter
def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign: +0.120, \u22120.034."""
    if value is None:
        return NOTHING
    return f"{value:+z.{digits}f}".replace("-", "\u2212")


@register.filter
def shade(value: float | None) -> str:
    """The class that colours a correlation from \u22121 to 1; none near zero."""
    if value is None or not math.isfinite(value):
        return ""
    step = min(_SHADES, int(abs(value) * (_SHADES + 1)))
    return f"{'alike' if value > 0 else 'opposed'}-{step}" if step else ""
