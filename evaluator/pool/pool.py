"""Gathers the force calls of many systems and serves them by a pool of calculator sessions.

Systems run as threads, each with an ordinary calculator that blocks in ``CalculatorPool.compute``.
Each slot of the pool is a thread that owns one session: it starts it, answers requests with it
and closes it. (A session is for one thread at a time; only ``abort`` may come from another.)
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Protocol, Self

import numpy as np

from evaluator.contract import Verdict
from evaluator.sandbox.session import CalculatorFailure
from evaluator.wire import Answer, Info, Structure

logger = logging.getLogger(__name__)


class PoolStopped(BaseException):
    """The pool answers no more: a slot failed, or the evaluation was stopped.

    Not an Exception, so that no ``except Exception`` of a protocol or of ASE keeps a system
    going whose calculator is gone.
    """


class Session(Protocol):
    """What a slot needs of a loaded calculator (see evaluator.sandbox.session)."""

    info: Info

    @property
    def stdout(self) -> str: ...

    @property
    def stderr(self) -> str: ...

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str], timeout_s: float
    ) -> list[Answer]: ...

    def abort(self, verdict: Verdict, message: str) -> None:
        """End a call at work, from another thread."""

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A way of serving the calls that was tried, and how fast it was."""

    n_processes: int
    n_threads: int
    max_batch: int
    structures_per_s: float


@dataclass(frozen=True, kw_only=True)
class PoolPlan:
    """How many calculator processes, how many threads each, how large a batch."""

    n_processes: int
    n_threads: int = 1
    #: At most this many structures, and about this many atoms, in one call.
    max_batch: int = 1
    max_batch_atoms: int = 4096
    #: Systems simulated side by side; more than can be served keeps every slot busy.
    n_systems: int = 2
    #: How the plan was found: "rule", "given", "timed", or by "calibration" (see there).
    origin: str = "rule"
    #: What the calibration measured.
    candidates: tuple[Candidate, ...] = ()

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, int) and value < 1:
                raise ValueError(f"{name}={value} must be at least 1")


