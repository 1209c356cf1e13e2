"""Sandboxes by order: the unprivileged driver asks, the worker starts them.

The driver computes on hostile numbers and has no right to make namespaces, control groups or users.
It holds a ``BrokeredSandbox``, which asks a ``SandboxBroker`` in the worker over a socket; the
connection to the calculator itself comes back as a descriptor, so that no call passes through here.

Each request and each answer is one packet: a msgpack map, with descriptors beside it. The broker
believes nothing: a driver that went wrong can start this evaluation's calculator within this
evaluation's limits, and no more.
"""

from __future__ import annotations

import itertools
import logging
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgpack

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.store import Runtime
from evaluator.sandbox.base import ConfinedProcess, ProcessRequest, Sandbox, SandboxLevel

logger = logging.getLogger(__name__)

_MAX_PACKET_BYTES = 64 << 10
_MAX_WAIT_S = 60.0
#: Artifacts that the driver brings along (the potentials that a timing is compared with).
_MAX_SENT_BYTES = 2 << 30
_MAX_PROCESSES = 256
_N_THREADS = 16
_NO_ANSWER_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """What one evaluation may start."""

    artifact: Path
    memory_MiB: int
    n_threads: int
    device: str
    #: Runtimes by their digests; None where calculators run in the worker's own environment.
    runtimes: Mapping[str, Runtime] | None = None


class BrokerGone(InfrastructureError):
    """The worker does not answer any more: it has ended, or has ended this evaluation."""


# --- the driver's side ----------------------------------------------------------------------


class BrokeredSandbox(Sandbox):
    """The worker's sandbox, as the driver sees it."""

    def __init__(self, connection: socket.socket, level: SandboxLevel, own_artifact: Path) -> None:
        self._level, self._own_artifact = level, own_artifact
        self._connection = connection
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[tuple[dict[str, Any], list[int]]]] = {}
        self._is_gone = False
        threading.Thread(target=self._read, name="broker-answers", daemon=True).start()

    @property
    def level(self) -> SandboxLevel:
        return self._level

    def start(self, request: ProcessRequest) -> ConfinedProcess:
        what = {
            "memory_MiB": request.memory_MiB,
            "n_threads": request.n_threads,
            "device": request.device,
            "runtime": "" if request.runtime is None else request.runtime.digest,
            "name": request.artifact.name,
        }
        is_own = request.artifact == self._own_artifact
        try:
            sent = [] if is_own else [os.open(request.artifact, os.O_RDONLY | os.O_CLOEXEC)]
        except OSError as error:
            raise InfrastructureError(f"The artifact cannot be read ({error}).") from error
        try:
            answer, fds = self.ask("start", what, sent)
        finally:
            for fd in sent:
                os.close(fd)
        return _BrokeredProcess(self, answer["process"], answer["artifact"], fds)

    def ask(
        self, action: str, what: dict[str, Any], fds: Sequence[int] = (), more_s: float = 0.0
    ) -> tuple[dict[str, Any], list[int]]:
        """What the broker answers. Raises InfrastructureError with its reason."""
        number = next(self._numbers)
        future: Future[tuple[dict[str, Any], list[int]]] = Future()
        with self._lock:
            if self._is_gone:
                raise BrokerGone("The worker does not answer any more.")
            self._waiting[number] = future
            packet = msgpack.packb({"id": number, "action": action, **what})
            socket.send_fds(self._connection, [packet], list(fds))
        try:
            answer, received = future.result(_NO_ANSWER_S + more_s)
        except TimeoutError as error:
            raise BrokerGone(f"The worker did not answer ({action}).") from error
        if "error" in answer:
            raise InfrastructureError(answer["error"])
        return answer, received

    def _read(self) -> None:
        while True:
            try:
                packet, fds, _, _ = socket.recv_fds(self._connection, _MAX_PACKET_BYTES, 8)
            except OSError:
                packet, fds = b"", []
            if not packet:
                break
            answer = msgpack.unpackb(packet)
            future = self._waiting.pop(answer["id"])
            future.set_result((answer, list(fds)))
        with self._lock:
            self._is_gone = True
            waiting, self._waiting = list(self._waiting.values()), {}
        for future in waiting:
            future.set_exception(BrokerGone("The worker does not answer any more."))


