"""How the places on a board went over time: written once, read by pages and the API.

A board as it stood at any moment can be found again, at the cost of computing it. So it is computed
once at each moment at which the ranking may have changed (``ranking_moments``), and whoever stands
otherwise than before gets a row. Pages read rows and compute nothing.

What is younger than a minute waits: its transaction may still be open. Should one be committed
later still, or a submission be changed by hand, the moments no longer have the digest that was
noted, and the board's history is written anew from its beginning. One process at a time writes a
board's history, one moment in a transaction, so whatever stops it leaves it whole up to a moment.
"""

from __future__ import annotations

import logging
import uuid
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from leaderboard.enums import StandingChange, VersionState
from leaderboard.models import BenchmarkVersion, BoardHistory, StandingRecord
from leaderboard.services.boards.matrix import Standing
from leaderboard.services.boards.ranking_moments import Moments, moments_of
from leaderboard.services.boards.stamps import stamp_of_benchmark
from leaderboard.services.boards.store import StoredBoard, computed_board, with_rows

logger = logging.getLogger(__name__)

#: Between a moment that a row names and its commit there is less than this.
SETTLED_S = 60
_BATCH = 1000
#: Class of PostgreSQL's advisory locks under which a board's history is written.
_LOCK = 0x70B2


def record_all(at_most: int | None = None) -> int:
    """Bring the history of every published board up to date; returns how many moments were new.

    ``at_most`` limits them for each board: the next call goes on.
    """
    versions = BenchmarkVersion.objects.exclude(state=VersionState.DRAFT)
    return sum(record(version, at_most) for version in versions.order_by("pk"))


def record(version: BenchmarkVersion, at_most: int | None = None) -> int:
    """Bring the history of one board up to date; returns how many moments were new."""
    settled = timezone.now() - timedelta(seconds=SETTLED_S)
    # Each is read before what it is compared with: it is never newer.
    history = BoardHistory.objects.filter(pk=version.pk).first()
    stamp = stamp_of_benchmark(version.pk)
    if history and history.stamp == stamp and not history.n_waiting:
        BoardHistory.objects.filter(pk=version.pk, through__lt=settled, stamp=stamp).update(
            through=settled
        )
        return 0
    moments = moments_of(version)
    if history and history.digest != moments.digest(history.through):
        logger.warning("The past of %s has changed: its history is written anew.", version)
        forget(version)
        history = None
    return _write(version, moments, history, stamp, settled, at_most)


def forget(version: BenchmarkVersion) -> None:
    """Let the history of a board be written anew."""
    with transaction.atomic():
        _wait_for_others(version)
        StandingRecord.objects.filter(benchmark_version=version).delete()
        BoardHistory.objects.filter(pk=version.pk).delete()


