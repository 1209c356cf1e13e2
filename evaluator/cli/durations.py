"""How long something takes, in words."""

from __future__ import annotations


def format_duration(seconds: float) -> str:
    """Rounded as an estimate deserves: "40 s", "3 min", "2 h 10 min"."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60 // 10 * 10} min"
