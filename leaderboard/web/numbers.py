"""How numbers, counts and keys that carry units look on every page."""

from __future__ import annotations

import math
from datetime import timedelta

from django.utils.html import format_html
from django.utils.safestring import SafeString

from evaluator.catalog import METRICS, Direction, Metric

#: What stands where there is no number.
NOTHING = "–"
#: Longer lists are for the API.
_LIST_SHOWN = 8
#: How keys end, the longest first, and how their units are written.
_UNITS = {
    "meV_per_atom": "meV/atom",
    "eV_per_atom": "eV/atom",
    "eV_A": "eV/Å",
    "percent": "%",
    "meV": "meV",
    "GPa": "GPa",
    "MiB": "MiB",
    "THz": "THz",
    "A3": "Å³",
    "eV": "eV",
    "ms": "ms",
    "fs": "fs",
    "ps": "ps",
    "A": "Å",
    "K": "K",
    "s": "s",
}
_ACRONYMS = frozenset({"mae", "rmse", "rms", "dos"})
#: Steps of the heat colours in site.css: heat-0 to heat-10.
_HEAT_STEPS = 10


def number(value: object, digits: int = 3) -> str:
    """A number with so many decimals; very small and very large ones in powers of ten."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return "not finite"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if value and (abs(value) >= 1e6 or abs(value) < 0.5 * 10**-digits):
        return ("\u2212" if value < 0 else "") + f"{abs(value):.2e}"
    return f"{value:.{digits}f}".replace("-", "\u2212")


def short(value: object, digits: int = 4) -> str:
    """A recorded value in one line: long lists (a curve, say) are counted, not spelt out."""
    if not isinstance(value, list):
        return number(value, digits)
    if len(value) > _LIST_SHOWN or any(isinstance(item, list | dict) for item in value):
        return f"{len(value)} entries, in the API"
    return ", ".join(number(item, digits) for item in value) or NOTHING


def plain(value: float) -> str:
    """A number as somebody typed it: 0.5, 2, 120."""
    return f"{value:g}"


def percent(value: float | None) -> str:
    """A share as whole percent, never rounded up to 100 % or down to 0 %."""
    if value is None:
        return NOTHING
    rounded = round(100 * value)
    if rounded == 100 and value < 1:
        return "> 99 %"
    if rounded == 0 and value > 0:
        return "< 1 %"
    return f"{rounded} %"


def count(value: int | None) -> str:
    """A large count as its authors write it: 412 525 → 412.5 k."""
    if value is None:
        return NOTHING
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.4g} {unit}"
    return str(value)


def span(value: timedelta | None) -> str:
    """A length of time in the unit that fits: 3 s, 12 min, 4.5 h, 2.1 d."""
    if value is None:
        return "unknown"
    seconds = value.total_seconds()
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.1f}".removesuffix(".0") + " s"


def heat(score: float | None) -> str:
    """The class that colours a score from 0 to 1."""
    if score is None or not math.isfinite(score):
        return ""
    return f"heat-{round(_HEAT_STEPS * min(max(score, 0.0), 1.0))}"


def interval_bar(score: float | None, low: float | None, high: float | None) -> SafeString | str:
    """A score from 0 to 1 as a point with its 95 % interval, on a line from 0 to 1."""
    if score is None:
        return ""
    label = f"{score:.3f}"
    if low is None or high is None:
        low = high = score
    else:
        label += f", 95 % interval {low:.3f} to {high:.3f}"
    return format_html(
        '<svg class="bar" viewBox="0 0 104 8" role="img" aria-label="{}"><title>{}</title>'
        '<line x1="2" x2="102" y1="4" y2="4"/>'
        '<line x1="{}" x2="{}" y1="4" y2="4"/>'
        '<circle cx="{}" cy="4" r="2.6"/></svg>',
        label,
        label,
        *(f"{2 + 100 * min(max(x, 0.0), 1.0):.1f}" for x in (low, high, score)),
    )


def skill_bar(skill: float, low: float | None = None, high: float | None = None) -> SafeString:
    """A mean skill as a bar on a line from 0 to 1, with its 95 % interval where there is one."""
    label = f"{skill:.3f}"
    if low is None or high is None:
        low = high = skill
    else:
        label += f", 95 % interval {low:.3f} to {high:.3f}"
    return format_html(
        '<svg class="bar filled" viewBox="0 0 104 12" role="img" aria-label="{}"><title>{}</title>'
        '<rect class="whole" x="2" y="2" width="100" height="8"/>'
        '<rect x="2" y="2" width="{}" height="8"/><path d="M{} 6H{}"/></svg>',
        label,
        label,
        f"{100 * min(max(skill, 0.0), 1.0):.1f}",
        *(f"{2 + 100 * min(max(x, 0.0), 1.0):.1f}" for x in (low, high)),
    )


def metric(key: str) -> Metric:
    """The catalog's entry of a metric; a bare one for a key that it no longer knows."""
    unknown = Metric(key=key, label=key, unit="", direction=Direction.LOWER, description="")
    return METRICS.get(key, unknown)


def unit_name(name: str) -> str:
    """A key that carries its unit, in words: wall_time_s → wall time / s."""
    head, unit = str(name), ""
    for ending, written in _UNITS.items():
        if head.endswith(f"_{ending}"):
            head, unit = head.removesuffix(f"_{ending}"), f" / {written}"
            break
    words = [word.upper() if word in _ACRONYMS else word for word in head.split("_")]
    return " ".join(words) + unit