class _BrokeredProcess(ConfinedProcess):
    def __init__(
        self, sandbox: BrokeredSandbox, number: int, artifact: str, fds: Sequence[int]
    ) -> None:
        connection, stdout, stderr = fds
        self._sandbox, self._number = sandbox, number
        self.artifact = artifact
        self.connection = socket.socket(fileno=connection)
        self.stdout: BinaryIO = os.fdopen(stdout, "rb")
        self.stderr: BinaryIO = os.fdopen(stderr, "rb")

    def _ask(self, action: str, more_s: float = 0.0, **what: object) -> Any:  # noqa: ANN401
        answer, _ = self._sandbox.ask(action, {"process": self._number, **what}, more_s=more_s)
        return answer["value"]

    def wait(self, timeout_s: float) -> int | None:
        status: int | None = self._ask("wait", timeout_s, timeout_s=timeout_s)
        return status

    def ran_out_of_memory(self) -> bool:
        return bool(self._ask("ran_out_of_memory"))

    def memory_peak(self) -> tuple[int | None, str]:
        n_bytes, method = self._ask("memory_peak")
        return n_bytes, method

    def forget_memory_peak(self) -> None:
        self._ask("forget_memory_peak")

    def kill(self) -> None:
        self._ask("kill")

    def release(self) -> None:
        self.connection.close()
        self._ask("release")


# --- the worker's side ----------------------------------------------------------------------


class Refusal(Exception):
    """The driver asked for what this evaluation may not have."""


