"""One material under the clock: which sizes are still to be timed, and what was found so far."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ase import Atoms

from evaluator.metrics.efficiency import has_settled
from evaluator.protocols.base import Outcome, System, SystemFailure
from evaluator.protocols.efficiency.records import (
    BATCH,
    Findings,
    Series,
    Turns,
    record,
    sizes_that_ran,
)
from evaluator.protocols.efficiency.timed import DoesNotRun, TimedCalculator

#: Sizes that are tried, beside the task's small and large one; 1 stands for the cell itself.
GRID = (1, 64, 216, 512, 1000, 4096, 10648, 32768, 97336, 262144)
#: Calls of one block where two calculators are timed in turns.
BLOCK_CALLS = 3
#: A null call takes microseconds and varies little.
_NULL_CALLS: dict[str, Any] = {
    "n_warmup": 3,
    "warmup_limit_s": 0.1,
    "n_calls": 30,
    "min_calls": 3,
    "time_per_size_s": 0.5,
}


@dataclass(frozen=True, kw_only=True)
class SizeSettings:
    """The protocol's parameters; see the catalog."""

    n_processes: int
    n_calls: int
    min_calls: int
    time_per_size_s: float
    n_warmup: int
    warmup_limit_s: float
    small_n_atoms: int
    large_n_atoms: int
    largest_n_atoms: int
    growth_limit_s: float
    batch_n_structures: int
    batch_n_atoms: int
    rattle_A: float
    asks_stress: bool
    reference_potential: str
    idle_wait_s: float


