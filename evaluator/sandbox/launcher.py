"""Starts child processes from one thread that lives as long as this process.

``bwrap --die-with-parent`` asks the kernel to be killed when its parent dies, and the kernel
takes the *thread* that forked for the parent. Started from a thread of a pool, a sandbox would
die when that thread ends. So every sandbox is started by the one thread made here, which ends
only with the process (whatever ended it, SIGKILL too).
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What ``subprocess.Popen`` is asked: the program, its environment, inherited descriptors."""

    arguments: Sequence[str]
    environment: dict[str, str]
    pass_fds: tuple[int, ...]
    stdout: int
    stderr: int
    directory: str = "/"


_Job = tuple[Launch, "Future[subprocess.Popen[bytes]]"]


class _Launcher:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[_Job] | None = None

    def start(self, launch: Launch) -> subprocess.Popen[bytes]:
        future: Future[subprocess.Popen[bytes]] = Future()
        with self._lock:
            if self._jobs is None:
                self._jobs = SimpleQueue()
                threading.Thread(
                    target=self._run, args=(self._jobs,), name="sandbox-launcher", daemon=True
                ).start()
            self._jobs.put((launch, future))
        return future.result()

    @staticmethod
    def _run(jobs: SimpleQueue[_Job]) -> None:
        while True:
            launch, future = jobs.get()
            try:
                future.set_result(_popen(launch))
            except OSError as error:
                future.set_exception(error)
            del launch, future


def _popen(launch: Launch) -> subprocess.Popen[bytes]:
    # No preexec_fn: it runs Python between fork and exec, where another thread may hold a lock.
    return subprocess.Popen(
        launch.arguments,
        env=launch.environment,
        pass_fds=launch.pass_fds,
        stdin=subprocess.DEVNULL,
        stdout=launch.stdout,
        stderr=launch.stderr,
        cwd=launch.directory,
        close_fds=True,
        start_new_session=True,
    )


_launcher = _Launcher()


def _renew() -> None:
    """A fork (Celery's pool) copies the queue but not the thread that serves it."""
    global _launcher
    _launcher = _Launcher()


os.register_at_fork(after_in_child=_renew)


def start(launch: Launch) -> subprocess.Popen[bytes]:
    """Start a child process. Raises OSError."""
    return _launcher.start(launch)
