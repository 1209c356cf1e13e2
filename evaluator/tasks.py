"""The tie: the Celery jobs, and the only module that imports both halves.

A worker process has a main part, which registers the host, says that it lives and hears signals,
and pool children, which evaluate. All that may get lost here is time: the row in PostgreSQL with
its lease and fencing token decides who owns an evaluation, and the reaper finds what was dropped.
"""

from __future__ import annotations

import logging
import mmap
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Any

from celery import signals
from django.conf import settings
from django.db import DatabaseError, connection

from evaluator.catalog import CALCULATOR_KINDS
from evaluator.contract import EvaluationReport, Phase, Progress, Verdict
from evaluator.driver import confined as driver
from evaluator.driver.finished import StoredSystem
from evaluator.driver.offer import READY, RuntimeOffer
from evaluator.driver.runtimes import runtimes_for
from evaluator.exceptions import InfrastructureError
from evaluator.host import machine
from evaluator.runtimes.brought import BuildStopped
from evaluator.runtimes.build import BuildProgress
from evaluator.runtimes.locks import CPU
from evaluator.runtimes.own import OwnBuild, build_own, find_own, remove_unused
from evaluator.runtimes.own_locks import LockRefused, read_own_lock
from evaluator.runtimes.store import Runtime, RuntimeStore
from evaluator.sandbox.base import Sandbox, SandboxLevel, SandboxUnavailable
from evaluator.sandbox.find import SandboxPolicy, find_sandbox
from leaderboard.celery import app
from leaderboard.dispatch import EVALUATE, announce
from leaderboard.enums import RuntimeState
from leaderboard.exceptions import InfrastructureError as ServiceError
from leaderboard.exceptions import LostLeaseError
from leaderboard.lib import blobs, local_broker
from leaderboard.models import Evaluation, RuntimeLock, Worker
from leaderboard.services.definitions.tasks import held_reference
from leaderboard.services.evaluations import (
    checkpoints,
    lifecycle,
    output_files,
    runtime_builds,
    smoke,
)
from leaderboard.services.evaluations.deafness import messages_may_end_elsewhere, unheard
from leaderboard.services.evaluations.workers import (
    kinds_of,
    record_heartbeat,
    record_runtimes,
    register_worker,
)
from leaderboard.services.submissions.artifacts import held_artifact
from leaderboard.slot_pool import FORK_LOCK

logger = logging.getLogger(__name__)

#: One byte that the main process and its pool children share: 1 once the worker shall end.
#: Shared memory, since a lock or a pipe would suffer when a child is killed.
_shutdown = mmap.mmap(-1, 1)


@dataclass
class _Child:
    """What the signal handler of a pool child must know."""

    is_busy: bool = False
    is_told_to_end: bool = False


_child = _Child()

_PROGRESS_EVERY_S = 1.0
#: Of the finished systems of all attempts at one evaluation; what is over it is simulated again.
_MAX_KEPT_BYTES = 256 * 1024**2
#: How long a worker that starts anew waits for what it runs to be handed back.
_HAND_BACK_S = 20.0
#: Between the signals of one group, and until the worker's main process has heard its own.
_GROUP_SIGNAL_S = 3.0
#: Of what waits for a runtime, so many are told again when it is there; each asks for the next.
_MOST_ANNOUNCED = 16
#: A finished evaluation outlives a restart of the database of this length.
_STORE_PAUSES_S = (1.0, 4.0, 15.0, 40.0)


