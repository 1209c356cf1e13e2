"""Runs a timed protocol: fresh sandboxed processes, one at work at a time, timed by our own clock.

The submission, the null calculator and the reference potential get the same sandbox, threads,
device and limits. The protocol runs in a thread of its own; the thread of the evaluation watches,
several times a second, so that a measurement can be stopped at any moment.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from evaluator import catalog
from evaluator.contract import Verdict
from evaluator.driver.preparation import Prepared
from evaluator.driver.runtimes import Runtimes, runtime_of
from evaluator.driver.timed_answers import TimedAnswers
from evaluator.exceptions import InfrastructureError
from evaluator.host import device_state
from evaluator.pool.remote import Disguise, NotAnswered, structure_of
from evaluator.potentials import names
from evaluator.protocols.base import Outcome, System, SystemFailure
from evaluator.protocols.efficiency.timed import DoesNotRun, Role, TimedProtocol
from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.session import (
    CalculatorFailure,
    CalculatorRequest,
    CalculatorSession,
    StructureFailure,
)
from evaluator.wire import Prediction, Structure

#: What ends a size and is data; any other end of a calculator is the evaluation's verdict.
_TOO_MUCH = (Verdict.OUT_OF_MEMORY_HOST, Verdict.OUT_OF_MEMORY_GPU, Verdict.CALL_TIMEOUT)
_NULL = "dummy:zero"
_LOAD_TIMEOUT_S = 120.0
_POLL_S = 0.2
#: The longest that is waited after a measurement for the device to be idle again.
_SETTLE_S = 5.0


class Stopped(BaseException):
    """The evaluation was stopped; not an Exception, so that no protocol takes it for a failure."""


class SessionBench:
    """Fresh calculator sessions for a timed protocol; see ``protocols.timed.Bench``."""

    def __init__(
        self,
        prepared: Prepared,
        sandbox: Sandbox,
        runtimes: Runtimes | None,
        device: str,
        n_threads: int,
        folder: Path,
        answers: TimedAnswers,
    ) -> None:
        self._prepared, self._sandbox, self._runtimes = prepared, sandbox, runtimes
        self.answers = answers
        self._device, self._n_threads = device, n_threads
        self._requests = {
            Role.SUBMISSION: self._request(
                prepared.submission.calculator_kind,
                prepared.artifact,
                prepared.settings,
                prepared.dtype,
            )
        }
        self._add(Role.NULL, _NULL, folder)
        if reference := prepared.parameters["reference_potential"]:
            self._add(Role.REFERENCE, reference, folder)
        self.has_reference = Role.REFERENCE in self._requests
        self.n_done = 0
        #: By role, of each process: what it was called, and the seconds from its start to READY.
        self.load_times_s: dict[str, list[float]] = {}
        self.calculators: dict[str, dict[str, Any]] = {}
        self.memory_method = ""
        self._idle_gpu_MiB: float | None = None
        self._lock = threading.Lock()
        self._alive: list[CalculatorSession] = []
        self._is_stopped = False

    # ------------------------------------------------------------------------- for the protocol

    @contextmanager
    def calculator(self, role: Role) -> Iterator[SessionTimer]:
        """A fresh process. For all but the submission, its failing is our own fault."""
        self.check()
        # Of two that are alive the first is gone when the memory of the second is asked for.
        if self._device.startswith("cuda") and not self._alive:
            self._idle_gpu_MiB = device_state.gpu_memory_used_MiB(self._device)
        try:
            session = CalculatorSession.start(self._sandbox, self._requests[role], self._register)
        except CalculatorFailure as failure:
            raise self._fault(role, failure) from failure
        try:
            self.load_times_s.setdefault(role, []).append(round(session.load_time_s, 3))
            info = session.info
            self.calculators[role] = {
                "name": info.name,
                "dtype": info.dtype,
                "device": info.device,
                "versions": info.versions,
            }
            yield SessionTimer(self, session, role)
        finally:
            with self._lock:
                self._alive.remove(session)
            session.close()

    def tell(self, n_done: int, n_total: int) -> None:
        self.check()
        self.n_done = n_done

    # ----------------------------------------------------------------------- for the evaluation

    def stop(self) -> None:
        """End the processes, from another thread; the protocol ends with them."""
        with self._lock:
            self._is_stopped = True
            alive = list(self._alive)
        for session in alive:
            session.abort(Verdict.CANCELLED, "The evaluation was stopped.")

    def check(self) -> None:
        """Raise Stopped once ``stop`` was called."""
        if self._is_stopped:
            raise Stopped

    def describe(self) -> dict[str, Any]:
        """Who was timed and how, JSON-ready."""
        return {
            "calculators": self.calculators,
            "load_times_s": self.load_times_s,
            "memory_method": self.memory_method,
            "clock": "time.perf_counter of the driver, around the whole exchange with the sandbox",
        }

    # ------------------------------------------------------------------------------------ inside

    def _add(self, role: Role, name: str, folder: Path) -> None:
        try:
            resolved = names.resolve(name, folder)
        except names.UnknownPotential as error:
            raise InfrastructureError(f"The {role} potential {name} is missing: {error}") from error
        kind = catalog.CALCULATOR_KINDS[resolved.spec.calculator_kind]
        settings = dict(catalog.check_parameters(kind.settings, resolved.spec.settings))
        dtype = str(settings.get("dtype", "float64"))
        self._requests[role] = self._request(kind.name, resolved.artifact, settings, dtype)

    def _request(
        self, kind: str, artifact: Path, settings: dict[str, Any], dtype: str
    ) -> CalculatorRequest:
        limits = self._prepared.task.limits
        return CalculatorRequest(
            kind=kind,
            artifact=artifact,
            settings=settings,
            dtype=dtype,
            device=self._device,
            n_threads=self._n_threads,
            limits=limits,
            runtime=runtime_of(self._runtimes, kind),
            load_timeout_s=max(limits.call_timeout_s, _LOAD_TIMEOUT_S),
        )

    def _register(self, session: CalculatorSession) -> None:
        with self._lock:
            self._alive.append(session)
        self.check()

    def _fault(self, role: Role, failure: CalculatorFailure) -> BaseException:
        if self._is_stopped:
            return Stopped()
        if role is Role.SUBMISSION:
            return failure
        return InfrastructureError(f"The {role} potential failed: {failure.message}")


class SessionTimer:
    """One process under the clock; see ``protocols.timed.TimedCalculator``."""

    def __init__(self, bench: SessionBench, session: CalculatorSession, role: Role) -> None:
        self._bench, self._session, self._role = bench, session, role
        self._rng = np.random.default_rng(
            bench._prepared.seed("timed", role, len(bench.load_times_s[role]))
        )
        #: One of the calls since the last comparison, each with the same chance.
        self._n_calls, self._remembered = 0, list[tuple[Structure, Prediction]]()
        asks_stress = bench._prepared.parameters["asks_stress"]
        stress = ("stress",) if asks_stress and "stress" in session.info.properties else ()
        self._properties = ("energy", "forces", *stress)

    def time_call(self, structures: Sequence[Atoms]) -> float:
        self._bench.check()
        originals = [structure_of(atoms) for atoms in structures]
        elapsed_s, predictions = self._ask(originals)
        self._n_calls += 1
        if self._rng.random() < 1 / self._n_calls:
            self._remembered = list(zip(originals, predictions, strict=True))
        return elapsed_s

    def ask_again(self) -> None:
        if self._role is Role.SUBMISSION and self._remembered:
            originals = [structure for structure, _ in self._remembered]
            _, again = self._ask(originals)
            for (structure, timed_answer), answer in zip(self._remembered, again, strict=True):
                self._bench.answers.add(structure, timed_answer, answer)
        self._n_calls, self._remembered = 0, []

    def _ask(self, originals: Sequence[Structure]) -> tuple[float, list[Prediction]]:
        """Seconds of one call, and its answers turned back; each structure in a new disguise."""
        disguises = [Disguise.drawn(self._rng) for _ in originals]
        asked = [d.apply(structure) for d, structure in zip(disguises, originals, strict=True)]
        try:
            started = time.perf_counter()
            answers = self._session.compute(asked, self._properties)
            elapsed_s = time.perf_counter() - started
        except CalculatorFailure as failure:
            if self._role is Role.SUBMISSION and failure.verdict in _TOO_MUCH:
                raise DoesNotRun(failure.verdict.value, failure.message) from failure
            raise self._bench._fault(self._role, failure) from failure
        predictions = []
        for disguise, answer in zip(disguises, answers, strict=True):
            if isinstance(answer, StructureFailure):
                raise NotAnswered(answer)
            predictions.append(disguise.invert(answer))
        return elapsed_s, predictions

    def forget_memory_peak(self) -> None:
        self._session.forget_memory_peak()

    def memory_peak(self) -> float | None:
        if self._bench._device.startswith("cuda"):
            return self._gpu_memory()
        peak, self._bench.memory_method = self._session.memory_peak()
        return None if peak is None else round(peak / 2**20, 1)

    def _gpu_memory(self) -> float | None:
        """What libraries keep in their caches counts: it is what a user's device must have."""
        self._bench.memory_method = (
            "nvidia-smi, memory of the device taken after the calls less that before the process "
            "began; not set back between sizes"
        )
        used = device_state.gpu_memory_used_MiB(self._bench._device)
        before = self._bench._idle_gpu_MiB
        return None if used is None or before is None else used - before