def plan_pool(device: str, n_cores: int, *, max_processes: int | None = None) -> PoolPlan:
    """The plan where nothing was measured.

    On a CPU one structure at a time in one-thread processes was the fastest for small cells,
    and the numbers then do not depend on which calls happen to meet in a batch. Cores that get no
    process become threads. On a GPU the batch is what pays. ``max_processes`` bounds the pool (by
    memory, or by the number of systems).
    """
    if device.startswith("cuda"):
        return PoolPlan(
            n_processes=1,
            n_threads=min(4, n_cores),
            max_batch=64,
            max_batch_atoms=8192,
            n_systems=64,
        )
    n_processes = max(1, min(n_cores, max_processes or n_cores))
    n_threads = max(1, n_cores // n_processes)
    return PoolPlan(n_processes=n_processes, n_threads=n_threads, n_systems=2 * n_processes)


StartSession = Callable[[Callable[[Session], None]], Session]


@dataclass(eq=False)
class _Request:
    structure: Structure
    properties: tuple[str, ...]
    future: Future[Answer]
    #: The thread that asked.
    asker: int
    asked_s: float = field(default_factory=time.monotonic)


class CalculatorPool:
    """Slots that load side by side and then serve whoever asks.

    ``start_session`` hands the session to its argument before it loads. Use as a context
    manager: entering begins to load, leaving stops and joins all threads, whatever happened.
    """

    def __init__(
        self,
        start_session: StartSession,
        plan: PoolPlan,
        *,
        call_timeout_s: float,
    ) -> None:
        self.plan = plan
        self._start_session = start_session
        self._call_timeout_s = call_timeout_s
        self._changed = threading.Condition()
        self._waiting: deque[_Request] = deque()
        #: By the thread that asked.
        self._waited_s: defaultdict[int, float] = defaultdict(float)
        self._sessions: dict[int, Session] = {}
        #: Sessions that load or compute, by slot: those that a stop must abort.
        self._at_work: dict[int, Session] = {}
        self._failure: BaseException | None = None
        self._failed_slot: int | None = None
        self._is_stopped = False
        self._call_times_s: list[float] = []
        self._n_structures = 0
        self._threads: list[threading.Thread] = []
        #: Slots that may take requests, and those that are asked to close.
        self._serving: set[int] = set()
        self._retired: set[int] = set()

    def __enter__(self) -> Self:
        self._serving = set(self.add_slots(self.plan.n_processes, self._start_session))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            for thread in self._threads:
                thread.join()

    # ------------------------------------------------------------ for the thread that evaluates

    def add_slots(self, n: int, start_session: StartSession) -> range:
        """Begin to load more sessions, which serve nobody until ``serve_with`` names them."""
        slots = range(len(self._threads), len(self._threads) + n)
        for slot in slots:
            thread = threading.Thread(
                target=self._run_slot, args=(slot, start_session), name=f"calculator-{slot}"
            )
            self._threads.append(thread)
            thread.start()
        return slots

    def serve_with(self, slots: Collection[int], plan: PoolPlan) -> None:
        """From now on these slots alone serve, as this plan says."""
        with self._changed:
            self._serving, self.plan = set(slots), plan
            self._changed.notify_all()

    def retire_idle_slots(self) -> None:
        """Close all sessions that do not serve, and forget the calls answered so far."""
        with self._changed:
            self._retired = set(range(len(self._threads))) - self._serving
            self._call_times_s, self._n_structures = [], 0
            self._changed.notify_all()

    @property
    def n_slots(self) -> int:
        """Slots that have loaded or are about to."""
        return len(self._threads)

    @property
    def serving(self) -> tuple[int, ...]:
        return tuple(sorted(self._serving))

    def wait_until_loaded(self, timeout_s: float) -> int:
        """Wait a while; return how many slots have loaded. Raises what ended the pool."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_stopped or len(self._sessions) == len(self._threads), timeout_s
            )
            self.check()
            return len(self._sessions)

    def check(self) -> None:
        """Raise the failure that ended the pool, if one did."""
        if self._failure is not None:
            raise self._failure

    @property
    def infos(self) -> tuple[Info, ...]:
        """What each loaded calculator says of itself, in the order of the slots."""
        return tuple(session.info for _, session in sorted(self._sessions.items()))

    def output(self) -> tuple[str, str]:
        """Untrusted stdout and stderr: of the slot that failed, else of the first."""
        failure = self._failure
        if isinstance(failure, CalculatorFailure) and self._failed_slot not in self._sessions:
            return failure.stdout, failure.stderr  # it never loaded
        slot = (
            self._failed_slot if self._failed_slot is not None else min(self._sessions, default=0)
        )
        session = self._sessions.get(slot)
        return ("", "") if session is None else (session.stdout, session.stderr)

    def statistics(self) -> dict[str, Any]:
        """Number and time of the calls answered so far."""
        with self._changed:
            times_s = np.array(self._call_times_s)
            n_structures = self._n_structures
        if not len(times_s):
            return {"n_calls": 0, "n_structures": 0}
        return {
            "n_calls": len(times_s),
            "n_structures": n_structures,
            "call_time_total_s": round(float(times_s.sum()), 4),
            "call_time_median_s": round(float(np.median(times_s)), 6),
            "call_time_p95_s": round(float(np.quantile(times_s, 0.95)), 6),
            "call_time_max_s": round(float(times_s.max()), 6),
        }

    @property
    def n_answered(self) -> int:
        """Structures answered so far."""
        return self._n_structures

    def stop(self) -> None:
        """Answer nobody any more: wake all that wait, and end the calculators at work."""
        with self._changed:
            self._is_stopped = True
            waiting = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            at_work = list(self._at_work.items())
        for request in waiting:
            request.future.set_exception(PoolStopped())
        for slot, session in at_work:
            _abort(slot, session)

    # ------------------------------------------------------------------ for the systems' threads

    def compute(self, structure: Structure, properties: Sequence[str]) -> Answer:
        """Ask for one structure; blocks. Raises PoolStopped when nobody will answer."""
        return self.submit([structure], properties)[0].result()

    def waited_s(self) -> float:
        """How long calls of this thread have waited for others to be answered, in all."""
        with self._changed:
            return self._waited_s.get(threading.get_ident(), 0.0)

    def submit(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Future[Answer]]:
        """Ask for several at once without waiting. A future raises PoolStopped like ``compute``."""
        asker = threading.get_ident()
        requests = [_Request(s, tuple(properties), Future(), asker) for s in structures]
        with self._changed:
            if self._is_stopped:
                raise PoolStopped
            self._waiting.extend(requests)
            self._changed.notify_all()
        return [request.future for request in requests]

    # -------------------------------------------------------------------- for the slots' threads

    def _run_slot(self, slot: int, start_session: StartSession) -> None:
        batch: list[_Request] = []
        try:
            session = start_session(partial(self._set_at_work, slot))
            with self._changed:
                self._sessions[slot] = session
                self._changed.notify_all()
            try:
                while batch := self._take_batch(slot):
                    self._answer(session, batch)
            finally:
                session.close()
        except BaseException as failure:  # noqa: BLE001  (handed to the evaluation's thread)
            self._fail(slot, failure)
        finally:
            # Whatever happened: who asked must not wait for ever.
            for request in batch:
                if not request.future.done():
                    request.future.set_exception(PoolStopped())

    def _set_at_work(self, slot: int, session: Session) -> None:
        with self._changed:
            self._at_work[slot] = session
            is_stopped = self._is_stopped
        if is_stopped:
            _abort(slot, session)

    def _take_batch(self, slot: int) -> list[_Request]:
        """Wait for requests; take those that may share a call, oldest first. Empty: the end."""

        def has_news() -> bool:
            is_asked = slot in self._serving and bool(self._waiting)
            return self._is_stopped or slot in self._retired or is_asked

        with self._changed:
            self._at_work.pop(slot, None)
            self._changed.wait_for(has_news)
            if self._is_stopped or slot in self._retired:
                return []
            self._at_work[slot] = self._sessions[slot]
            batch = [self._waiting.popleft()]
            n_atoms = len(batch[0].structure.numbers)
            for request in list(self._waiting):
                n_atoms += len(request.structure.numbers)
                if len(batch) == self.plan.max_batch or n_atoms > self.plan.max_batch_atoms:
                    break
                if request.properties == batch[0].properties:
                    self._waiting.remove(request)
                    batch.append(request)
            now = time.monotonic()
            for request in batch:
                self._waited_s[request.asker] += now - request.asked_s
            return batch

    def _answer(self, session: Session, batch: Sequence[_Request]) -> None:
        started = time.perf_counter()
        answers = session.compute(
            [request.structure for request in batch], batch[0].properties, self._call_timeout_s
        )
        with self._changed:
            self._call_times_s.append(time.perf_counter() - started)
            self._n_structures += len(batch)
        for request, answer in zip(batch, answers, strict=True):
            request.future.set_result(answer)

    def _fail(self, slot: int, failure: BaseException) -> None:
        with self._changed:
            self._at_work.pop(slot, None)
            if not self._is_stopped:
                self._failure, self._failed_slot = failure, slot
            elif not isinstance(failure, CalculatorFailure):
                logger.error("Slot %d did not end well.", slot, exc_info=failure)
            # else it was killed at work because of the stop, and its failure says nothing.
        self.stop()


def _abort(slot: int, session: Session) -> None:
    """End a session at work. One that cannot be ended must not keep the others alive."""
    try:
        session.abort(Verdict.CANCELLED, "The evaluation was stopped.")
    except Exception:
        logger.exception("The calculator of slot %d could not be ended.", slot)


def run_side_by_side(
    jobs: Sequence[Callable[[], None]],
    pool: CalculatorPool,
    *,
    watch: Callable[[int], None],
    poll_s: float = 0.2,
) -> None:
    """Run jobs that ask the pool, a bounded number side by side, until all are done.

    ``watch`` is called several times a second, in this thread, with the number of jobs done; what
    it raises ends the run. So do a failure of the pool and an exception of a job (a bug), which
    are raised here. In every case no job is left running on return.
    """
    executor = ThreadPoolExecutor(pool.plan.n_systems, thread_name_prefix="system")
    try:
        pending = {executor.submit(job) for job in jobs}
        while pending:
            done, pending = wait(pending, poll_s, FIRST_COMPLETED)
            pool.check()
            for future in done:
                future.result()
            watch(len(jobs) - len(pending))
    except BaseException:
        pool.stop()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
