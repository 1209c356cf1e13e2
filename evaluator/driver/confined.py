"""The driver in a process of its own, for workers: what computes on hostile numbers has no rights.

A worker holds the database's address, the secret key, and is often root, since only root can give
each sandbox a user. Nothing of that is needed to judge a potential. So the driver and its protocols
run in a sandbox of their own (``child.py``), started for each evaluation like a calculator's: a
user of the slot's own, no capabilities, no network, an empty environment, a bound on memory. This
module is the worker's side: it serves what the driver needs of the host, the sandboxes of the
calculators (``sandbox/broker.py``) and the device's lock, and takes what it finds.
"""

from __future__ import annotations

import json
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from evaluator.contract import (
    EvaluationReport,
    FileRecord,
    Progress,
    SubmissionSpec,
    TaskSpec,
    Verdict,
)
from evaluator.driver.finished import StoredSystem
from evaluator.driver.messages import Channel, MessageError
from evaluator.driver.output_files import MAX_EVALUATION_BYTES, StoreFile
from evaluator.driver.runtimes import Runtimes
from evaluator.exceptions import InfrastructureError
from evaluator.host import machine
from evaluator.host.device_lock import device_lock
from evaluator.sandbox.base import ConfinedProcess, ProcessRequest, Sandbox
from evaluator.sandbox.broker import Allowed, SandboxBroker
from evaluator.sandbox.output import OutputDrain

logger = logging.getLogger(__name__)

_POLL_S = 0.2
#: Of the driver's own process: arrays of a reference set, of trajectories, of a phonon solver.
DRIVER_MEMORY_MiB = 16_384
#: After it was asked to stop, for sandboxes to end and finished systems to be handed over.
_STOP_GRACE_S = 45.0
#: Beyond the task's wall time, for loading, checks and scores. The driver keeps that time itself; a
#: solver that never returns keeps the driver.
_OVERTIME_S = 300.0
#: From its order to its asking for the device: imports from a cold disk, and the reference set.
_BEGIN_S = 120.0
#: For each byte of the set: a host with other work read 0.6 MB of single atoms in a second.
_READ_S_PER_BYTE = 5e-6


#: By artifact: how its calls are served best, as drivers' processes have measured it and said in
#: words of their own, which only another driver that judges the same artifact will read.
_plans: dict[str, str] = {}
_MOST_PLANS = 64
_MAX_PLAN_CHARS = 64 << 10


class DriverLost(InfrastructureError):
    """The driver's process died without a report."""


def evaluate(
    task: TaskSpec,
    submission: SubmissionSpec,
    artifact: Path,
    reference: Path,
    *,
    sandbox: Sandbox,
    runtimes: Runtimes | None = None,
    device: str = "cpu",
    progress: Callable[[Progress], None] = lambda progress: None,
    should_stop: Callable[[], bool] = lambda: False,
    store_file: StoreFile = lambda record, content: None,
    finished: Mapping[str, StoredSystem] | None = None,
    keep_finished: Callable[[Sequence[StoredSystem]], None] = lambda systems: None,
) -> EvaluationReport:
    """Evaluate as ``driver.evaluation.evaluate`` does, in another process.

    All callables are called in this thread. Raises InfrastructureError, of which DriverLost says
    that the process died: by a fault of ours, of the host, or by what it computed on.
    """
    order = {
        "task": json.dumps(task.to_json()),
        "submission": json.dumps(submission.to_json()),
        "device": device,
        "sandbox_level": str(sandbox.level),
        "plans": _plans.get(submission.artifact_sha256, ""),
        "runtimes": None if runtimes is None else json.dumps(_described(runtimes)),
    }
    hooks = _Hooks(progress, should_stop, store_file, keep_finished)
    allowed = Allowed(
        artifact=artifact,
        memory_MiB=task.limits.memory_MiB,
        n_threads=machine.n_cores(),
        device=device,
        runtimes=None if runtimes is None else {r.digest: r for r in runtimes.values()},
    )
    with ExitStack() as held:
        ours, theirs = _pair(socket.SOCK_STREAM, held)
        broker_ours, broker_theirs = _pair(socket.SOCK_SEQPACKET, held)
        process = sandbox.start(
            ProcessRequest(
                artifact=artifact,
                reference=reference,
                memory_MiB=min(DRIVER_MEMORY_MiB, machine.total_memory_MiB()),
                n_threads=machine.n_cores(),
                device=device,
                program=("-m", "evaluator.driver.child"),
                inherited=(theirs.fileno(), broker_theirs.fileno()),
                is_trusted=True,
            )
        )
        child = _Child(
            process,
            Channel(ours),
            hooks,
            task.limits.wall_time_s,
            reference_bytes=reference.stat().st_size,
        )
        held.callback(child.end)
        theirs.close()
        broker_theirs.close()
        held.enter_context(
            SandboxBroker(broker_ours, sandbox, allowed, may_start=lambda: child.has_device)
        )
        order |= {"artifact": process.artifact, "reference": process.reference}
        child.tell(order, (finished or {}).values())
        report = child.attend()
        _remember(submission.artifact_sha256, child.plans)
        return report


