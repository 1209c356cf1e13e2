"""What a timed protocol is handed: fresh calculator processes, one at a time, and a clock.

Another course than that of other protocols. Nothing is at work side by side, the calculator has all
threads of the worker (or the GPU) for itself, and the protocol decides itself how often a new
process is started. The clock is ours: it runs from before the question is written to the wire
until the whole answer has been read and checked. An answer is plain numbers in the host's
memory, so whatever a GPU had to do for it is done when the clock stops.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any
from typing import Protocol as Interface

from ase import Atoms
from ase.calculators.calculator import Calculator

from evaluator.protocols.base import Outcome, Protocol, System, SystemFailure


class Role(StrEnum):
    """Who is timed."""

    SUBMISSION = "submission"
    #: Answers zeros at once: what it takes is the wire's and the sandbox's share.
    NULL = "null"
    #: The potential that every row is set in relation to.
    REFERENCE = "reference"


class DoesNotRun(SystemFailure):
    """This structure is too much: memory or the time of a call ran out. Its process is gone.

    ``reason`` is the verdict's word: "out_of_memory_host", "out_of_memory_gpu", "call_timeout".
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TimedCalculator(Interface):
    """One fresh calculator process."""

    def time_call(self, structures: Sequence[Atoms]) -> float:
        """Seconds for one call that holds these structures.

        Raises DoesNotRun, after which the process is of no more use, and SystemFailure where a
        structure was not answered with finite numbers.
        """

    def ask_again(self) -> None:
        """Ask for one of the structures timed since the last time, and compare, untimed.

        Raises as ``time_call`` does.
        """

    def forget_memory_peak(self) -> None:
        """Begin a new peak, where the kernel can."""

    def memory_peak(self) -> float | None:
        """MiB: the highest since the process began or its peak was forgotten; None if unknown."""


class Bench(Interface):
    """Where processes come from. Two may be alive at a time, of which one is at work."""

    has_reference: bool

    def calculator(self, role: Role) -> AbstractContextManager[TimedCalculator]:
        """Start a fresh process; leaving the context ends it."""

    def tell(self, n_done: int, n_total: int) -> None:
        """How far the measurement is. Raises where it shall end."""


class TimedProtocol(Protocol):
    """A protocol that measures all systems itself, by the clock."""

    can_resume = False

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        raise TypeError(f"{self.name} is timed: all systems are measured together")

    @abstractmethod
    def measure(
        self, systems: Sequence[System], bench: Bench, parameters: Mapping[str, Any]
    ) -> list[Outcome | SystemFailure]:
        """Time all systems; one result for each. A failure is data: that system is charged."""

    @abstractmethod
    def why_unreliable(self, outcomes: Sequence[Outcome | None]) -> str:
        """Why the times, as they came out, are not to be ranked; a sentence, empty if they are."""
