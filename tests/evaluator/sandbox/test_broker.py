"""What the broker promises of processes, with a sandbox that starts none; real ones in driver/."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from evaluator.exceptions import InfrastructureError
from evaluator.sandbox.base import ConfinedProcess, ProcessRequest, Sandbox, SandboxLevel
from evaluator.sandbox.broker import Allowed, BrokeredSandbox, SandboxBroker

pytestmark = pytest.mark.timeout(30)

ARTIFACT = Path(__file__)
REQUEST = ProcessRequest(artifact=ARTIFACT, memory_MiB=64)


class NoProcess(ConfinedProcess):
    """Counts what is done to it."""

    artifact = "/artifact/x"

    def __init__(self, fault: Exception | None = None) -> None:
        self.connection, self._theirs = socket.socketpair()
        self.stdout, self.stderr = (
            os.fdopen(os.open(os.devnull, os.O_RDONLY), "rb") for _ in range(2)
        )
        self.n_kills, self.n_releases, self._fault = 0, 0, fault

    def wait(self, timeout_s: float) -> int | None:
        return 0

    def ran_out_of_memory(self) -> bool:
        return False

    def memory_peak(self) -> tuple[int | None, str]:
        return 1, "counted"

    def forget_memory_peak(self) -> None:
        if isinstance(self._fault, OSError):
            raise self._fault

    def kill(self) -> None:
        self.n_kills += 1

    def release(self) -> None:
        self.n_releases += 1
        self.connection.close()
        self._theirs.close()
        if isinstance(self._fault, InfrastructureError):
            raise self._fault


class NoSandbox(Sandbox):
    level = SandboxLevel.RLIMIT

    def __init__(self, *faults: Exception | None) -> None:
        self.started: list[NoProcess] = []
        self._faults = list(faults)

    def start(self, request: ProcessRequest) -> ConfinedProcess:
        process = NoProcess(self._faults.pop(0) if self._faults else None)
        self.started.append(process)
        return process


@contextmanager
def broker_of(
    sandbox: NoSandbox, may_start: Callable[[], bool] = lambda: True
) -> Iterator[BrokeredSandbox]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    allowed = Allowed(artifact=ARTIFACT, memory_MiB=64, n_threads=1, device="cpu")
    with theirs, SandboxBroker(ours, sandbox, allowed, may_start=may_start):
        yield BrokeredSandbox(theirs, sandbox.level, ARTIFACT)
        theirs.shutdown(socket.SHUT_RDWR)


def close(process: ConfinedProcess) -> None:
    for end in (process.connection, process.stdout, process.stderr):
        end.close()


def test_a_released_process_may_be_killed_again_and_its_number_is_no_other_s() -> None:
    sandbox = NoSandbox()
    with broker_of(sandbox) as brokered:
        first = brokered.start(REQUEST)
        first.kill()
        first.release()
        first.kill()
        first.release()

        second = brokered.start(REQUEST)
        first.kill()
        assert sandbox.started[1].n_kills == 0
        with pytest.raises(InfrastructureError, match="no such process"):
            first.memory_peak()
        second.release()
        close(first)
        close(second)
    assert [process.n_releases for process in sandbox.started] == [1, 1]


def test_a_full_disk_is_told_to_the_driver(caplog: pytest.LogCaptureFixture) -> None:
    with broker_of(NoSandbox(OSError(28, "No space left on device"))) as brokered:
        process = brokered.start(REQUEST)
        with pytest.raises(InfrastructureError, match="No space left on device"):
            process.forget_memory_peak()
        close(process)


def test_one_process_that_cannot_be_released_leaves_no_other_behind() -> None:
    sandbox = NoSandbox(None, InfrastructureError("bubblewrap did not die"), None)
    with pytest.raises(InfrastructureError, match="did not die"), broker_of(sandbox) as brokered:
        for _ in range(3):
            close(brokered.start(REQUEST))
    assert [process.n_releases for process in sandbox.started] == [1, 1, 1]
    assert all(process.stdout.closed for process in sandbox.started)


def test_nothing_is_started_before_the_device_is_held() -> None:
    sandbox, is_held = NoSandbox(), threading.Event()
    with broker_of(sandbox, is_held.is_set) as brokered:
        with pytest.raises(InfrastructureError, match="device was not waited for"):
            brokered.start(REQUEST)
        assert not sandbox.started
        is_held.set()
        close(brokered.start(REQUEST))