def measure(
    prepared: Prepared,
    systems: Sequence[System],
    *,
    sandbox: Sandbox,
    runtimes: Runtimes | None,
    device: str,
    n_threads: int,
    answers: TimedAnswers,
    watch: Callable[[int], None],
) -> tuple[list[Outcome | SystemFailure], dict[str, Any]]:
    """Run the timed protocol; its results, and what is to be told of the conditions.

    ``answers`` takes the comparisons of timed answers with untimed ones.

    ``watch`` is called several times a second, in this thread, with the number of steps done; what
    it raises ends the measurement. Raises CalculatorFailure where the submission ended otherwise
    than by a size that was too much, or where no size of any system ran.
    """
    assert isinstance(prepared.protocol, TimedProtocol)  # noqa: S101  (the driver looked)
    protocol = prepared.protocol
    with tempfile.TemporaryDirectory(prefix="touchstone-timed-") as folder:
        bench = SessionBench(prepared, sandbox, runtimes, device, n_threads, Path(folder), answers)

        def work() -> tuple[list[Outcome | SystemFailure], dict[str, Any]]:
            wait_s = device_state.idle_wait_s(prepared.parameters["idle_wait_s"])
            state = device_state.describe(device)
            idleness = device_state.wait_until_idle(device, wait_s, bench.check)
            results = list(protocol.measure(systems, bench, prepared.parameters))
            # The processes that have just ended are being cleared away.
            later = device_state.wait_until_idle(device, min(wait_s, _SETTLE_S), bench.check)
            after = device_state.describe(device)
            outcomes = [result if isinstance(result, Outcome) else None for result in results]
            return results, {
                **idleness,
                "is_idle_after": later["is_idle"],
                "cpu_busy_percent_after": later["cpu_busy_percent"],
                "gpu_busy_percent_after": later["gpu_busy_percent"],
                "why_unreliable": why_busy(idleness, "before")
                or why_busy(later, "after")
                or protocol.why_unreliable(outcomes),
                "device_before": state,
                "device_after": after,
            }

        results, conditions = _run_watched(work, bench, watch)
    _refuse_what_never_ran(results)
    return results, {**conditions, "n_threads": n_threads, **bench.describe()}


