"""What is computed once is computed once, and never given when it is out of date."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from leaderboard import models
from leaderboard.lib import memory
from leaderboard.lib.memory import Remembered
from leaderboard.services.boards import snapshots
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.snapshots import Snapshot, forget_old_snapshots
from leaderboard.services.boards.types import MetricScore, TaskRow

pytestmark = pytest.mark.django_db


class World:
    """Something that changes, and a process that looks at it."""

    def __init__(self) -> None:
        self.stamp, self.n_computed = "1", 0
        self.new_process()

    def new_process(self) -> None:
        self.memory = Remembered(2)

    def snapshot(self, key: str = "sum") -> Snapshot[list[int]]:
        return Snapshot(key=key, memory=self.memory, stamp=lambda: self.stamp, compute=self.compute)

    def compute(self, stamp: str) -> list[int]:
        self.n_computed += 1
        return [int(stamp)]


def test_another_process_reads_what_one_has_computed() -> None:
    world = World()
    assert world.snapshot().value() == world.snapshot().value() == [1]
    world.new_process()
    assert world.snapshot().value() == [1]
    assert world.n_computed == 1


def test_another_stamp_makes_it_void_in_this_process_and_in_a_new_one() -> None:
    world = World()
    world.snapshot().value()
    world.stamp = "2"
    assert world.snapshot().value() == [2]
    world.stamp = "3"
    world.new_process()
    assert world.snapshot().value() == [3]
    assert world.n_computed == 3
    assert models.Snapshot.objects.count() == 1


def test_what_changes_before_its_turn_to_compute_is_in_what_it_computes() -> None:
    world = World()
    stamps = iter(["1", "2"])  # the second is read once no other process computes
    snapshot = Snapshot(
        key="sum", memory=world.memory, stamp=lambda: next(stamps), compute=world.compute
    )
    assert snapshot.value() == [2]
    assert models.Snapshot.objects.get().stamp == "2"


def test_what_another_process_stored_meanwhile_is_taken_and_not_computed_again() -> None:
    world, other = World(), World()
    stamps = iter(["1", "2"])

    def stamp() -> str:
        now = next(stamps)
        if now == "2":
            other.stamp = now
            other.snapshot().store(now, [22])
        return now

    snapshot = Snapshot(key="sum", memory=world.memory, stamp=stamp, compute=world.compute)
    assert snapshot.value() == [22]
    assert world.n_computed == 0


def test_each_key_has_a_value_of_its_own_and_the_last_one_is_known_whatever_its_stamp() -> None:
    world = World()
    assert world.snapshot("a").last() is None
    world.snapshot("a").value()
    world.stamp = "5"
    assert world.snapshot("b").value() == [5]
    assert world.snapshot("a").last() == [1]


def test_a_value_that_is_empty_is_remembered_as_well() -> None:
    world = World()
    n_computed = 0

    def nothing(_: str) -> list[int]:
        nonlocal n_computed
        n_computed += 1
        return []

    for _ in range(2):
        snapshot = Snapshot(key="none", memory=world.memory, stamp=lambda: "1", compute=nothing)
        assert snapshot.value() == []
        world.new_process()
    assert n_computed == 1


def test_rows_of_another_release_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.snapshot().value()
    models.Snapshot.objects.update(content=b"in another form")
    monkeypatch.setattr("leaderboard.services.boards.snapshots._FORMAT", 0)
    world.new_process()
    assert world.snapshot().value() == [1]
    assert models.Snapshot.objects.count() == 2


def test_what_nobody_has_made_anew_for_a_month_is_forgotten() -> None:
    world = World()
    for key in ("a", "b"):
        world.snapshot(key).value()
    models.Snapshot.objects.filter(key__endswith="a").update(
        made_at=timezone.now() - timedelta(days=31)
    )
    assert forget_old_snapshots() == 1
    memory.forget()
    assert world.snapshot("a").value() == [1]


def test_what_is_packed_in_another_layout_has_another_format() -> None:
    """Else a page fails after an upgrade, until something of its board changes.

    Who adds a field to one of these counts _FORMAT up, and writes the new numbers down here.
    """
    layouts = {1: (6, 18, 22), 2: (8, 18, 22), 3: (8, 18, 22)}
    now = tuple(len(kind._fields) for kind in (MetricScore, TaskRow, Entrant))
    assert layouts[snapshots._FORMAT] == now
