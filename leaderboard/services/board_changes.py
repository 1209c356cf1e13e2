"""What changed on a board between two moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.models import Submission
from leaderboard.services.board_types import BoardRow, TaskRow


@dataclass(frozen=True, kw_only=True)
class Change:
    """A submission that came, went, or stands otherwise; None where it did not stand."""

    submission: Submission
    kind: str
    rank_before: int | None
    rank_after: int | None
    score_before: float | None
    score_after: float | None


def changes(
    before: Sequence[TaskRow | BoardRow], after: Sequence[TaskRow | BoardRow]
) -> list[Change]:
    """Those that differ, in the order of the later board, then those that went."""
    old = {row.submission.pk: row for row in before}
    new = {row.submission.pk: row for row in after}
    rows = [*after, *(row for row in before if row.submission.pk not in new)]
    found = [
        _change(row.submission, old.get(row.submission.pk), new.get(row.submission.pk))
        for row in rows
    ]
    return [change for change in found if change is not None]


def _change(
    submission: Submission, old: TaskRow | BoardRow | None, new: TaskRow | BoardRow | None
) -> Change | None:
    ranks = (old.rank if old else None, new.rank if new else None)
    scores = (_score(old), _score(new))
    if old is not None and new is not None and len({*ranks}) == len({*scores}) == 1:
        return None
    kind = "entered" if old is None else "left" if new is None else "moved"
    return Change(
        submission=submission,
        kind=kind,
        rank_before=ranks[0],
        rank_after=ranks[1],
        score_before=scores[0],
        score_after=scores[1],
    )


def _score(row: TaskRow | BoardRow | None) -> float | None:
    if row is None:
        return None
    return row.overall if isinstance(row, BoardRow) else row.score
