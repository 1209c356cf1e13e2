"""The pool with sessions in this process; the sandboxed ones are in driver/."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from evaluator.contract import Verdict
from evaluator.exceptions import InfrastructureError
from evaluator.pool.pool import (
    CalculatorPool,
    PoolPlan,
    PoolStopped,
    Session,
    plan_pool,
    run_side_by_side,
)
from evaluator.sandbox.session import CalculatorFailure
from evaluator.wire import Answer, Info, Prediction, Structure

Register = Callable[[Session], None]

INFO = Info(name="sum of atomic numbers", dtype="float64", device="cpu")

pytestmark = [pytest.mark.timeout(30), pytest.mark.usefixtures("no_thread_is_left")]


class CountingSession:
    """Answers the sum of the atomic numbers, and remembers what it was asked."""

    info = INFO
    stdout, stderr = "out", "err"

    def __init__(self, wait: Callable[[], object] = lambda: None) -> None:
        self.calls: list[tuple[int, tuple[str, ...]]] = []
        self.is_closed, self.is_aborted = threading.Event(), threading.Event()
        self._wait = wait

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str], timeout_s: float
    ) -> list[Answer]:
        self.calls.append((len(structures), tuple(properties)))
        self._wait()
        if self.is_aborted.is_set():
            raise CalculatorFailure(Verdict.RUNTIME_ERROR, "The calculator was killed.")
        return [
            Prediction(energy=float(s.numbers.sum()), forces=np.zeros((len(s.numbers), 3)))
            for s in structures
        ]

    def abort(self, verdict: Verdict, message: str) -> None:
        self.is_aborted.set()

    def close(self) -> None:
        self.is_closed.set()


def fails(verdict: Verdict = Verdict.RUNTIME_ERROR, message: str = "It broke.") -> None:
    raise CalculatorFailure(verdict, message)


def chain(*numbers: int) -> Structure:
    return Structure(
        numbers=np.array(numbers, dtype=np.int32),
        positions=np.arange(3.0 * len(numbers)).reshape(-1, 3),
        cell=np.zeros((3, 3)),
        pbc=np.zeros(3, dtype=bool),
    )


def pool_of(*sessions: CountingSession, **plan: int) -> CalculatorPool:
    remaining = iter(sessions)
    lock = threading.Lock()

    def start(register: Register) -> CountingSession:
        with lock:
            return next(remaining)

    return CalculatorPool(start, PoolPlan(n_processes=len(sessions), **plan), call_timeout_s=10)


def test_on_cpu_each_core_gets_a_process_of_one_thread_and_calls_are_not_gathered() -> None:
    plan = plan_pool("cpu", 4)
    assert (plan.n_processes, plan.n_threads, plan.max_batch) == (4, 1, 1)
    assert plan_pool("cpu", 64, max_processes=3).n_processes == 3
    assert plan_pool("cpu", 1).n_processes == 1


def test_on_a_gpu_one_process_gets_large_batches() -> None:
    plan = plan_pool("cuda", 16)
    assert plan.n_processes == 1
    assert plan.max_batch > 1
    assert plan.n_systems >= plan.max_batch


@pytest.mark.parametrize("name", ["n_processes", "n_threads", "max_batch", "n_systems"])
def test_a_plan_of_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=0 must be at least 1"):
        PoolPlan(**{"n_processes": 1, name: 0})


@pytest.mark.parametrize("max_batch", [1, 4])
def test_everyone_gets_his_own_answer(max_batch: int) -> None:
    sessions = CountingSession(), CountingSession()
    with pool_of(*sessions, max_batch=max_batch) as pool, ThreadPoolExecutor(16) as systems:
        asked = [chain(n, n + 1) for n in range(1, 200)]
        answers = list(systems.map(lambda s: pool.compute(s, ("energy",)), asked))
        statistics = pool.statistics()
    assert [a.energy for a in answers if isinstance(a, Prediction)] == [
        2.0 * n + 1 for n in range(1, 200)
    ]
    assert statistics["n_structures"] == 199
    assert statistics["n_calls"] == sum(len(session.calls) for session in sessions)
    assert all(session.is_closed.is_set() for session in sessions)


def test_waiting_calls_share_a_batch_within_its_bounds_and_only_with_the_same_properties() -> None:
    gate = threading.Event()
    session = CountingSession(wait=gate.wait)
    with (
        pool_of(session, max_batch=4, max_batch_atoms=10) as pool,
        ThreadPoolExecutor(20) as systems,
    ):
        first = systems.submit(pool.compute, chain(1), ("energy",))
        while not session.calls:
            time.sleep(0.001)
        rest = [systems.submit(pool.compute, chain(1, 1, 1), ("energy",)) for _ in range(6)]
        rest += [systems.submit(pool.compute, chain(1), ("stress",)) for _ in range(6)]
        while len(pool._waiting) < 12:
            time.sleep(0.001)
        gate.set()
        for future in (first, *rest):
            future.result()
    sizes = {properties: [] for properties in (("energy",), ("stress",))}
    for n, properties in session.calls:
        sizes[properties].append(n)
    assert sizes[("energy",)] == [1, 3, 3]  # three of three atoms fill the ten
    assert sizes[("stress",)] == [4, 2]


def test_slots_load_side_by_side() -> None:
    both = threading.Barrier(2, timeout=10)

    def start(register: Register) -> CountingSession:
        both.wait()  # raises unless another slot loads at the same time
        return CountingSession()

    with CalculatorPool(start, PoolPlan(n_processes=2), call_timeout_s=1) as pool:
        while pool.wait_until_loaded(1) < 2:
            pass
        assert pool.infos == (INFO, INFO)


def test_each_slot_keeps_to_one_thread_from_loading_to_closing() -> None:
    # A confined process dies with the thread that made it.
    threads: list[tuple[str, str]] = []

    class Noting(CountingSession):
        def __init__(self) -> None:
            super().__init__()
            self.born_in = threading.current_thread().name

        def compute(
            self, structures: Sequence[Structure], properties: Sequence[str], timeout_s: float
        ) -> list[Answer]:
            threads.append((self.born_in, threading.current_thread().name))
            assert threading.current_thread().is_alive()
            return super().compute(structures, properties, timeout_s)

    with (
        CalculatorPool(
            lambda register: Noting(), PoolPlan(n_processes=2), call_timeout_s=1
        ) as pool,
        ThreadPoolExecutor(4) as systems,
    ):
        list(systems.map(lambda n: pool.compute(chain(n), ("energy",)), range(1, 50)))
    assert threads
    assert all(born == served for born, served in threads)


def test_a_slot_that_does_not_load_ends_the_pool() -> None:
    def start(register: Register) -> CountingSession:
        fails(Verdict.LOAD_ERROR, "No such checkpoint.")
        raise AssertionError

    with CalculatorPool(start, PoolPlan(n_processes=2), call_timeout_s=1) as pool:
        with pytest.raises(CalculatorFailure, match="No such checkpoint"):
            while pool.wait_until_loaded(1) < 2:
                pass
        with pytest.raises(PoolStopped):
            pool.compute(chain(1), ("energy",))


def test_one_failing_slot_wakes_everybody_that_waits() -> None:
    broken = threading.Event()

    def break_after_the_gate() -> None:
        broken.wait(10)
        fails()

    session = CountingSession(wait=break_after_the_gate)
    with pool_of(session) as pool, ThreadPoolExecutor(8) as systems:
        asked = [systems.submit(pool.compute, chain(n), ("energy",)) for n in range(1, 9)]
        broken.set()
        for future in asked:
            assert isinstance(future.exception(timeout=10), PoolStopped)
        with pytest.raises(CalculatorFailure, match="It broke"):
            pool.check()
        assert pool.output() == ("out", "err")


def test_stopping_ends_a_call_in_flight_and_is_not_charged_to_the_calculator() -> None:
    session = CountingSession()
    session._wait = lambda: session.is_aborted.wait(20)
    with pool_of(session) as pool, ThreadPoolExecutor(1) as systems:
        asked = systems.submit(pool.compute, chain(1), ("energy",))
        while not session.calls:
            time.sleep(0.001)
        pool.stop()
        assert isinstance(asked.exception(timeout=10), PoolStopped)
        pool.check()  # raises nothing: the calculator was killed by us


def test_jobs_run_to_the_end_and_report_progress() -> None:
    done: list[int] = []
    seen: list[int] = []
    with pool_of(CountingSession(), CountingSession(), n_systems=3) as pool:

        def job(n: int) -> None:
            pool.compute(chain(n), ("energy",))
            done.append(n)

        jobs = [lambda n=n: job(n) for n in range(1, 30)]
        run_side_by_side(jobs, pool, watch=seen.append)
    assert sorted(done) == list(range(1, 30))
    assert seen == sorted(seen)
    assert seen[-1] == 29


def test_no_more_systems_run_side_by_side_than_planned() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def job() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    with pool_of(CountingSession(), n_systems=3) as pool:
        run_side_by_side([job] * 20, pool, watch=lambda n: None)
    assert most == 3


def test_a_failing_calculator_ends_all_jobs() -> None:
    with pool_of(CountingSession(wait=fails), n_systems=4) as pool:
        jobs = [lambda: (pool.compute(chain(1), ("energy",)), None)[1]] * 20
        with pytest.raises(CalculatorFailure, match="It broke"):
            run_side_by_side(jobs, pool, watch=lambda n: None)


def test_a_bug_in_a_job_is_raised_and_ends_the_others() -> None:
    def bug() -> None:
        raise ZeroDivisionError("ours")

    session = CountingSession()
    session._wait = lambda: session.is_aborted.wait(20)
    with pool_of(session, n_systems=4) as pool:
        asks = lambda: (pool.compute(chain(1), ("energy",)), None)[1]  # noqa: E731
        with pytest.raises(ZeroDivisionError, match="ours"):
            run_side_by_side([asks, asks, bug, *[asks] * 20], pool, watch=lambda n: None)


def test_what_the_watch_raises_ends_the_jobs() -> None:
    session = CountingSession()
    session._wait = lambda: session.is_aborted.wait(20)

    def watch(n_done: int) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pool_of(session, n_systems=4) as pool:
        asks = lambda: (pool.compute(chain(1), ("energy",)), None)[1]  # noqa: E731
        with pytest.raises(KeyboardInterrupt):
            run_side_by_side([asks] * 20, pool, watch=watch)
    assert time.monotonic() - started < 5


def test_stopping_ends_a_calculator_that_still_loads() -> None:
    session = CountingSession()

    def start(register: Register) -> CountingSession:
        register(session)
        assert session.is_aborted.wait(20)
        fails(Verdict.CANCELLED, "The calculator was killed.")
        raise AssertionError

    started = time.monotonic()
    with CalculatorPool(start, PoolPlan(n_processes=1), call_timeout_s=1) as pool:
        assert pool.wait_until_loaded(0.05) == 0
    assert time.monotonic() - started < 5
    pool.check()


class UnendingSession(CountingSession):
    """Cannot be aborted: its sandbox is not to be reached."""

    def abort(self, verdict: Verdict, message: str) -> None:
        super().abort(verdict, message)
        raise InfrastructureError("The worker does not answer any more.")


def test_a_session_that_cannot_be_aborted_keeps_nobody_waiting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    all_at_work = threading.Barrier(3)
    sessions: list[CountingSession] = []

    def n_aborted() -> int:
        return sum(session.is_aborted.is_set() for session in sessions)

    def work() -> None:
        if all_at_work.wait() == 0:
            fails()
        until = time.monotonic() + 5
        while n_aborted() < 2 and time.monotonic() < until:
            time.sleep(0.01)

    sessions += [UnendingSession(work) for _ in range(3)]
    with pool_of(*sessions, n_systems=3) as pool:
        futures = pool.submit([chain(1), chain(2), chain(3)], ("energy",))
        endings = [type(future.exception(10)) for future in futures]
        with pytest.raises(CalculatorFailure, match="It broke"):
            pool.check()
    assert endings == [PoolStopped] * 3
    assert n_aborted() == 2
    assert "could not be ended" in caplog.text
