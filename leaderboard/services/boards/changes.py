"""What changed on a board between two moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.lib.json_values import finite
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.matrix import SUCCEEDED, Ranking
from leaderboard.services.boards.store import StoredBoard
from leaderboard.services.boards.types import TaskRow


@dataclass(frozen=True, kw_only=True)
class Change:
    """A submission that came, went, or stands otherwise; None where it did not stand."""

    entrant: Entrant
    kind: str
    rank_before: int | None
    rank_after: int | None
    score_before: float | None
    score_after: float | None


def changes(before: Sequence[_Any], after: Sequence[_Any]) -> list[Change]:
    """Those that differ, in the order of the later board, then those that went."""
    old = {row.entrant.submission: row for row in before}
    new = {row.entrant.submission: row for row in after}
    rows = [*after, *(row for row in before if row.entrant.submission not in new)]
    changed = [
        _change(row.entrant, old.get(row.entrant.submission), new.get(row.entrant.submission))
        for row in rows
    ]
    return [change for change in changed if change is not None]


def changes_of_boards(
    before: tuple[StoredBoard, Ranking], after: tuple[StoredBoard, Ranking]
) -> list[Change]:
    """The same of boards as they are stored. Who has not succeeded anywhere does not stand yet."""
    return changes(_standing(*before), _standing(*after))


@dataclass(frozen=True)
class _Standing:
    entrant: Entrant
    rank: int | None
    overall: float | None


def _standing(board: StoredBoard, ranking: Ranking) -> list[_Standing]:
    return [
        _Standing(
            entrant=board.entrants[i],
            rank=int(ranking.rank[i]) or None,
            overall=finite(float(ranking.overall[i])),
        )
        for i in ranking.order.tolist()
        if (board.matrix.state[i] == SUCCEEDED).any()
    ]


def _change(entrant: Entrant, old: _Any | None, new: _Any | None) -> Change | None:
    ranks = (old.rank if old else None, new.rank if new else None)
    scores = (_score(old), _score(new))
    if old is not None and new is not None and len({*ranks}) == len({*scores}) == 1:
        return None
    kind = "entered" if old is None else "left" if new is None else "moved"
    return Change(
        entrant=entrant,
        kind=kind,
        rank_before=ranks[0],
        rank_after=ranks[1],
        score_before=scores[0],
        score_after=scores[1],
    )


def _score(row: _Any | None) -> float | None:
    if row is None:
        return None
    return row.score if isinstance(row, TaskRow) else row.overall


_Any = TaskRow | _Standing