@dataclass(eq=False)
class Material:
    """One system: what is still to be timed in the present process, and what was found so far."""

    system: System
    settings: SizeSettings
    #: By number of atoms; batched calls under BATCH.
    series: dict[int, Series] = field(default_factory=dict)
    #: The first size that did not run, with the reason and a sentence.
    stopped_at: int | None = None
    stop_reason: str = ""
    stop_message: str = ""
    batch_message: str = ""
    #: By process: the submission and the reference potential timed in turns; why there is nothing.
    turns: dict[int, Turns] = field(default_factory=dict)
    #: Median of the reference's calls before the submission's process began, by process.
    alone_s: dict[int, float] = field(default_factory=dict)
    reference_message: str = ""
    #: The first of all, if any.
    failure: SystemFailure | None = None
    n_calls: int = 0
    _waiting: list[int] = field(default_factory=list)

    def begin_process(self) -> None:
        """Batches first: growth may end the process."""
        sizes = sorted(self._repeats())
        self._waiting = (
            [BATCH] if self.settings.batch_n_structures and not self.batch_message else []
        )
        self._waiting += [n for n in sizes if self.stopped_at is None or n < self.stopped_at]

    def time_next(self, calculator: TimedCalculator, process: int) -> None:
        """Time the next size or the batch. Raises DoesNotRun where the process is gone."""
        size = self._waiting.pop(0)
        if process == 0 and self._would_take_too_long(size):
            self._stop(size, "time_bound", "Its calls would have taken longer than growth_limit_s.")
            return
        try:
            self._time(calculator, size, process)
        except SystemFailure as failure:
            self.failure = self.failure or failure
            if size == BATCH:
                self.batch_message = str(failure)
                self.series.pop(BATCH, None)
            else:
                self._stop(size, getattr(failure, "reason", "not_answered"), str(failure))
            if isinstance(failure, DoesNotRun):
                raise

    def time_null(self, calculator: TimedCalculator, process: int) -> None:
        """Time the null calculator's calls, few of them: what the wire and the sandbox take."""
        few = replace(self.settings, **_NULL_CALLS)
        for size, series in self.series.items():
            if process in series.seconds:
                calls = timed_calls(calculator, self._ask(size, process), few)
                series.null_s.append(float(np.median(calls.seconds)))

    def time_reference_alone(self, reference: TimedCalculator, process: int) -> None:
        """Before the submission's process is there, which might keep the device busy meanwhile.

        At the small size. A structure that it cannot do has no ratio.
        """
        ask = self._ask(self.small, process)
        try:
            warm_up(reference, ask, self.settings)
            seconds = [reference.time_call(ask()) for _ in range(2 * BLOCK_CALLS)]
        except SystemFailure as failure:
            self.reference_message = str(failure)
        else:
            self.alone_s[process] = float(np.median(seconds))

    def time_in_turns(
        self, submission: TimedCalculator, reference: TimedCalculator, process: int
    ) -> None:
        """At the small size, where the reference could do it.

        Raises DoesNotRun where the submission's process is gone.
        """
        is_too_much = self.stopped_at is not None and self.stopped_at <= self.small
        if is_too_much or process not in self.alone_s:
            return
        # What the submission fails at is told when it is timed by itself.
        try:
            ask = self._ask(self.small, process)
            warm_up(submission, ask, self.settings)
            self.turns[process] = timed_in_turns(
                submission, reference, (ask, self._ask(self.small, process)), self.settings
            )
            self.n_calls += sum(map(len, self.turns[process].submission_s))
        except DoesNotRun:
            raise
        except SystemFailure:
            return

    def result(self) -> Outcome | SystemFailure:
        if not sizes_that_ran(self.series, self.stopped_at):
            return self.failure or SystemFailure("No size could be timed.")
        return Outcome(values=record(self._findings()))

    def _findings(self) -> Findings:
        return Findings(
            formula=self.system.atoms.get_chemical_formula(mode="metal", empirical=True),
            series=self.series,
            small=self.small,
            large=self.large,
            stopped_at=self.stopped_at,
            stop_reason=self.stop_reason,
            stop_message=self.stop_message,
            batch_message=self.batch_message,
            turns=self.turns,
            alone_s=self.alone_s,
            reference_message=self.reference_message,
            n_calls=self.n_calls,
        )

    # ---------------------------------------------------------------------------------- sizes

    @property
    def small(self) -> int:
        return self._n_atoms(self.settings.small_n_atoms)

    @property
    def large(self) -> int:
        return self._n_atoms(self.settings.large_n_atoms)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left for the present process."""
        return not self._waiting

    def _repeats(self) -> dict[int, tuple[int, int, int]]:
        """Number of atoms -> how often the cell is repeated, for every size of the grid."""
        settings = self.settings
        wanted = {*GRID, settings.small_n_atoms, settings.large_n_atoms}
        repeated = (repeats(self.system.atoms, n) for n in sorted(wanted))
        by_size = {len(self.system.atoms) * int(np.prod(r)): r for r in repeated}
        most = max(settings.largest_n_atoms, self.large)
        return {n: r for n, r in by_size.items() if n <= most}

    def _n_atoms(self, at_least: int) -> int:
        return len(self.system.atoms) * int(np.prod(repeats(self.system.atoms, at_least)))

    def _would_take_too_long(self, size: int) -> bool:
        """Judged from the size before, as if the time grew in proportion."""
        before = max((n for n in self.series if n != BATCH and n < size), default=None)
        if size == BATCH or size <= self.large or before is None:
            return False
        settings = self.settings
        call_s = float(np.median(self.series[before].seconds[0])) * size / before
        n_warmup = min(settings.n_warmup, 1 + settings.warmup_limit_s / call_s)
        return call_s * (n_warmup + settings.min_calls) > settings.growth_limit_s

    def _stop(self, size: int, reason: str, message: str) -> None:
        self.stopped_at, self.stop_reason, self.stop_message = size, reason, message
        self._waiting = []

    # ---------------------------------------------------------------------------------- calls

    def _time(self, calculator: TimedCalculator, size: int, process: int) -> None:
        calculator.forget_memory_peak()
        calls = timed_calls(calculator, self._ask(size, process), self.settings)
        calculator.ask_again()
        self.n_calls += len(calls.seconds) + calls.n_warmup
        n_structures = self.settings.batch_n_structures if size == BATCH else 1
        n_atoms = self._n_atoms(self.settings.batch_n_atoms) if size == BATCH else size
        series = self.series.setdefault(size, Series(n_atoms=n_atoms, n_structures=n_structures))
        series.seconds[process] = calls.seconds
        series.n_warmup.append(calls.n_warmup)
        series.is_settled.append(calls.is_settled)
        peak = calculator.memory_peak()
        if peak is not None:
            series.memory_MiB.append(peak)

    def _ask(self, size: int, process: int) -> Callable[[], list[Atoms]]:
        """Makes the next call's structures: each atom displaced anew from its site."""
        is_batch = size == BATCH
        n_atoms = self._n_atoms(self.settings.batch_n_atoms) if is_batch else size
        atoms = self.system.atoms.repeat(repeats(self.system.atoms, n_atoms))
        n_structures = self.settings.batch_n_structures if is_batch else 1
        words = f"{self.system.id}/{size}/{process}".encode()
        seed = int.from_bytes(hashlib.sha256(words).digest()[:8], "little")
        rng = np.random.default_rng(seed)

        def ask() -> list[Atoms]:
            moved = []
            for _ in range(n_structures):
                copy = atoms.copy()
                copy.positions += rng.normal(0.0, self.settings.rattle_A, atoms.positions.shape)
                moved.append(copy)
            return moved

        return ask


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Seconds of the timed calls, and how they were warmed up to."""

    seconds: list[float]
    n_warmup: int
    #: Whether the warm-up ended by agreement; else by its limit in time.
    is_settled: bool


def timed_calls(
    calculator: TimedCalculator, ask: Callable[[], list[Atoms]], settings: SizeSettings
) -> Calls:
    """Warm up, then time. Structures are made outside the clock."""
    warm = warm_up(calculator, ask, settings)
    seconds: list[float] = []
    started = time.monotonic()
    while len(seconds) < settings.n_calls:
        seconds.append(calculator.time_call(ask()))
        is_over = time.monotonic() - started >= settings.time_per_size_s
        if is_over and len(seconds) >= settings.min_calls:
            break
    return Calls(seconds=seconds, n_warmup=len(warm), is_settled=has_settled(warm))


def warm_up(
    calculator: TimedCalculator, ask: Callable[[], list[Atoms]], settings: SizeSettings
) -> list[float]:
    """Seconds of the calls that were made until they settled, or the warm-up's time was over."""
    warm: list[float] = []
    started = time.monotonic()
    while not (len(warm) >= settings.n_warmup and has_settled(warm)):
        warm.append(calculator.time_call(ask()))
        if time.monotonic() - started >= settings.warmup_limit_s:
            break
    return warm


