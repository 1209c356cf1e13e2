"""How estimates, differences and correlations look: no more digits than are known."""

from __future__ import annotations

import math

from django.utils.safestring import SafeString, mark_safe

from leaderboard.services.boards.paired import Difference
from leaderboard.web.numbers import NOTHING, number

_SHADES = 4
_ALIKE = (
    '<span title="Cannot be told apart">≈</span>'
    '<span class="visually-hidden"> cannot be told apart</span>'
)
_BETTER = (
    '<span class="good-text" aria-hidden="true">▲</span>'
    '<span class="visually-hidden"> better</span>'
)
_WORSE = (
    '<span class="bad-text" aria-hidden="true">▼</span><span class="visually-hidden"> worse</span>'
)


def rough(value: float | None) -> str:
    """An estimate with two significant digits: 0.012, 3.4, 120."""
    if value is None:
        return NOTHING
    if value == 0 or not math.isfinite(value):
        return number(float(value), 0)
    rounded = float(f"{value:.2g}")
    return number(rounded, max(0, 1 - math.floor(math.log10(abs(rounded)))))


def hours(value: float | None) -> str:
    """An estimated length of time in the unit that fits: 20 s, 5 min, 3.4 h, 12 d, 3.1 years."""
    if value is None:
        return NOTHING
    for unit, size in (("years", 8766.0), ("d", 24.0), ("h", 1.0), ("min", 1 / 60)):
        if value >= 2 * size:
            return f"{rough(value / size)} {unit}"
    return f"{rough(3600 * value)} s"


def signed(value: float | None, digits: int = 3) -> str:
    """A difference with its sign: +0.120, \u22120.034."""
    if value is None:
        return NOTHING
    form = f"+z.{digits}f" if abs(value) < 1e6 else "+.2e"
    return format(value, form).replace("-", "\u2212", 1)


def against_first(gap: Difference | None, gain: Difference | None, digits: int = 3) -> SafeString:
    """A difference with its interval and the mark of what is better, by the ``gain``.

    What is told for certain is written in powers of ten where it would round to nothing.
    """
    if gap is None or gain is None:
        return SafeString()
    write = _exact if gain.is_significant else signed
    words = ""
    if gap.low is not None and gap.high is not None:
        ends = f"{write(gap.low, digits)} to {write(gap.high, digits)}"
        mark = _ALIKE if not gain.is_significant else _BETTER if gain.value > 0 else _WORSE
        words = f' <span class="soft">{ends}</span> {mark}'
    value = write(gap.value, digits)
    return mark_safe(f'<span class="marks">{value}{words}</span>')  # noqa: S308  (numbers)


def _exact(value: float, digits: int) -> str:
    sign = "+" if value > 0 else "\u2212" if value < 0 else ""
    return f"{sign}{number(abs(value), digits)}"


def shade(value: float | None) -> str:
    """The class that colours a correlation from \u22121 to 1; none near zero."""
    if value is None or not math.isfinite(value):
        return ""
    step = min(_SHADES, int(abs(value) * (_SHADES + 1)))
    return f"{'alike' if value > 0 else 'opposed'}-{step}" if step else ""