@dataclass(frozen=True)
class Host:
    """This machine as a worker. ``sandbox`` is None where nothing may be evaluated."""

    name: str
    sandbox: Sandbox | None

    @property
    def kinds(self) -> list[str] | None:
        """The calculator kinds that may run here; None for all."""
        if self.sandbox is None:
            return []
        if self.sandbox.level is not SandboxLevel.NONE:
            return None
        return [kind for kind in CALCULATOR_KINDS if self.sandbox.admits(kind)]

    def kinds_of(self, worker: Worker) -> Collection[str] | None:
        """The calculator kinds that may run here now, as this worker has told of its runtimes."""
        offered = kinds_of(worker)
        if self.kinds is None or offered is None:
            return offered if self.kinds is None else self.kinds
        return offered & set(self.kinds)

    def register(self, n_slots: int = 1, runtimes: Mapping[str, object] | None = None) -> Worker:
        return register_worker(
            self.name,
            device=settings.DEVICE,
            hardware=machine.hardware(settings.DEVICE),
            sandbox_level=self.sandbox.level if self.sandbox else SandboxLevel.NONE,
            versions=machine.trusted_versions(),
            n_slots=n_slots,
            runtimes=runtimes,
        )


@cache
def this_host(name: str) -> Host:
    """Look for a sandbox once for each process; the name is the same after a restart."""
    policy = SandboxPolicy(
        require_cgroup=settings.REQUIRE_CGROUP,
        allow_unsandboxed_built_in=settings.ALLOW_UNSANDBOXED_BUILT_IN,
    )
    try:
        sandbox = find_sandbox(policy)
    except SandboxUnavailable as error:
        logger.critical("This worker evaluates nothing. %s", error)
        return Host(name, None)
    logger.info("Sandbox level: %s.", sandbox.level)
    return Host(name, sandbox)


@app.task(name=EVALUATE, bind=True)  # type: ignore[untyped-decorator]
def evaluate(self: Any, evaluation_id: str) -> None:  # noqa: ANN401  (Celery's own class)
    """Evaluate what is most urgent. The message says that work came, not which is next.

    A message whose evaluation has been claimed or has ended thus finds other work or none.
    """
    if _is_ending():
        return  # the row still waits; whoever lives is told of it by the reaper
    host = this_host(self.request.hostname)
    if host.sandbox is None:
        logger.critical("Evaluation %s is left to others: no sandbox here.", evaluation_id)
        _hold_slot(lambda: False)
        return
    worker = Worker.objects.filter(name=host.name).first() or host.register()
    if not worker.is_enabled:
        logger.warning("Worker %s is disabled and leaves %s.", worker, evaluation_id)
        if not _hold_slot(lambda: _is_enabled(worker)):
            return
    with _sigterm_waits():
        claimed = lifecycle.claim_next(worker, host.kinds_of(worker))
        if claimed is None:
            logger.debug("Nothing is due; the message named %s.", evaluation_id)
            return
        _Attempt(claimed, host.sandbox).run()


def _hold_slot(may_claim: Callable[[], bool]) -> bool:
    """Take no further message for a while; returns whether it may claim by now.

    A broker gives the next message to whoever is free. One that may not claim would take message
    after message from those who may, and they, hearing nothing, would call themselves deaf.
    """
    until = time.monotonic() + settings.DEAF_AFTER_S
    while time.monotonic() < until and not _is_ending():
        if may_claim():
            return True
        time.sleep(min(1.0, settings.DEAF_AFTER_S))
    return False


def _is_enabled(worker: Worker) -> bool:
    worker.refresh_from_db(fields=["is_enabled"])
    return worker.is_enabled


def _is_ending() -> bool:
    return bool(_shutdown[0]) or _child.is_told_to_end


def _is_told_alone() -> bool:
    """Whether somebody ends this child and not its worker, which is waited for a moment to say so.

    A supervisor that signals the whole group reaches both at about the same time.
    """
    until = time.monotonic() + _GROUP_SIGNAL_S
    while _child.is_told_to_end and not _shutdown[0] and time.monotonic() < until:
        time.sleep(0.05)
    return _child.is_told_to_end and not _shutdown[0]


@contextmanager
def _sigterm_waits() -> Iterator[None]:
    _child.is_busy = True
    try:
        yield
    finally:
        _child.is_busy = False
        if _child.is_told_to_end:
            _obey_sigterm()