def _described(runtimes: Runtimes) -> dict[str, Any]:
    """Runtimes by kind, as the driver's process is told of them."""
    return {kind: runtime.manifest() for kind, runtime in runtimes.items()}


def _remember(artifact_sha256: str, plans: str) -> None:
    if not plans or len(plans) > _MAX_PLAN_CHARS:
        return
    _plans.pop(artifact_sha256, None)
    _plans[artifact_sha256] = plans
    while len(_plans) > _MOST_PLANS:
        del _plans[next(iter(_plans))]  # the one that was longest not measured


def _pair(kind: int, held: ExitStack) -> tuple[socket.socket, socket.socket]:
    pair = socket.socketpair(socket.AF_UNIX, kind)
    for end in pair:
        held.callback(end.close)
    return pair


@dataclass(frozen=True)
class _Hooks:
    progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    store_file: StoreFile
    keep_finished: Callable[[Sequence[StoredSystem]], None]


class _Child:
    """The driver's process as the worker attends to it."""

    def __init__(
        self,
        process: ConfinedProcess,
        channel: Channel,
        hooks: _Hooks,
        wall_time_s: float,
        reference_bytes: int = 0,
    ) -> None:
        self._process, self._channel, self._hooks = process, channel, hooks
        self._wall_time_s = wall_time_s
        self._begin_s = _BEGIN_S + _READ_S_PER_BYTE * reference_bytes
        self._output = OutputDrain(process.stdout, process.stderr)
        self._messages: queue.Queue[tuple[str, dict[str, Any]] | None] = queue.Queue(maxsize=4)
        self._reader = threading.Thread(target=self._read, name="driver-messages", daemon=True)
        self._lock = _LockHolder(channel)
        self._n_bytes_stored = 0
        self.plans = ""
        self._is_ended = False
        self._told_to_stop_at: float | None = None
        self._told_at = time.monotonic()
        #: When the device was ours: the wall time begins.
        self._began_at: float | None = None

    @property
    def has_device(self) -> bool:
        return self._lock.is_held

    def tell(self, order: dict[str, Any], finished: Iterable[StoredSystem] = ()) -> None:
        """Say what is to be evaluated, after what has been finished of it, each by itself."""
        self._reader.start()
        self._told_at = time.monotonic()
        self._channel.give_up_after(self._begin_s)
        try:
            for system in finished:
                self._channel.send("kept", **asdict(system))
                self._look_whether_it_begins()
            self._channel.send("start", **order)
        except BlockingIOError as error:
            raise self._not_begun() from error
        except OSError as error:
            raise self._lost() from error

    def attend(self) -> EvaluationReport:
        """Serve its messages until the report."""
        while True:
            self._look_whether_it_begins()
            self._lock.check()
            self._look_at_clocks()
            if self._told_to_stop_at is not None and self._is_overdue(self._told_to_stop_at):
                return EvaluationReport(
                    verdict=Verdict.CANCELLED, message="The evaluation was cancelled."
                )
            if self._is_out_of_time():
                return EvaluationReport(
                    verdict=Verdict.WALL_TIMEOUT,
                    message="What is computed of the potential's answers did not end within the "
                    f"{self._wall_time_s:g} s that this task allows. Look for energies, forces or "
                    "a stress that are far too large or too small.",
                )
            try:
                message = self._messages.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if message is None:
                raise self._lost()
            report = self._take(*message)
            if report is not None:
                return report

    def end(self) -> None:
        """Leave nothing of it behind; may be called more than once."""
        if self._is_ended:
            return
        self._is_ended = True
        with ExitStack() as stack:  # each, whether or not those before could be done
            for step in (
                *(self._output.finish, self._process.release, self._channel.close),
                *(self._lock.release, self._let_reader_end, self._channel.hang_up),
                self._process.kill,
            ):
                stack.callback(step)
        for text in (self._output.stdout, self._output.stderr):
            if text.strip():
                level = logging.ERROR if "ERROR" in text else logging.INFO
                logger.log(level, "The driver's process wrote:\n%s", text.rstrip())

    def _let_reader_end(self) -> None:
        while self._reader.is_alive():  # it may wait for room in the queue
            with suppress(queue.Empty):
                self._messages.get(timeout=_POLL_S)

    def _look_whether_it_begins(self) -> None:
        """Raise InfrastructureError where it should long have asked for the device."""
        if not self._lock.is_asked_for and time.monotonic() - self._told_at > self._begin_s:
            raise self._not_begun()

    def _not_begun(self) -> InfrastructureError:
        return InfrastructureError(
            f"The process that computes on the answers did not begin within {self._begin_s:g} s. "
            "This host may be overloaded, or its disk slow."
        )

    def _look_at_clocks(self) -> None:
        if self._began_at is None and self._lock.is_held:
            self._began_at = time.monotonic()
        if self._told_to_stop_at is None and self._hooks.should_stop():
            self._told_to_stop_at = time.monotonic()
            try:
                self._channel.send("stop")
            except OSError:
                logger.warning("The driver's process is gone before it could be stopped.")

    @staticmethod
    def _is_overdue(since: float) -> bool:
        return time.monotonic() - since > _STOP_GRACE_S

    def _is_out_of_time(self) -> bool:
        if self._began_at is None:
            return False
        return time.monotonic() - self._began_at > self._wall_time_s + _OVERTIME_S

    def _take(self, name: str, content: dict[str, Any]) -> EvaluationReport | None:
        try:
            message = self._read_message(name, content)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DriverLost(f"The driver's process sent what is no {name} ({error!r}).") from error
        if isinstance(message, EvaluationReport):
            return message
        # Of the worker's own: what it raises is no fault of the driver.
        message()
        return None

    def _read_message(
        self, name: str, content: dict[str, Any]
    ) -> EvaluationReport | Callable[[], None]:
        """The report, or what the message asks of the worker."""
        if name == "report":
            self.plans = str(content.get("plans", ""))
            return EvaluationReport.from_json(json.loads(content["report"]))
        if name == "fault":
            raise InfrastructureError(str(content["message"])[:2000])
        if name == "lock":
            is_exclusive = bool(content["is_exclusive"])
            if self._lock.is_asked_for:
                raise ValueError("the lock was asked for twice")
            return partial(self._lock.acquire, is_exclusive=is_exclusive)
        if name == "progress":
            return partial(self._hooks.progress, Progress.from_json(content))
        if name == "finished":
            system = StoredSystem(str(content["system_id"]), bytes(content["content"]), "")
            return partial(self._hooks.keep_finished, [system])
        if name == "file":
            record, file = FileRecord.from_json(content["record"]), bytes(content["content"])
            self._n_bytes_stored += len(file)
            if self._n_bytes_stored > MAX_EVALUATION_BYTES:
                raise ValueError("more bytes of output files than one evaluation may have")
            return partial(self._hooks.store_file, record, file)
        raise ValueError("an unknown message")

    def _read(self) -> None:
        try:
            while (message := self._channel.receive()) is not None:
                self._messages.put(message)
        except MessageError:
            logger.exception("The driver's process broke off its conversation.")
        self._messages.put(None)

    def _lost(self) -> DriverLost:
        status = self._process.wait(5.0)
        self._process.kill()
        if self._process.ran_out_of_memory():
            why = "it ran out of memory"
        elif status is None:
            why = "it closed its connection"
        else:
            why = f"signal {-status}" if status < 0 else f"exit status {status}"
        return DriverLost(
            f"The process that computes on the answers ended without a report ({why})."
        )


