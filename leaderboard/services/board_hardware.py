"""Times belong to hardware: what was timed on different machines is never ranked together.

On a task's board every hardware has a ranking of its own. An overall score into which a timed task
enters (by the reader's own weights; speed has none by itself) ranks the rows of the most frequent
hardware; the others are shown and say why they are not ranked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from leaderboard import ranking
from leaderboard.models import BenchmarkTask
from leaderboard.services.board_types import Cell

_Entries = Sequence[BenchmarkTask]
_Tasks = Sequence[ranking.Weighted]


def by_frequency(keys: Iterable[str]) -> list[str]:
    """Each key once, the most frequent first, equals by name."""
    counts = Counter(keys)
    return sorted(counts, key=lambda key: (-counts[key], key))


def most_frequent(rows: Iterable[Mapping[int, Cell]], entries: _Entries, tasks: _Tasks) -> str:
    """The hardware on which most rows were timed wholly; empty where nothing timed counts.

    ``rows`` are the cells of each submission by primary key of the task version.
    """
    found = [_hardware_of(cells, entries, tasks) for cells in rows]
    return next(iter(by_frequency(keys.pop() for keys in found if len(keys) == 1)), "")


def why_not_comparable(
    cells: Mapping[int, Cell], entries: _Entries, tasks: _Tasks, hardware: str
) -> str:
    """One sentence; empty for a row timed on this hardware, or whose times do not count."""
    others = sorted(_hardware_of(cells, entries, tasks) - {hardware})
    if not others:
        return ""
    return (
        f"Timed on {' and on '.join(others)}; times are only ranked with those of the same "
        f"hardware, here {hardware or 'of no single one'}."
    )


def _hardware_of(cells: Mapping[int, Cell], entries: _Entries, tasks: _Tasks) -> set[str]:
    """What the timed cells that count in the overall score were timed on."""
    shares = ranking.shares_of(tasks) if tasks else []
    counted = (
        cells.get(entry.task_version_id, Cell())
        for entry, share in zip(entries, shares, strict=True)
        if share
    )
    return {cell.hardware for cell in counted if cell.hardware}