class _Attempt:
    """One attempt at one claimed evaluation, from here to its report or its return."""

    def __init__(self, evaluation: Evaluation, sandbox: Sandbox) -> None:
        self.evaluation, self.sandbox = evaluation, sandbox
        self.lease = Lease(evaluation)
        self._last_phase: Phase | None = None
        self._last_progress = float("-inf")
        self._n_bytes_kept = 0

    def run(self) -> None:
        logger.info("Evaluating %s (%s).", self.evaluation, self.evaluation.pk)
        self.lease.start()
        try:
            self._finish(self._evaluate())
        except LostLeaseError as error:
            logger.warning("Thrown away: %s", error)
        except driver.DriverLost as error:
            logger.exception("Evaluation %s has lost its driver.", self.evaluation.pk)
            self._release(str(error), Verdict.INFRASTRUCTURE_LOST)
        except (InfrastructureError, ServiceError) as error:
            logger.exception("Evaluation %s could not be run.", self.evaluation.pk)
            self._release(str(error))
        except Exception as error:
            # A bug of ours. It is logged whole, tried again, and in the end shown as ours.
            logger.exception("Evaluation %s met a bug.", self.evaluation.pk)
            self._release(f"Internal error ({type(error).__name__}); its details are in the log.")
        finally:
            self.lease.end()

    def _evaluate(self) -> EvaluationReport:
        task_version, submission = self.evaluation.task_version, self.evaluation.submission
        if task_version.reference_set is None:
            raise InfrastructureError(f"{task_version} has no reference set.")
        lock = submission.runtime_lock
        try:
            own = None if lock is None else self._own_runtime(lock)
        except LockRefused as refusal:
            return EvaluationReport(verdict=Verdict.INVALID_ARTIFACT, message=str(refusal))
        except BuildStopped:
            return EvaluationReport(
                verdict=Verdict.CANCELLED, message="The evaluation was cancelled."
            )
        with (
            held_artifact(submission.artifact) as artifact,
            held_reference(task_version.reference_set) as reference,
        ):
            task, potential = smoke.spec_of(task_version), submission.spec()
            store = RuntimeStore(settings.RUNTIMES_DIR)
            # What a submission brings is built for the processor, and no GPU is bound for it.
            device = settings.DEVICE if own is None else CPU
            return driver.evaluate(
                task,
                potential,
                artifact,
                reference,
                sandbox=self.sandbox,
                runtimes=runtimes_for(task, potential, device, store=store, own=own),
                device=device,
                progress=self._progress,
                should_stop=self._should_stop,
                store_file=output_files.write,
                finished=self._finished(),
                keep_finished=self._keep,
            )

    def _own_runtime(self, lock: RuntimeLock) -> Runtime:
        """The runtime of the lock that the submission brings, built now unless it is there.

        Raises LockRefused, BuildStopped, InfrastructureError.
        """
        if lock.state == RuntimeState.REFUSED:
            raise LockRefused(lock.message)
        store = RuntimeStore(settings.RUNTIMES_DIR)
        limits, log = runtime_builds.own_limits(), _BuildLog()
        locked = read_own_lock(lock.text, limits)
        if (there := find_own(locked, store)) is not None:
            if lock.state == RuntimeState.BUILT:
                runtime_builds.record_used(lock)
            else:  # by the word of another worker, or of another database
                runtime_builds.record_built(lock, there.manifest(), "It was built before.")
            return there
        runtime_builds.record_building(lock)

        def show(progress: BuildProgress) -> None:
            log.add(progress.step)
            done, total = progress.n_done, progress.n_total
            self._progress(Progress(phase=Phase.LOADING, n_done=done, n_total=total))

        how = OwnBuild(limits=limits, progress=show, should_stop=self._should_stop, log=log.add)
        try:
            runtime = build_own(locked, store, how)
        except LockRefused as refusal:
            runtime_builds.record_refused(lock, str(refusal), log.text)
            raise
        except BuildStopped:
            runtime_builds.record_stopped(lock)
            raise
        except InfrastructureError as error:
            runtime_builds.record_failed(lock, str(error), log.text)
            raise
        runtime_builds.record_built(lock, runtime.manifest(), log.text)
        remove_unused(store, most_bytes=settings.OWN_RUNTIMES_BYTES, keep=runtime.name)
        return runtime

    def _finished(self) -> dict[str, StoredSystem]:
        """What earlier attempts have left; nobody with rights looks inside."""
        finished = {
            system_id: StoredSystem(system_id, bytes(stored.content), stored.origin)
            for system_id, stored in checkpoints.kept_of(self.evaluation).items()
        }
        self._n_bytes_kept = sum(len(system.content) for system in finished.values())
        return finished

    def _keep(self, systems: Sequence[StoredSystem]) -> None:
        """Keep systems for the next attempt, should this one be lost.

        No reason to fail an evaluation.
        """
        contents: dict[str, bytes] = {}
        for system in systems:
            content = system.to_bytes()
            if self._n_bytes_kept + len(content) > _MAX_KEPT_BYTES:
                logger.warning("%s of %s is not kept: too large.", system.system_id, self._id)
                continue
            self._n_bytes_kept += len(content)
            contents[system.system_id] = content
        with self._harmlessly("finished systems"):
            checkpoints.keep(self._id, self._token, contents)

    def _should_stop(self) -> bool:
        return _is_ending() or self.lease.is_lost or self.lease.is_cancelled

    def _progress(self, progress: Progress) -> None:
        """Shown to whoever waits, at most once a second; no reason to fail an evaluation."""
        now = time.monotonic()
        is_new = progress.phase is not self._last_phase or progress.n_done == progress.n_total
        if not is_new and now - self._last_progress < _PROGRESS_EVERY_S:
            return
        self._last_phase, self._last_progress = progress.phase, now
        with self._harmlessly("progress"):
            lifecycle.record_progress(self._id, self._token, progress)

    @contextmanager
    def _harmlessly(self, what: str) -> Iterator[None]:
        """Store something that the evaluation can do without."""
        try:
            yield
        except LostLeaseError:
            self.lease.is_lost = True
        except DatabaseError:
            logger.warning("The %s of %s cannot be stored.", what, self._id, exc_info=True)
            connection.close()

    def _finish(self, report: EvaluationReport) -> None:
        if self.lease.is_lost:
            raise LostLeaseError(f"evaluation {self._id} went on elsewhere")
        if report.verdict is not Verdict.CANCELLED or self.lease.is_cancelled:
            _patiently(lambda: lifecycle.record_report(self._id, self._token, report))
            logger.info("Evaluation %s: %s. %s", self._id, report.verdict, report.message)
        elif _is_told_alone():
            # Whatever ends the one process that a submission fills, a guard of the host's memory
            # say, would end it again: handed back for nothing, that would go on for ever.
            logger.error("Evaluation %s is lost: this process alone is told to end.", self._id)
            reason = "The process that evaluated it was told to end, and its worker was not."
            self._release(reason, Verdict.INFRASTRUCTURE_LOST)
        else:
            reason = "Its worker was shut down; another one goes on."
            _patiently(lambda: lifecycle.hand_back(self._id, self._token, reason))
            logger.info("Evaluation %s is handed back.", self._id)

    def _release(self, reason: str, verdict: Verdict = Verdict.INFRASTRUCTURE_ERROR) -> None:
        # Where even this fails, the lease runs out and the reaper returns the evaluation.
        with suppress(LostLeaseError):
            _patiently(lambda: lifecycle.release_for_retry(self._id, self._token, reason, verdict))

    @property
    def _id(self) -> Any:  # noqa: ANN401  (a UUID, which django-stubs does not see here)
        return self.evaluation.pk

    @property
    def _token(self) -> int:
        return self.evaluation.fencing_token