class SandboxBroker:
    """Serves one driver; a context manager, after which none of its sandboxes lives.

    ``may_start`` says whether the device is the evaluation's by now: nothing runs before.
    """

    def __init__(
        self,
        connection: socket.socket,
        sandbox: Sandbox,
        allowed: Allowed,
        *,
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        self._connection, self._sandbox, self._allowed = connection, sandbox, allowed
        self._may_start = may_start
        self._processes: dict[int, ConfinedProcess] = {}
        #: Never given twice, so that a late request cannot meet a younger process.
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._is_closing = False
        self._folder = tempfile.TemporaryDirectory(prefix="touchstone-sent-")
        self._threads = ThreadPoolExecutor(_N_THREADS, thread_name_prefix="broker")
        self._reader = threading.Thread(target=self._read, name="broker", daemon=True)

    def __enter__(self) -> SandboxBroker:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_closing = True
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        with ExitStack() as ends:  # the last first, and each whatever becomes of the others
            ends.callback(self._folder.cleanup)
            ends.callback(self._connection.close)
            ends.callback(self._end_all)
            ends.callback(self._threads.shutdown, wait=True)
            for process in list(self._processes.values()):
                ends.callback(process.kill)

    def _end_all(self) -> None:
        with ExitStack() as ends:
            for process in list(self._processes.values()):
                ends.callback(_end, process)

    def _read(self) -> None:
        while True:
            try:
                packet, fds, _, _ = socket.recv_fds(self._connection, _MAX_PACKET_BYTES, 2)
            except OSError:
                return
            if not packet:
                return
            self._threads.submit(self._serve, packet, fds)

    def _serve(self, packet: bytes, fds: Sequence[int]) -> None:
        number: int | None = None
        sent: list[int] = []
        try:
            request = msgpack.unpackb(packet, max_array_len=16, max_map_len=16, max_str_len=1024)
            number = _int_of(request, "id")
            answer, sent = self._answer(request, fds)
        except (InfrastructureError, Refusal) as error:
            answer = {"error": str(error)[:2000]}
        except OSError as error:
            logger.warning("A request of the driver could not be met.", exc_info=True)
            answer = {"error": f"The worker could not do what was asked ({error})."[:2000]}
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            answer = {"error": f"a request of the driver cannot be read ({error!r})"[:2000]}
        finally:
            for fd in fds:
                os.close(fd)
        if number is None:
            return
        with suppress(OSError):  # the driver is gone; its sandboxes end with this broker
            socket.send_fds(self._connection, [msgpack.packb({"id": number, **answer})], sent)

    def _answer(
        self, request: dict[str, Any], fds: Sequence[int]
    ) -> tuple[dict[str, Any], list[int]]:
        action = request["action"]
        if action == "start":
            return self._start(request, fds)
        process = self._processes.get(_int_of(request, "process"))
        if process is None and action in ("kill", "release"):
            return {"value": None}, []  # it has ended already, and may be ended more than once
        if process is None:
            raise Refusal("there is no such process")
        actions: dict[str, Callable[[], object]] = {
            "wait": lambda: process.wait(_seconds_of(request)),
            "ran_out_of_memory": process.ran_out_of_memory,
            "memory_peak": process.memory_peak,
            "forget_memory_peak": process.forget_memory_peak,
            "kill": process.kill,
            "release": lambda: self._release(_int_of(request, "process"), process),
        }
        if action not in actions:
            raise Refusal("there is no such action")
        return {"value": actions[action]()}, []

    def _start(
        self, request: dict[str, Any], fds: Sequence[int]
    ) -> tuple[dict[str, Any], list[int]]:
        if not self._may_start():
            raise Refusal("the device was not waited for")
        allowed = self._allowed
        memory_MiB, n_threads = _int_of(request, "memory_MiB"), _int_of(request, "n_threads")
        if not 0 < memory_MiB <= allowed.memory_MiB or not 0 < n_threads <= allowed.n_threads:
            raise Refusal(f"more than may be used was asked for ({memory_MiB} MiB, {n_threads})")
        if request["device"] not in ("cpu", allowed.device):
            raise Refusal("another device was asked for")
        runtime = _runtime_of(request, allowed.runtimes)
        with self._lock:
            if self._is_closing or len(self._processes) >= _MAX_PROCESSES:
                raise Refusal("no more processes may be started")
        artifact = self._received(fds[0], str(request["name"])) if fds else allowed.artifact
        process = self._sandbox.start(
            ProcessRequest(
                artifact=artifact,
                runtime=runtime,
                memory_MiB=memory_MiB,
                n_threads=n_threads,
                device=str(request["device"]),
            )
        )
        with self._lock:
            number = next(self._numbers)
            self._processes[number] = process
        # The driver gets descriptors of its own; ours of the connection must not hold it open.
        fds_out = [process.connection.fileno(), process.stdout.fileno(), process.stderr.fileno()]
        return {"process": number, "artifact": process.artifact}, fds_out

    def _received(self, fd: int, name: str) -> Path:
        """A copy of an artifact that the driver has sent, in a folder of this evaluation."""
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        path = folder / (Path(name).name or "artifact")
        n_bytes = 0
        with path.open("xb") as copy:
            while chunk := os.pread(fd, 1 << 20, n_bytes):
                n_bytes += len(chunk)
                if n_bytes > _MAX_SENT_BYTES:
                    raise Refusal("the artifact that was sent is too large")
                copy.write(chunk)
        path.chmod(0o444)
        return path

    def _release(self, number: int, process: ConfinedProcess) -> None:
        _end(process)
        with self._lock:
            self._processes.pop(number, None)


def _end(process: ConfinedProcess) -> None:
    """Do each of these, whether or not those before could be done."""
    with ExitStack() as stack:
        for step in (process.stderr.close, process.stdout.close, process.release, process.kill):
            stack.callback(step)


def _runtime_of(request: dict[str, Any], runtimes: Mapping[str, Runtime] | None) -> Runtime | None:
    """The runtime that was asked for, of those that this evaluation may use."""
    digest = str(request["runtime"])
    if runtimes is None and not digest:
        return None
    if runtimes is None or digest not in runtimes:
        raise Refusal("another runtime was asked for")
    return runtimes[digest]


def _int_of(request: dict[str, Any], name: str) -> int:
    value = request[name]
    if type(value) is not int:
        raise TypeError(f"{name} is no whole number")
    return value


def _seconds_of(request: dict[str, Any]) -> float:
    return min(max(float(request["timeout_s"]), 0.0), _MAX_WAIT_S)