def timed_in_turns(
    submission: TimedCalculator,
    reference: TimedCalculator,
    asks: tuple[Callable[[], list[Atoms]], Callable[[], list[Atoms]]],
    settings: SizeSettings,
) -> Turns:
    """Short blocks of the one and of the other, the first of a pair being the second of the next.

    As many calls as a size has, in about twice its time: both are timed.
    """
    most, least = (max(2, -(-n // BLOCK_CALLS)) for n in (settings.n_calls, settings.min_calls))
    turns = Turns()
    parties = [(submission, asks[0], turns.submission_s), (reference, asks[1], turns.reference_s)]
    started = time.monotonic()
    for i in range(most):
        for calculator, ask, blocks in parties if i % 2 == 0 else parties[::-1]:
            blocks.append([calculator.time_call(ask()) for _ in range(BLOCK_CALLS)])
        is_over = time.monotonic() - started >= 2 * settings.time_per_size_s
        if is_over and i + 1 >= least:
            break
    return turns


def repeats(cell: Atoms, n_atoms: int) -> tuple[int, int, int]:
    """How often a cell is repeated along each edge to hold at least so many atoms, near a cube."""
    lengths = cell.cell.lengths()
    counts = [1, 1, 1]
    while len(cell) * np.prod(counts) < n_atoms:
        counts[int(np.argmin(lengths * counts))] += 1
    return counts[0], counts[1], counts[2]