def why_busy(idleness: Mapping[str, Any], when: str) -> str:
    """A sentence where somebody else was at work on the device; empty where it was idle."""
    if idleness["is_idle"]:
        return ""
    gpu = idleness["gpu_busy_percent"]
    beside = "" if gpu is None else f", GPU {gpu:.0f} %"
    return (
        f"Its device was busy with something else {when} the times were taken (processor "
        f"{idleness['cpu_busy_percent']:.0f} %{beside})."
    )


def n_steps(prepared: Prepared, n_systems: int) -> int:
    """Steps that ``measure`` tells its progress in: each system in each process."""
    return n_systems * int(prepared.parameters["n_processes"])


def _run_watched(
    work: Callable[[], tuple[list[Outcome | SystemFailure], dict[str, Any]]],
    bench: SessionBench,
    watch: Callable[[int], None],
) -> tuple[list[Outcome | SystemFailure], dict[str, Any]]:
    with ThreadPoolExecutor(1, thread_name_prefix="timed") as executor:
        future = executor.submit(work)
        try:
            while not wait_for([future], _POLL_S).done:
                watch(bench.n_done)
        except BaseException:
            bench.stop()
            raise
        return future.result()


def _refuse_what_never_ran(results: Sequence[Outcome | SystemFailure]) -> None:
    """Where even the smallest structure of every system was too much, that is the verdict."""
    if results and all(isinstance(result, DoesNotRun) for result in results):
        first = results[0]
        assert isinstance(first, DoesNotRun)  # noqa: S101
        raise CalculatorFailure(Verdict(first.reason), str(first))
