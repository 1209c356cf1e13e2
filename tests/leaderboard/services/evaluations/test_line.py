from __future__ import annotations

import time
import uuid

from leaderboard.services.evaluations import line
from leaderboard.services.evaluations.fair_share import Load

NOW = 1_800_000_000.0


def waiting(party: str, **fields: object) -> line.Waiting:
    defaults: dict[str, object] = {
        "pk": uuid.uuid4(),
        "parties": (party,),
        "priority": 0,
        "queued_at": NOW,
        "is_smoke": False,
        "duration_s": 600.0,
    }
    return line.Waiting(**{**defaults, **fields})  # type: ignore[arg-type]


def order(
    rows: list[line.Waiting], loads: dict[str, Load] | None = None, **fields: object
) -> list[int]:
    """Indices of rows in the order of their starts."""
    options: dict[str, object] = {"n_slots": 1, "now": NOW, "running": []}
    starts = line.starts(rows, loads=loads or {}, **{**options, **fields})  # type: ignore[arg-type]
    index = {row.pk: n for n, row in enumerate(rows)}
    return [index[start.pk] for start in starts]


def times(rows: list[line.Waiting], **fields: object) -> list[float | None]:
    options: dict[str, object] = {"n_slots": 1, "now": NOW, "running": [], "loads": {}}
    found = {s.pk: s.at for s in line.starts(rows, **{**options, **fields})}  # type: ignore[arg-type]
    return [None if (at := found[row.pk]) is None else at - NOW for row in rows]


def test_parties_take_turns_and_each_keeps_its_own_order() -> None:
    rows = [waiting("a", queued_at=NOW - 5 + n) for n in range(3)]
    rows += [waiting("b", queued_at=NOW - 1 + n / 10) for n in range(3)]
    assert order(rows) == [0, 3, 1, 4, 2, 5]


def test_who_had_less_of_the_workers_lately_comes_first() -> None:
    rows = [waiting("a", queued_at=NOW - 60), waiting("b")]
    assert order(rows, {"a": Load(3600.0)}) == [1, 0]


def test_the_heaviest_of_its_parties_counts() -> None:
    rows = [waiting("", parties=("team 1", "user 1"), queued_at=NOW - 60), waiting("user 2")]
    assert order(rows, {"user 1": Load(3600.0)}) == [1, 0]
    assert order(rows, {"team 1": Load(3600.0)}) == [1, 0]
    assert order(rows) == [0, 1]


def test_waiting_outweighs_any_load_in_the_end() -> None:
    heavy = {"a": Load(31_000.0)}
    assert order([waiting("a", queued_at=NOW - 3 * 86_400), waiting("b")], heavy) == [1, 0]
    assert order([waiting("a", queued_at=NOW - 4 * 86_400), waiting("b")], heavy) == [0, 1]


def test_a_low_priority_is_overtaken_only_for_a_time() -> None:
    backfill = waiting("staff", priority=-10, queued_at=NOW - 86_400)
    assert order([backfill, waiting("a")]) == [1, 0]
    backfill = waiting("staff", priority=-10, queued_at=NOW - 3 * 86_400)
    assert order([backfill, waiting("a")]) == [0, 1]


def test_smoke_tests_are_first_until_their_party_had_its_share_of_them() -> None:
    rows = [waiting("a"), waiting("b", is_smoke=True, priority=100)]
    assert order(rows, {"b": Load(5000.0)}) == [1, 0]
    assert order(rows, {"b": Load(5000.0, smoke_s=700.0)}) == [0, 1]


def test_one_smoke_test_of_a_party_at_a_time() -> None:
    smoke = [waiting("a", is_smoke=True, duration_s=120.0, queued_at=NOW + n) for n in range(3)]
    other = waiting("b", queued_at=NOW + 9)
    assert times([*smoke, other], n_slots=4) == [0.0, 120.0, 240.0, 0.0]
    running = [line.Running(parties=("a",), is_smoke=True, ends_at=NOW + 30)]
    assert times([*smoke, other], n_slots=4, running=running) == [30.0, 150.0, 270.0, 0.0]
    assert times([waiting("staff", is_smoke=True) for _ in range(3)], n_slots=4) == [0.0] * 3


def test_what_is_paused_begins_after_its_pause() -> None:
    rows = [waiting("a", not_before=NOW + 50), waiting("a", queued_at=NOW + 1, duration_s=10.0)]
    assert times(rows) == [50.0, 0.0]


def test_a_slot_that_is_busy_is_waited_for_and_nothing_is_told_after_the_unknown() -> None:
    running = [line.Running(parties=("a",), is_smoke=False, ends_at=NOW + 7200)]
    smoke = waiting("b", is_smoke=True)
    assert times([smoke], running=running) == [7200.0]
    assert times([smoke], running=running, n_slots=2) == [0.0]
    assert times([waiting("a", duration_s=None), waiting("b", queued_at=NOW + 1)]) == [0.0, None]
    unknown = [line.Running(parties=("a",), is_smoke=False, ends_at=None)]
    assert times([smoke], running=unknown) == [None]


def test_ten_thousand_are_played_through_in_a_moment() -> None:
    rows = [waiting(f"user {n % 500}", queued_at=NOW + n, priority=n % 3) for n in range(10_000)]
    begun = time.process_time()
    assert len(order(rows, n_slots=8)) == 10_000
    assert time.process_time() - begun < 3.0  # 0.2 s on an idle machine
