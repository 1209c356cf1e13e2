"""What a sandbox offers: start one Python process that is confined, and end all that it started.

Trusted side only. The kinds of confinement are in ``bubblewrap.py`` (real) and ``unconfined.py``
(for built-in potentials during development).
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from evaluator.catalog import CALCULATOR_KINDS
from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.store import Runtime


class SandboxUnavailable(InfrastructureError):
    """No sandbox can be had; the message says what is missing and how to get it."""


class SandboxLevel(StrEnum):
    """How memory and processes are bounded; published with every evaluation."""

    CGROUP2 = "cgroup2"
    CGROUP1 = "cgroup1"
    #: bubblewrap with resource limits and a watchdog: memory can be overdrawn for a moment.
    RLIMIT = "rlimit"
    #: No confinement at all.
    NONE = "none"


#: The arguments to Python that start the real calculator; tests start their own scripts.
SERVER = ("-m", "evaluator.calculators.server")


@dataclass(frozen=True, kw_only=True)
class ProcessRequest:
    """One confined Python process. It gets the number of its socket as last argument.

    With ``inherited`` it gets their numbers instead, as its last arguments.
    """

    #: A regular file; the process finds it, read-only, under ``ConfinedProcess.artifact``.
    artifact: Path
    memory_MiB: int
    #: The environment that it runs in; None for the one of this process.
    runtime: Runtime | None = None
    n_threads: int = 1
    #: "cpu", "cuda" or "cuda:N"; the latter let the NVIDIA devices in.
    device: str = "cpu"
    program: tuple[str, ...] = SERVER
    #: Descriptors that the process gets in place of its socket, each named by an argument.
    inherited: tuple[int, ...] = ()
    #: Our own driver, not a submission's calculator: it sees all of the evaluator, the reference
    #: set and the host's processors, and runs on all cores.
    is_trusted: bool = False
    #: Of the driver alone: a regular file, found under ``ConfinedProcess.reference``.
    reference: Path | None = None


class ConfinedProcess(ABC):
    """A running process with its socket and pipes, and all that descends from it."""

    #: The trusted end of the wire; blocking reads of the pipes end when the process does.
    connection: socket.socket
    stdout: BinaryIO
    stderr: BinaryIO
    #: Where the process sees its artifact.
    artifact: str
    #: Where our own driver sees the reference set; empty for calculators.
    reference: str = ""

    @abstractmethod
    def wait(self, timeout_s: float) -> int | None:
        """The exit status, negative for a signal; None when it still runs after the time."""

    @abstractmethod
    def ran_out_of_memory(self) -> bool:
        """Whether the memory limit killed this process or one of its children."""

    @abstractmethod
    def memory_peak(self) -> tuple[int | None, str]:
        """Bytes taken at most since ``forget_memory_peak``, None if unknown, and how counted."""

    @abstractmethod
    def forget_memory_peak(self) -> None:
        """Begin a new peak, where the kernel can; see evaluator.sandbox.memory."""

    @abstractmethod
    def kill(self) -> None:
        """Kill everything at once. May be called from any thread, more than once."""

    @abstractmethod
    def release(self) -> None:
        """After ``kill``: wait for the end and remove what was made on the host.

        Raises InfrastructureError when something is left over.
        """


class Sandbox(ABC):
    """Starts confined processes. One instance serves all threads of a worker."""

    @property
    @abstractmethod
    def level(self) -> SandboxLevel:
        """How memory and processes are bounded here."""

    @abstractmethod
    def start(self, request: ProcessRequest) -> ConfinedProcess:
        """Raises InfrastructureError when the process cannot be started."""

    def admits(self, calculator_kind: str) -> bool:
        """Whether a calculator of this kind may run here."""
        if self.level is not SandboxLevel.NONE:
            return True
        kind = CALCULATOR_KINDS.get(calculator_kind)
        return kind is not None and kind.is_built_in
