"""In which order what waits will begin, and when: the claims to come, played through.

Pure: rows in, order out. Slots take what ``fair_share.key`` says is next, each for as long as the
task usually takes; what ends lets go of its slot, and of the smoke tests of its party. What comes
in meanwhile, workers that come or go, and the ageing of loads are not foreseen.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from leaderboard.models.evaluation import STAFF_PARTY
from leaderboard.services.evaluations import fair_share
from leaderboard.services.evaluations.fair_share import Load

#: Of a task that was never run: for the order alone, no time is told after it.
UNKNOWN_DURATION_S = 600.0

_Group = tuple[tuple[str, ...], bool, int]


class Waiting(NamedTuple):
    """What the order depends on. Times are seconds since 1970. A plain tuple: there may be many."""

    pk: UUID
    parties: tuple[str, ...]
    priority: int
    queued_at: float
    is_smoke: bool
    #: None of a task that was never run.
    duration_s: float | None
    not_before: float = 0.0


class Running(NamedTuple):
    parties: tuple[str, ...]
    is_smoke: bool
    #: None where nothing is known.
    ends_at: float | None


class Start(NamedTuple):
    pk: UUID
    #: None where too little is known of what comes before it.
    at: float | None


def starts(
    waiting: Iterable[Waiting],
    running: Sequence[Running],
    loads: Mapping[str, Load],
    *,
    n_slots: int,
    now: float,
) -> Iterator[Start]:
    """Everything that waits, in the order in which it will begin."""
    play = _Play(dict(loads), now)
    for begun in running:
        play.run(begun)
    n_slots = max(1, n_slots)
    slots = sorted(at for at, _ in play.ends)[:n_slots]
    slots += [now] * (n_slots - len(slots))
    heapq.heapify(slots)
    for row in waiting:
        play.add(row)
    is_known = all(row.ends_at is not None for row in running)
    while play.n_left:
        at = max(heapq.heappop(slots), now)
        play.go_to(at)
        first = play.take()
        if first is None:
            heapq.heappush(slots, play.next_change(at))
            continue
        yield Start(pk=first.pk, at=at if is_known else None)
        is_known = is_known and first.duration_s is not None
        end = at + (UNKNOWN_DURATION_S if first.duration_s is None else first.duration_s)
        play.run(Running(parties=first.parties, is_smoke=first.is_smoke, ends_at=end))
        play.bear(first)
        heapq.heappush(slots, end)


@dataclass
class _Play:
    """Loads, what runs, and what may be taken by now."""

    borne: dict[str, Load]
    now: float
    n_left: int = 0
    #: (end, count), and what ends then.
    ends: list[tuple[float, int]] = field(default_factory=list)
    _ending: dict[int, Running] = field(default_factory=dict)
    _n_smoke: dict[str, int] = field(default_factory=dict)
    _rows: dict[_Group, deque[Waiting]] = field(default_factory=dict)
    _heap: list[tuple[tuple[bool, float, int, float], UUID, _Group]] = field(default_factory=list)
    #: Groups of smoke tests that wait for another of their party.
    _blocked: list[_Group] = field(default_factory=list)
    #: (not before, count, row) of what is tried again later.
    _paused: list[tuple[float, int, Waiting]] = field(default_factory=list)

    def add(self, row: Waiting) -> None:
        """Rows of a group come in the order of their times."""
        self.n_left += 1
        if row.not_before > self.now:
            heapq.heappush(self._paused, (row.not_before, self.n_left, row))
        else:
            self._offer(row)

    def run(self, row: Running) -> None:
        count = len(self._ending)
        end = self.now + UNKNOWN_DURATION_S if row.ends_at is None else max(self.now, row.ends_at)
        heapq.heappush(self.ends, (end, count))
        self._ending[count] = row
        self._count_smoke(row, 1)

    def bear(self, row: Waiting) -> None:
        """Add what has just been taken to the loads of its parties."""
        begun_s = fair_share.load_of_begun(is_smoke=row.is_smoke)
        for party in row.parties:
            load = self.borne.get(party, Load())
            smoke_s = load.smoke_s + (begun_s if row.is_smoke else 0.0)
            self.borne[party] = Load(load.all_s + begun_s, smoke_s)

    def go_to(self, at: float) -> None:
        """Let end whatever ends by then, and come back whatever was paused until then."""
        self.now = max(self.now, at)
        while self.ends and self.ends[0][0] <= at:
            _, count = heapq.heappop(self.ends)
            self._count_smoke(self._ending[count], -1)
        while self._paused and self._paused[0][0] <= at:
            self._offer(heapq.heappop(self._paused)[2])
        still: list[_Group] = []
        for group in self._blocked:
            if self._is_blocked(group):
                still.append(group)
            else:
                self._push(group)
        self._blocked = still

    def take(self) -> Waiting | None:
        """What is claimed now, if anything may be."""
        while self._heap:
            key, _, group = heapq.heappop(self._heap)
            if self._is_blocked(group):
                self._blocked.append(group)
            elif self._key(group) > key:  # its parties bear more since: keys only grow
                self._push(group)
            else:
                first = self._rows[group].popleft()
                self.n_left -= 1
                if self._rows[group]:
                    self._push(group)
                else:
                    del self._rows[group]
                return first
        return None

    def next_change(self, after: float) -> float:
        """When something that cannot be taken now may be: an end, or the end of a pause."""
        changes = [entry[0] for entry in self.ends[:1]] + [entry[0] for entry in self._paused[:1]]
        return min((at for at in changes if at > after), default=after + 1.0)

    def _offer(self, row: Waiting) -> None:
        group = (row.parties, row.is_smoke, row.priority)
        if group in self._rows:
            self._rows[group].append(row)
        else:
            self._rows[group] = deque([row])
            self._push(group)

    def _push(self, group: _Group) -> None:
        heapq.heappush(self._heap, (self._key(group), self._rows[group][0].pk, group))

    def _key(self, group: _Group) -> tuple[bool, float, int, float]:
        parties, is_smoke, priority = group
        each = [self.borne.get(party, Load()) for party in parties] or [Load()]
        heaviest = Load(max(load.all_s for load in each), max(load.smoke_s for load in each))
        queued_at = self._rows[group][0].queued_at
        return fair_share.key(
            load=heaviest, priority=priority, queued_at=queued_at, is_smoke=is_smoke
        )

    def _is_blocked(self, group: _Group) -> bool:
        parties, is_smoke, _ = group
        return is_smoke and any(self._n_smoke.get(party) for party in parties)

    def _count_smoke(self, row: Running, step: int) -> None:
        if row.is_smoke:
            for party in row.parties:
                if party != STAFF_PARTY:
                    self._n_smoke[party] = self._n_smoke.get(party, 0) + step
