"""Celery's pool for our workers: one child process for each slot, each behind a pipe of its own.

Celery's own pools share locks and pipes among their children. With a broker that has no event loop
(the embedded one) an idle child holds the queue's semaphore while it waits; where it is killed, by
SIGKILL or by the kernel for memory, the semaphore stays locked and no later child ever hears of
work, though the worker lives. Here nothing is shared: a thread serves each slot, speaks with one
child, and forks the next when that one has died.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from billiard import Pipe, get_context
from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery.concurrency.base import BasePool
from celery.concurrency.prefork import process_initializer

logger = logging.getLogger(__name__)

#: Held while a child is forked, so that no other child inherits the far end of its pipe, and by
#: threads that use a library which would not like to be forked in the middle of something.
FORK_LOCK = threading.RLock()

_fork = get_context("fork")
#: A child that died while it idled is replaced after so long, whether there is work or not.
_LOOK_EVERY_S = 0.5
#: How long a child that was told to end may take before it is killed.
_PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What Celery wants to have run, and whom to tell."""

    target: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    accepted: Callable[[int, float], object] | None
    succeeded: Callable[[Any], object] | None
    failed: Callable[[Any], object] | None


class SlotPool(BasePool):  # type: ignore[misc]
    """``worker_pool`` of leaderboard/celery.py: used whatever the broker."""

    signal_safe = False

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (Celery's own)
        super().__init__(*arguments, **options)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._slots: list[_Slot] = []
        self._answers = _Answers()

    def on_start(self) -> None:
        initargs = self.options.get("initargs", ())
        self._slots = [_Slot(n, self._jobs, self._answers, initargs) for n in range(self.limit)]
        for slot in self._slots:
            slot.start()
        # Threads that start later, such as the heartbeat's, are thus in no first child.
        for slot in self._slots:
            slot.has_child.wait()

    def register_with_event_loop(self, loop: Any) -> None:  # noqa: ANN401  (kombu's hub)
        self._answers.register(loop)

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Any = (),  # noqa: ANN401
        kwargs: Any = None,  # noqa: ANN401
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[Any], object] | None = None,
        accept_callback: Callable[[int, float], object] | None = None,
        **_: object,
    ) -> None:
        self._jobs.put(
            _Job(
                target=target,
                args=tuple(args),
                kwargs=dict(kwargs or {}),
                accepted=accept_callback,
                succeeded=callback,
                failed=error_callback,
            )
        )

    def on_close(self) -> None:
        for _ in self._slots:
            self._jobs.put(None)

    def on_stop(self) -> None:
        """Wait until each child has ended what it runs, or has handed it back."""
        if self._state == self.RUN:
            self.on_close()
        for slot in self._slots:
            slot.join()
        self._answers.deliver()

    def on_terminate(self) -> None:
        for slot in self._slots:
            slot.signal(signal.SIGTERM)
        self.on_close()
        deadline = time.monotonic() + _PATIENCE_S
        for slot in self._slots:
            slot.join(max(0.0, deadline - time.monotonic()))
            if slot.is_alive():
                slot.signal(signal.SIGKILL)

    def terminate_job(self, pid: int, signal: int | None = None) -> None:
        for slot in self._slots:
            if slot.pid == pid:
                slot.signal(signal or 15)

    def _get_info(self) -> dict[str, Any]:
        return {**super()._get_info(), "processes": [slot.pid for slot in self._slots]}


