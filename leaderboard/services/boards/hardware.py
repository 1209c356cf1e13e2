"""Times belong to hardware: what was timed on different machines is never ranked together.

On a task's board every hardware has a ranking of its own. An overall score into which a timed task
enters (by the reader's own weights; speed has none by itself) ranks the rows of the most frequent
hardware; the others are shown and say why they are not ranked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable


def by_frequency(keys: Iterable[str]) -> list[str]:
    """Each key once, the most frequent first, equals by name."""
    counts = Counter(keys)
    return sorted(counts, key=lambda key: (-counts[key], key))


def most_frequent(rows: Iterable[Collection[str]]) -> str:
    """The hardware on which most rows were timed wholly; empty where nothing timed counts.

    Each row is the hardware of its timed tasks that count in the overall score.
    """
    return next(iter(by_frequency(next(iter(keys)) for keys in rows if len(keys) == 1)), "")


def why_not_comparable(keys: Collection[str], hardware: str) -> str:
    """One sentence; empty for a row timed on this hardware, or whose times do not count."""
    others = sorted(set(keys) - {hardware})
    if not others:
        return ""
    return (
        f"Timed on {' and on '.join(others)}; times are only ranked with those of the same "
        f"hardware, here {hardware or 'of no single one'}."
    )