class _BuildLog:
    """What is told of a build, line by line, each step once."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        if line.strip() and (not self._lines or self._lines[-1] != line):
            self._lines.append(line)

    @property
    def text(self) -> str:
        return "\n".join(self._lines)


class Lease(threading.Thread):
    """Renews an evaluation's lease beside the work, over a database connection of its own."""

    def __init__(self, evaluation: Evaluation) -> None:
        super().__init__(name=f"lease-{evaluation.pk}", daemon=True)
        self._id, self._token = evaluation.pk, evaluation.fencing_token
        self._ended = threading.Event()
        self.is_lost = False
        self.is_cancelled = False

    def run(self) -> None:
        try:
            while not self._ended.wait(settings.HEARTBEAT_S):
                self._renew()
        finally:
            connection.close()

    def end(self) -> None:
        self._ended.set()
        self.join()

    def _renew(self) -> None:
        try:
            self.is_cancelled = lifecycle.renew_lease(self._id, self._token)
        except LostLeaseError:
            self.is_lost = True
        except DatabaseError:
            # We go on: if the lease runs out meanwhile, the fencing token protects the row.
            logger.warning("The lease of %s is not renewed.", self._id, exc_info=True)
            connection.close()


def _patiently(store: Callable[[], object]) -> None:
    """Call ``store``, again after a pause while the database is away."""
    for pause_s in _STORE_PAUSES_S:
        try:
            store()
        except DatabaseError:
            logger.exception("The database did not answer; next trial in %g s.", pause_s)
            connection.close()
            time.sleep(pause_s)
        else:
            return
    store()