class _LockHolder:
    """Waits for the device's lock beside the conversation, and holds it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._is_released = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: InfrastructureError | None = None
        self.is_held = False

    @property
    def is_asked_for(self) -> bool:
        return self._thread is not None

    def acquire(self, *, is_exclusive: bool) -> None:
        self._thread = threading.Thread(
            target=self._hold, args=(is_exclusive,), name="device-lock", daemon=True
        )
        self._thread.start()

    def release(self) -> None:
        self._is_released.set()
        if self._thread is not None:
            self._thread.join()

    def check(self) -> None:
        """Raise what has kept us from the lock."""
        if self._failure is not None:
            raise self._failure

    def _hold(self, is_exclusive: bool) -> None:
        try:
            with device_lock(is_exclusive=is_exclusive, while_waiting=self._go_on):
                self.is_held = True
                self._tell()
                self._is_released.wait()
        except _GivenUp:
            return
        except InfrastructureError as error:
            self._failure = error
        except OSError as error:
            self._failure = InfrastructureError(f"The device's lock cannot be had ({error}).")

    def _tell(self) -> None:
        try:
            self._channel.send("locked")
        except OSError:
            logger.warning("The driver's process is gone before it had the device.")

    def _go_on(self) -> None:
        if self._is_released.is_set():
            raise _GivenUp


class _GivenUp(Exception):
    """Nobody waits for the lock any more."""