def _wait_for_others(version: BenchmarkVersion) -> None:
    """Until no other process writes the same; holds until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, version.pk % 2**31])


def _write(
    version: BenchmarkVersion,
    moments: Moments,
    history: BoardHistory | None,
    stamp: str,
    settled: datetime,
    at_most: int | None,
) -> int:
    """Write moments down, the oldest first, until they are settled no more or another does it."""
    through = history.through if history else None
    known = [at for at in moments.times if through is None or at > through]
    due = [at for at in known if at <= settled]
    last = _last_standings(version) if due else {}
    boards = _Boards(version, moments, due[:at_most])
    n_done = 0
    for at in due[:at_most]:
        n_left = len(known) - n_done - 1
        end = settled if at == due[-1] else at
        mark = BoardHistory(
            benchmark_version=version,
            through=end,
            n_waiting=n_left,
            digest=moments.digest(end),
            stamp=stamp,
        )
        after = _write_moment(boards, at, last, mark, through)
        if after is None:
            return n_done
        last = {**dict.fromkeys(last), **after}
        through, n_done = end, n_done + 1
    if not due and history is not None:
        _look_on(history, moments, stamp, settled, n_waiting=len(known))
    return n_done


def _look_on(
    history: BoardHistory, moments: Moments, stamp: str, settled: datetime, n_waiting: int
) -> None:
    """Note that nothing happened since, unless another process has noted more meanwhile."""
    end = max(settled, history.through)
    BoardHistory.objects.filter(pk=history.pk, through=history.through).update(
        through=end, n_waiting=n_waiting, digest=moments.digest(end), stamp=stamp
    )


class _Boards:
    """Boards at one moment after the other.

    While nobody leaves, each has the rows of the last one, or fewer: it is ranked from them, and
    only where somebody has left is a board read from the database again.
    """

    def __init__(
        self, version: BenchmarkVersion, moments: Moments, times: Sequence[datetime]
    ) -> None:
        self.version, self.moments = version, moments
        #: Of each moment: the last one until somebody leaves.
        self._last: dict[datetime, datetime] = {}
        last, ends = None, moments.ends
        for at in reversed(times):
            last = self._last[at] = last or at
            if at in ends:
                last = None
        self._read: tuple[datetime, StoredBoard] | None = None

    def standings(self, at: datetime) -> dict[uuid.UUID, Standing]:
        last = self._last[at]
        if self._read is None or self._read[0] != last:
            self._read = last, computed_board(self.version, as_of=last)
        board = self._read[1]
        if at == last:
            return standings_of(board)
        there = self.moments.standing(at)
        rows = [i for i, e in enumerate(board.entrants) if uuid.UUID(e.submission) in there]
        return standings_of(with_rows(board, rows))


def _write_moment(
    boards: _Boards,
    at: datetime,
    last: Mapping[uuid.UUID, Standing | None],
    mark: BoardHistory,
    through: datetime | None,
) -> dict[uuid.UUID, Standing] | None:
    """All rows of a moment with the new mark, or none: None where another process was first."""
    version = boards.version
    with transaction.atomic():
        _wait_for_others(version)
        there = BoardHistory.objects.filter(pk=version.pk).values_list("through", flat=True).first()
        if there != through:
            return None
        after = boards.standings(at)
        rows = _rows(version, at, last, after, boards.moments.withdrawn(at))
        StandingRecord.objects.bulk_create(rows, batch_size=_BATCH)
        mark.save(force_insert=through is None, force_update=through is not None)
    return after


def standings_of(board: StoredBoard) -> dict[uuid.UUID, Standing]:
    """Tell where every row stands that has an overall score, ranked or not."""
    rows = zip(board.entrants, board.own.standings(), strict=True)
    return {uuid.UUID(e.submission): row for e, row in rows if row.overall is not None}


def _last_standings(version: BenchmarkVersion) -> dict[uuid.UUID, Standing | None]:
    """Read where each stood last, as it was written; None where the submission has left."""
    rows = (
        StandingRecord.objects.filter(benchmark_version=version)
        .order_by("submission_id", "-since")
        .distinct("submission_id")
    )
    return {
        row.submission_id: None
        if row.overall is None
        else Standing(row.rank, row.rank_low, row.rank_high, row.overall, row.low, row.high)
        for row in rows
    }


def _rows(
    version: BenchmarkVersion,
    at: datetime,
    last: Mapping[uuid.UUID, Standing | None],
    after: Mapping[uuid.UUID, Standing],
    withdrawn: Collection[uuid.UUID],
) -> list[StandingRecord]:
    """One for each submission that stands otherwise than before, those that left included."""
    before = {key: place for key, place in last.items() if place is not None}
    came = sorted(_scores_of_those_ranked(after, before))
    left = sorted(_scores_of_those_ranked(before, after))
    n_ranked = sum(place.rank is not None for place in after.values())
    rows = []
    for key in {**before, **after}:
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        row = StandingRecord(
            benchmark_version=version, submission_id=key, since=at, n_ranked=n_ranked
        )
        row.rank_before = old.rank if old else None
        if new is None:
            is_withdrawn = key in withdrawn
            row.change = StandingChange.WITHDRAWN if is_withdrawn else StandingChange.REPEATED
        else:
            for name, value in new._asdict().items():
                setattr(row, name, value)
            row.change = _how_it_came(
                old, is_known=key in last, is_first=at == version.published_at
            )
            if old is not None and new.overall is not None:
                row.n_came_above = _n_above(came, new.overall)
                row.n_left_above = _n_above(left, new.overall)
        rows.append(row)
    return rows


def _how_it_came(old: Standing | None, *, is_known: bool, is_first: bool) -> StandingChange:
    if old is not None:
        return StandingChange.MOVED
    if is_known:
        return StandingChange.RETURNED
    return StandingChange.PUBLISHED if is_first else StandingChange.ENTERED


def _scores_of_those_ranked(
    here: Mapping[uuid.UUID, Standing], there: Mapping[uuid.UUID, Standing]
) -> Iterator[float]:
    """And not ranked there."""
    for key, place in here.items():
        other = there.get(key)
        if place.rank is None or place.overall is None:
            continue
        if other is None or other.rank is None:
            yield place.overall


def _n_above(scores: Sequence[float], score: float) -> int:
    """How many of the sorted scores are better."""
    return len(scores) - bisect_right(scores, score)