def _say_that_we_live(name: str) -> None:
    """Body of a thread of the main process: the worker is seen while it idles, too."""
    try:
        while True:
            try:
                with FORK_LOCK:  # a child is not forked while the database's library is at work
                    is_able = this_host(name).sandbox is not None and not _shutdown[0]
                    record_heartbeat(name, is_able=is_able)
                    is_deaf = _is_deaf(name)
            except DatabaseError:
                logger.warning("The heartbeat is not stored.", exc_info=True)
                connection.close()
            else:
                if is_deaf and not _is_ending():
                    _start_anew_or_end(name)
            time.sleep(settings.HEARTBEAT_S)
    finally:
        connection.close()


#: When the broker took a message of ours about work that we had not heard of; None otherwise.
_told_ourselves_at: list[float | None] = [None]


def _is_deaf(name: str) -> bool:
    """Whether work is due and we have not heard of it, though it was told to us again.

    The first message may have been lost on its way, so that another is sent before we doubt
    ourselves; and while the broker takes none, it is the broker that is away. Where our messages
    may end at others, the pages alone call us deaf, and messages are sent on.
    """
    worker = Worker.objects.get(name=name)
    after = timedelta(seconds=settings.DEAF_AFTER_S)
    waiting = unheard(worker, after / 3)
    if waiting is None:
        _told_ourselves_at[0] = None
        return False
    told_at = _told_ourselves_at[0]
    if (
        told_at is not None
        and unheard(worker, after) is not None
        and not messages_may_end_elsewhere(worker)
    ):
        return time.monotonic() - told_at >= min(settings.HEARTBEAT_S, settings.DEAF_AFTER_S / 3)
    if announce([waiting]) and told_at is None:
        _told_ourselves_at[0] = time.monotonic()
    return False


def _start_anew_or_end(name: str) -> None:
    """A process that has begun to end and cannot would eat the messages of the others."""
    try:
        _start_anew(name)
    except Exception:
        logger.exception("The worker cannot start anew. It ends; its supervisor starts it again.")
        os._exit(1)


def _start_anew(name: str) -> None:
    """Become a new process of the same command, whatever it is in this one that is stuck.

    What still runs is handed back first; the process keeps its number, so that no supervisor
    takes it for dead.
    """
    logger.critical(
        "Work has been due for %d s, a slot is free, and no message comes: this worker is deaf. "
        "It starts anew.",
        settings.DEAF_AFTER_S,
    )
    _shutdown[0] = 1
    deadline = time.monotonic() + _HAND_BACK_S
    while time.monotonic() < deadline and _n_running(name):
        time.sleep(0.2)
    for pid in _own_children():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606


