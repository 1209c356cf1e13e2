from __future__ import annotations

import os
import queue
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from billiard.exceptions import WorkerLostError

from leaderboard.celery import app
from leaderboard.slot_pool import SlotPool


@pytest.fixture
def pool() -> Iterator[SlotPool]:
    pool = SlotPool(2, app=app, initargs=(app, "worker@host"))
    pool.start()
    yield pool
    pool.stop()


def apply(pool: SlotPool, target: Any, *arguments: Any) -> queue.SimpleQueue[Any]:
    """Have it run; what comes of it is found in the queue that is returned."""
    ends: queue.SimpleQueue[Any] = queue.SimpleQueue()
    pool.apply_async(target, arguments, callback=ends.put, error_callback=ends.put)
    return ends


def pids(pool: SlotPool) -> list[int]:
    return list(pool.info["processes"])


def assert_replaced(pool: SlotPool, killed: list[int]) -> None:
    deadline = time.monotonic() + 5
    while set(killed) & set(pids(pool)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not set(killed) & set(pids(pool))


def test_jobs_run_in_the_children_and_as_many_at_once_as_there_are_slots(pool: SlotPool) -> None:
    running = [apply(pool, time.sleep, 0.3) for _ in range(2)]
    third = apply(pool, os.getpid)

    assert third.get(timeout=5) in pids(pool)
    assert [end.get(timeout=5) for end in running] == [None, None]


@pytest.mark.slow
def test_a_killed_idle_child_costs_no_job(pool: SlotPool) -> None:
    for _ in range(10):
        killed = pids(pool)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        ends = [apply(pool, os.getpid) for _ in range(4)]
        answers = [end.get(timeout=10) for end in ends]

        # A child may have died in the moment in which it was given its job, which is told.
        lost = [a for a in answers if not isinstance(a, int)]
        assert all(isinstance(a.exception.exc, WorkerLostError) for a in lost)
        assert not set(killed) & {a for a in answers if isinstance(a, int)}
        assert apply(pool, os.getpid).get(timeout=10) in pids(pool)
        # The other slot notices within its own time; the next round kills children that live.
        assert_replaced(pool, killed)


def test_a_killed_busy_child_is_told_as_lost_and_replaced(pool: SlotPool) -> None:
    end = apply(pool, time.sleep, 60)
    others = {apply(pool, os.getpid).get(timeout=5) for _ in range(3)}
    (busy,) = set(pids(pool)) - others

    os.kill(busy, signal.SIGKILL)

    assert isinstance(end.get(timeout=5).exception.exc, WorkerLostError)
    assert apply(pool, os.getpid).get(timeout=5) in pids(pool)


@pytest.mark.slow
def test_an_idle_child_that_died_is_replaced_though_no_work_comes(
    pool: SlotPool, caplog: pytest.LogCaptureFixture
) -> None:
    killed = pids(pool)[0]
    os.kill(killed, signal.SIGKILL)

    assert_replaced(pool, [killed])
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert f"A CHILD PROCESS WAS LOST: {killed} was killed (SIGKILL)" in record.getMessage()


@pytest.mark.slow
def test_a_stopped_pool_leaves_no_child() -> None:
    pool = SlotPool(3, app=app, initargs=(app, "worker@host"))
    pool.start()
    children = pids(pool)
    end = apply(pool, time.sleep, 0.2)

    pool.stop()

    assert end.get(timeout=1) is None
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_broken_answer_is_logged_and_the_slot_goes_on(
    pool: SlotPool, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(result: object) -> None:
        raise ZeroDivisionError

    for _ in range(4):
        pool.apply_async(os.getpid, (), callback=fail)

    assert apply(pool, os.getpid).get(timeout=5) in pids(pool)
    assert "could not take an answer" in caplog.text