class _Slot(threading.Thread):
    """Serves one child process, and the next one where it dies.

    The thread that forks a child must outlive it: the kernel kills the child with that thread.
    """

    def __init__(
        self,
        number: int,
        jobs: queue.SimpleQueue[_Job | None],
        answers: _Answers,
        initargs: tuple[Any, ...],
    ) -> None:
        super().__init__(name=f"slot-{number}", daemon=True)
        self._jobs, self._answers, self._initargs = jobs, answers, initargs
        self.has_child = threading.Event()
        self._child: Any = None
        self._pipe: Any = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def signal(self, number: int) -> None:
        if self._child is not None and self._child.is_alive():
            os.kill(self._child.pid, number)

    def run(self) -> None:
        self._fork()
        self.has_child.set()
        while True:
            try:
                job = self._jobs.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                self._replace_if_dead()
                continue
            if job is None:
                break
            self._replace_if_dead()
            self._do(job)
        self._end()

    def _end(self) -> None:
        # A word and not the end of the pipe: other children have inherited our end of it.
        with suppress(OSError):
            self._pipe.send(None)
        self._child.join(_PATIENCE_S)
        self.signal(signal.SIGKILL)
        self._pipe.close()

    def _do(self, job: _Job) -> None:
        """Have it run by the child, and tell Celery how that went."""
        try:
            self._pipe.send((job.target, job.args, job.kwargs))
            if job.accepted is not None:
                self._answers.add(job.accepted, self._child.pid, time.monotonic())
            result = self._pipe.recv()
        except (EOFError, OSError):
            if job.failed is not None:
                self._answers.add(job.failed, self._lost())
        else:
            if job.succeeded is not None:
                self._answers.add(job.succeeded, result)

    def _lost(self) -> Any:  # noqa: ANN401  (billiard's)
        self._child.join(_PATIENCE_S)
        try:
            raise WorkerLostError(f"Child {self._child.pid} died ({self._child.exitcode}).")
        except WorkerLostError:
            return ExceptionInfo()

    def _replace_if_dead(self) -> None:
        if self._child.is_alive():
            return
        logger.error(
            "A CHILD PROCESS WAS LOST: %d %s. Another takes its place; what it ran is tried again.",
            self._child.pid,
            _how_it_ended(self._child.exitcode),
        )
        self._pipe.close()
        self._fork()

    def _fork(self) -> None:
        with FORK_LOCK:
            self._pipe, far_end = Pipe(duplex=True)
            self._child = _fork.Process(
                target=_serve, args=(far_end, self._initargs), name=self.name, daemon=False
            )
            self._child.start()
            far_end.close()


def _how_it_ended(status: int | None) -> str:
    if status is None or status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        return f"was ended by signal {-status}"
    if name == "SIGKILL":
        return "was killed (SIGKILL): by the kernel for memory, most often; see journalctl -k"
    return f"was ended by {name}"


class _Answers:
    """Tells Celery what came of jobs: in its event loop where it has one, at once otherwise.

    A loop that sleeps would notice an acknowledgement only at its next event, and a worker that
    takes one message at a time would wait for it. A byte in a pipe wakes it.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._wake: int | None = None

    def register(self, loop: Any) -> None:  # noqa: ANN401  (kombu's hub)
        reader, self._wake = os.pipe()
        os.set_blocking(reader, False)

        def read() -> None:
            os.read(reader, 4096)
            self.deliver()

        loop.add_reader(reader, read)

    def add(self, callback: Callable[..., object], *arguments: object) -> None:
        self._waiting.append(lambda: callback(*arguments))
        if self._wake is None:
            self.deliver()
        else:
            os.write(self._wake, b"!")

    def deliver(self) -> None:
        while self._waiting:
            try:
                answer = self._waiting.popleft()
            except IndexError:
                return  # another slot was faster
            try:
                answer()
            except Exception:
                # A slot must outlive whatever Celery makes of an answer.
                logger.exception("Celery could not take an answer.")


def _serve(pipe: Any, initargs: tuple[Any, ...]) -> None:  # noqa: ANN401  (billiard's)
    """Body of a child: one job after the other, until it is told to end."""
    for number in (signal.SIGQUIT, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)  # Celery's handlers are for its main process
    process_initializer(*initargs)
    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            return
        if job is None:
            return
        target, args, kwargs = job
        pipe.send(target(*args, **kwargs))
