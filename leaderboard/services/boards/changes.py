"""What changed on a board between two moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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


class _Standing(NamedTuple):
    entrant: Entrant
    rank: int | None
    score: float | None


def changes_of_task(before: Sequence[TaskRow], after: Sequence[TaskRow]) -> list[Change]:
    """Those that differ, in the order of the later board, then those that went."""
    return _changes(*([_Standing(r.entrant, r.rank, r.score) for r in b] for b in (before, after)))


def changes_of_boards(
    before: tuple[StoredBoard, Ranking], after: tuple[StoredBoard, Ranking]
) -> list[Change]:
    """Compare boards as they are stored. Who has not succeeded anywhere does not stand yet."""
    return _changes(_standings(*before), _standings(*after))


def _standings(board: StoredBoard, ranking: Ranking) -> list[_Standing]:
    standings = ranking.standings()
    return [
        _Standing(board.entrants[i], standings[i].rank, standings[i].overall)
        for i in ranking.order.tolist()
        if (board.matrix.state[i] == SUCCEEDED).any()
    ]


def _changes(before: Sequence[_Standing], after: Sequence[_Standing]) -> list[Change]:
    old = {row.entrant.submission: row for row in before}
    new = {row.entrant.submission: row for row in after}
    changes = []
    for key, row in {**new, **old}.items():
        was, is_now = old.get(key), new.get(key)
        if was and is_now and was[1:] == is_now[1:]:
            continue
        changes.append(
            Change(
                entrant=row.entrant,
                kind="moved" if was and is_now else "entered" if is_now else "left",
                rank_before=was and was.rank,
                rank_after=is_now and is_now.rank,
                score_before=was and was.score,
                score_after=is_now and is_now.score,
            )
        )
    return changes