def _own_children() -> list[int]:
    """Of all threads; none outlives what it was forked by, and this is for certain."""
    pids: list[int] = []
    for file in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # a thread may end between the two looks
            pids += map(int, file.read_text().split())
    return pids


def _n_running(name: str) -> int:
    try:
        return lifecycle.running_on(name).count()
    except DatabaseError:
        connection.close()
        return 0


@signals.worker_init.connect  # type: ignore[untyped-decorator]
def _register(sender: Any, **_: object) -> None:  # noqa: ANN401  (Celery's worker)
    # Before the pool forks, so that its children inherit the tried sandbox.
    host = this_host(sender.hostname)
    if blobs.close_to_others():
        logger.warning("The folder of blobs could be read by every user of this host; now closed.")
    try:
        offer = _offer_of(host)
        host.register(sender.concurrency or 1, {} if offer is None else offer.states)
    except InfrastructureError as error:
        sys.exit(f"This worker cannot start: {error}")
    finally:
        connection.close()  # a connection must not be shared with the children


@signals.worker_ready.connect  # type: ignore[untyped-decorator]
def _start_heartbeat(sender: Any, **_: object) -> None:  # noqa: ANN401
    # After the pool has forked: a child must not inherit this thread's locks.
    name = sender.hostname
    threading.Thread(target=_say_that_we_live, args=(name,), name="heartbeat", daemon=True).start()
    threading.Thread(target=_offer_runtimes, args=(name,), name="runtimes", daemon=True).start()


def _offer_of(host: Host) -> RuntimeOffer | None:
    """The runtimes that this worker may serve. Raises UnknownRuntime for a wrong setting."""
    if host.sandbox is None:
        return None
    return RuntimeOffer(
        sandbox=host.sandbox,
        device=settings.DEVICE,
        names=settings.RUNTIMES,
        tell=partial(_tell_runtimes, host.name),
        store=RuntimeStore(settings.RUNTIMES_DIR),
    )


def _tell_runtimes(name: str, states: Mapping[str, object]) -> None:
    """Store what this worker offers; where the database is away, again after a pause."""

    def tell() -> None:
        with FORK_LOCK:
            record_runtimes(name, states)

    _patiently(tell)


def _offer_runtimes(name: str) -> None:
    """Body of a thread of the main process: builds, verifies and offers runtimes.

    What waits for one is announced when it is there: its message may have come long before.
    """
    offer = _offer_of(this_host(name))
    while offer is not None and not _is_ending():
        try:
            with FORK_LOCK:
                wanted = lifecycle.due_kinds()
            changed = offer.work(wanted)
            if changed is not None and offer.states[changed]["state"] == READY:
                with FORK_LOCK:
                    announce(lifecycle.first_due(offer.states[changed]["kinds"], _MOST_ANNOUNCED))
        except DatabaseError:
            logger.warning("Which runtimes are wanted cannot be asked.", exc_info=True)
            connection.close()
            changed = None
        if changed is None:
            time.sleep(settings.HEARTBEAT_S)


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _ask_children_to_end(**_: object) -> None:
    _shutdown[0] = 1


@signals.worker_shutdown.connect  # type: ignore[untyped-decorator]
def _say_that_we_end(sender: Any, **_: object) -> None:  # noqa: ANN401
    """Else a worker that was stopped would be taken for one that does not hear what is due."""
    try:
        record_heartbeat(sender.hostname, is_able=False)
    except DatabaseError:
        logger.warning("That this worker ends is not stored.", exc_info=True)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _mind_signals(**_: object) -> None:
    """Let a pool child give its evaluation back before it obeys SIGTERM.

    A supervisor may signal the whole group. SIGKILL of the main process needs nothing here:
    Celery has asked the kernel to kill this child with it (PR_SET_PDEATHSIG), and the sandbox
    dies with the child.
    """
    signal.signal(signal.SIGTERM, _on_sigterm)
    local_broker.forget_connections()


def _on_sigterm(signum: int, frame: FrameType | None) -> None:
    _child.is_told_to_end = True
    if not _child.is_busy:
        _obey_sigterm()


def _obey_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
