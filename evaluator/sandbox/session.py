"""One sandboxed calculator, from its start to its end, as the driver uses it.

::

    session = CalculatorSession.start(find_sandbox(), CalculatorRequest(kind="chgnet", ...))
    with session:
        answers = session.compute(structures, ("energy", "forces", "stress"))

Used by one thread at a time; only ``abort`` may come from another.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from evaluator import wire
from evaluator.contract import Limits, Verdict
from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.store import Runtime
from evaluator.sandbox.answers import read_error, read_ready, read_result
from evaluator.sandbox.base import SERVER, ConfinedProcess, ProcessRequest, Sandbox
from evaluator.sandbox.diagnosis import CalculatorFailure, diagnose_death, explain_error
from evaluator.sandbox.output import OutputDrain
from evaluator.wire import (
    Frame,
    Info,
    Kind,
    Prediction,
    Structure,
    StructureFailure,
    WireClosed,
    WireError,
    WireTimeout,
)

__all__ = [
    "CalculatorFailure",
    "CalculatorRequest",
    "CalculatorSession",
    "Prediction",
    "Structure",
    "StructureFailure",
]

#: For the interpreter and our own modules, before any code of the submission.
HELLO_TIMEOUT_S = 60.0
#: What a calculator has to leave by itself after BYE.
GRACE_S = 1.0
_DEATH_S = 2.0
_LOADING = "Loading the potential"


@dataclass(frozen=True, kw_only=True)
class CalculatorRequest:
    """Which calculator to start, and what it may use."""

    kind: str
    artifact: Path
    settings: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float64"
    device: str = "cpu"
    n_threads: int = 1
    limits: Limits = field(default_factory=Limits)
    #: The environment that it runs in; None for the one of this process.
    runtime: Runtime | None = None
    #: None allows a load as long as a call.
    load_timeout_s: float | None = None
    #: Arguments to Python instead of the real server's. For tests of the sandbox alone.
    program: tuple[str, ...] = SERVER


class CalculatorSession:
    """A loaded calculator in its sandbox. Made by ``start``, ended by ``close``."""

    def __init__(self, process: ConfinedProcess, request: CalculatorRequest) -> None:
        self.request = request
        #: What the potential says of itself: untrusted, but of the right types and short.
        self.info: Info
        #: Seconds from the start of the process to READY.
        self.load_time_s = 0.0
        self._process = process
        self._output = OutputDrain(process.stdout, process.stderr)
        self._failure: CalculatorFailure | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    @classmethod
    def start(
        cls,
        sandbox: Sandbox,
        request: CalculatorRequest,
        register: Callable[[Self], None] = lambda session: None,
    ) -> Self:
        """Start a sandbox and load the potential in it. Raises CalculatorFailure.

        ``register`` is given the session before it loads, so that another thread can abort it.
        Where it raises, everything is already cleaned up, and the error holds what the
        calculator wrote.
        """
        if not sandbox.admits(request.kind):
            raise CalculatorFailure(
                Verdict.INFRASTRUCTURE_ERROR,
                f"A calculator of kind {request.kind} runs in a sandbox only, and this worker "
                "has none; an administrator must install bubblewrap on it.",
            )
        try:
            process = sandbox.start(
                ProcessRequest(
                    artifact=request.artifact,
                    runtime=request.runtime,
                    memory_MiB=request.limits.memory_MiB,
                    n_threads=request.n_threads,
                    device=request.device,
                    program=request.program,
                )
            )
        except InfrastructureError as error:
            raise CalculatorFailure(Verdict.INFRASTRUCTURE_ERROR, str(error)) from error
        session = cls(process, request)
        try:
            register(session)
            session._load()
        except BaseException as error:
            session.close()
            if isinstance(error, CalculatorFailure):
                error.stdout, error.stderr = session.stdout, session.stderr
            raise
        return session

    # --- talking ----------------------------------------------------------------------------

    def compute(
        self,
        structures: Sequence[Structure],
        properties: Sequence[str] = ("energy", "forces"),
        timeout_s: float | None = None,
    ) -> list[Prediction | StructureFailure]:
        """Answer each structure, in order; energy and forces always, the rest where offered.

        A structure that fails (unsupported, not finite, an exception) is a StructureFailure and
        the session goes on. Raises CalculatorFailure when the calculator itself is at its end,
        and the same one again ever after; ValueError for a malformed or too large batch.
        """
        self._raise_failure()
        request_id = secrets.randbits(62)  # an answer cannot be sent before the question
        properties = wire.ordered_properties(properties)
        counts = [len(structure.numbers) for structure in structures]
        frame = wire.calc_frame(request_id, structures, properties)
        deadline = wire.deadline_in(self._timeout(timeout_s))
        try:
            self._refuse_unread()
            wire.send_frame(self._process.connection, frame, deadline)
            length = wire.result_length(counts, properties)
            reply = self._receive({Kind.RESULT: length, Kind.ERROR: 0}, deadline)
            answers = read_result(reply, request_id, counts, properties)
            self._refuse_unread()
        except (WireError, WireTimeout, WireClosed) as error:
            what = f"A batch of {len(counts)} structures ({sum(counts)} atoms)"
            raise self._fail(error, what, self._timeout(timeout_s)) from error
        return answers

    def _load(self) -> None:
        started = time.monotonic()
        request = self.request
        timeout_s = self._timeout(request.load_timeout_s)
        connection = self._process.connection
        header = {
            "kind": request.kind,
            "artifact": self._process.artifact,
            "settings": request.settings,
            "dtype": request.dtype,
            "device": request.device,
            "n_threads": request.n_threads,
        }
        try:
            self._hello()
            deadline = wire.deadline_in(timeout_s)
            wire.send_frame(connection, Frame(kind=Kind.LOAD, header=header), deadline)
            self.info = read_ready(self._receive({Kind.READY: 0, Kind.ERROR: 0}, deadline))
        except (WireError, WireTimeout, WireClosed) as error:
            raise self._fail(error, _LOADING, timeout_s) from error
        self.load_time_s = time.monotonic() - started

    def _hello(self) -> None:
        """Wait for the interpreter. No code of the submission has run, so a failure is ours."""
        deadline = wire.deadline_in(HELLO_TIMEOUT_S)
        try:
            hello = wire.receive_frame(self._process.connection, {Kind.HELLO: 0}, deadline)
            wire.take(hello.header, version=int)
        except (WireError, WireTimeout, WireClosed) as error:
            failure = diagnose_death(self._end_process(), self._process, self._output)
            if failure.verdict is not Verdict.OUT_OF_MEMORY_HOST:
                message = f"The sandbox did not start ({error}). {failure.message}"
                failure = CalculatorFailure(Verdict.INFRASTRUCTURE_ERROR, message)
            raise self._set_failure(failure) from error

    def _receive(self, expected: dict[Kind, int], deadline: float) -> Frame:
        frame = wire.receive_frame(self._process.connection, expected, deadline)
        if frame.kind is Kind.ERROR:
            category, message = read_error(frame)
            self._refuse_unread()
            self._end_process()
            raise self._set_failure(explain_error(category, message, self._process))
        return frame

    def _refuse_unread(self) -> None:
        if wire.has_unread_bytes(self._process.connection):
            raise WireError("it spoke without being asked")

    def _timeout(self, timeout_s: float | None) -> float:
        return self.request.limits.call_timeout_s if timeout_s is None else timeout_s

    # --- failing ----------------------------------------------------------------------------

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_closed:
            raise RuntimeError("the session is closed")

    def _fail(self, error: Exception, what: str, timeout_s: float) -> CalculatorFailure:
        """End the process and say why the conversation broke off."""
        if isinstance(error, WireTimeout):
            self._process.kill()
            advice = (
                "Compile nothing (torch.compile), fetch nothing, and build in the entry point only "
                "what a call needs."
                if what == _LOADING
                else "Make the potential faster, or submit it to tasks with a longer limit."
            )
            message = f"{what} took longer than the {timeout_s:g} s allowed. {advice}"
            return self._set_failure(CalculatorFailure(Verdict.CALL_TIMEOUT, message))
        if isinstance(error, WireError):
            self._process.kill()
            message = (
                f"The calculator broke the protocol: {error}. Code of a submission must leave "
                "the descriptor of the sandbox's connection alone, and end what it forks."
            )
            return self._set_failure(CalculatorFailure(Verdict.PROTOCOL_ERROR, message))
        return self._set_failure(diagnose_death(self._end_process(), self._process, self._output))

    def _set_failure(self, failure: CalculatorFailure) -> CalculatorFailure:
        """Keep the first failure: an abort kills, and what follows is its effect."""
        with self._lock:
            if self._failure is None:
                self._failure = failure
            return self._failure

    def abort(self, verdict: Verdict, message: str) -> None:
        """End the calculator from another thread: cancelled, or out of wall time.

        The call in progress raises CalculatorFailure with this verdict and message.
        """
        with self._lock:
            if self._failure is None:
                self._failure = CalculatorFailure(verdict, message)
        self._process.kill()

    # --- ending -----------------------------------------------------------------------------

    def close(self) -> None:
        """Say goodbye, end every process of the sandbox, and leave nothing behind.

        Raises InfrastructureError when something is left on the host.
        """
        if self._is_closed:
            return
        self._is_closed = True
        if self._failure is None:
            try:
                deadline = wire.deadline_in(GRACE_S)
                bye = Frame(kind=Kind.BYE, header={})
                wire.send_frame(self._process.connection, bye, deadline)
                self._process.wait(GRACE_S)
            except (WireClosed, WireTimeout):
                pass  # it is gone or deaf; the next line ends it either way
        self._process.kill()
        self._process.release()
        self._output.finish()

    def _end_process(self) -> int | None:
        """The exit status of a process that has closed its end, killed if it lingers."""
        status = self._process.wait(_DEATH_S)
        self._process.kill()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def memory_peak(self) -> tuple[int | None, str]:
        """Bytes taken at most since ``forget_memory_peak``, and how they were counted."""
        return self._process.memory_peak()

    def forget_memory_peak(self) -> None:
        """Begin a new peak, where the kernel can."""
        self._process.forget_memory_peak()

    @property
    def stdout(self) -> str:
        """What the calculator wrote so far: cleaned and capped, still untrusted."""
        return self._output.stdout

    @property
    def stderr(self) -> str:
        return self._output.stderr
