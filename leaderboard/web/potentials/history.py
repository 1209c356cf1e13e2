"""The part of a potential's page that tells how its rank went over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AnonymousUser, User

from leaderboard.charts import MAX_SERIES, Chart
from leaderboard.charts.history import Stretch, rank_chart
from leaderboard.charts.remembered import remember
from leaderboard.enums import StandingChange
from leaderboard.models import BenchmarkVersion, Potential, StandingRecord
from leaderboard.services.boards.potential_history import (
    Written,
    history_of,
    published_until,
    why,
    written,
)

#: Rows that are read for the chart, and those that are listed.
_ROWS, _LISTED = 200, 12
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Line:
    row: StandingRecord
    why: str


@dataclass(frozen=True, kw_only=True)
class History:
    #: The newest first.
    lines: Sequence[Line]
    has_more: bool
    #: The newest version of the board.
    number: int
    chart: Chart | None
    written: Written

    @property
    def only(self) -> Line | None:
        """Where nothing has changed since the first moment."""
        return self.lines[0] if len(self.lines) == 1 else None


def history(
    potential: Potential, version: BenchmarkVersion | None, user: User | AnonymousUser
) -> History | None:
    """None where there is nothing to tell yet."""
    if version is None:
        return None
    rows = list(history_of(potential, version, user)[:_ROWS])
    if not rows:
        return None
    standings = written(version)
    boards = list(published_until(version))
    return History(
        lines=_lines(rows)[:_LISTED],
        has_more=len(rows) > _LISTED,
        number=version.number,
        chart=_chart(rows, boards, standings) if len(rows) > 1 else None,
        written=standings,
    )


def _lines(rows: Sequence[StandingRecord]) -> list[Line]:
    """The newest first, as the rows are. A version after the first one is a new version."""
    first = rows[-1].submission_id
    lines = []
    for row in rows:
        words = why(row)
        if row.change == StandingChange.ENTERED and row.submission_id != first:
            words = "entered as a new version"
        lines.append(Line(row, words))
    return lines


def _chart(
    rows: Sequence[StandingRecord], boards: Sequence[tuple[datetime, int]], standings: Written
) -> Chart | None:
    """None without a rank; of many versions those that stood last."""
    oldest, newest = rows[-1].since, rows[0].since
    until = _until(oldest, newest, standings.through or newest)
    # It takes Altair a while, and rows never change.
    key = ("ranks", tuple(row.pk for row in rows), tuple(boards), until)
    return remember(key, lambda: _drawn(rows, boards, until))


def _drawn(
    rows: Sequence[StandingRecord], boards: Sequence[tuple[datetime, int]], until: datetime
) -> Chart | None:
    versions = list(dict.fromkeys(row.submission.version for row in rows))[:MAX_SERIES]
    oldest, newest = rows[-1].since, rows[0].since
    lasting = _stretches(rows[::-1], [at for at, _ in boards], until)
    stretches = [s for name in reversed(versions) for s in lasting.get(name, ())]
    if not stretches:
        return None
    published = [(at, f"board version {number}") for at, number in boards if oldest < at <= newest]
    words = ["Steps are ranks, bands their 95 % intervals; the first rank is on top."]
    if len(rows) == _ROWS:
        words.append(f"The last {_ROWS} changes are drawn.")
    if published:
        words.append("A new version of the board has other tasks, so ranks begin anew with it.")
    last = {stretch.series: stretch for stretch in stretches}.values()
    places = (f"version {s.series} at rank {s.rank} of {s.n_ranked}" for s in last)
    words.append(f"Last stood {', '.join(places)}.")
    return rank_chart(stretches, published, " ".join(words))


def _stretches(
    rows: Sequence[StandingRecord], published: Sequence[datetime], until: datetime
) -> Mapping[str, list[Stretch]]:
    """Stretches by version.

    Each lasts until the next row of it, or until a new version of the board.
    """
    by_version: dict[str, list[StandingRecord]] = {}
    for row in rows:
        by_version.setdefault(row.submission.version, []).append(row)
    found: dict[str, list[Stretch]] = {}
    for name, own in by_version.items():
        ends = [*(row.since for row in own[1:]), until]
        found[name] = [
            _stretch(row, min((at for at in published if row.since < at <= end), default=end))
            for row, end in zip(own, ends, strict=True)
            if row.rank is not None
        ]
    return found


def _stretch(row: StandingRecord, end: datetime) -> Stretch:
    rank = row.rank or 0
    return Stretch(
        series=row.submission.version,
        start=row.since,
        end=end,
        rank=rank,
        low=row.rank_low or rank,
        high=row.rank_high or rank,
        n_ranked=row.n_ranked,
        overall=row.overall,
        why=why(row),
    )


def _until(oldest: datetime, newest: datetime, through: datetime) -> datetime:
    """Where the lines end: it moves once a week, so that a chart is not drawn for every reader."""
    monday = (through - _DAY * through.weekday()).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(monday, newest + min(_DAY, (newest - oldest) / 15 or _DAY))
