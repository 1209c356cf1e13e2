"""Which cores a sandbox runs on: as many as its plan has threads, and others than its neighbours.

A plan's threads are only what libraries are asked to start; the affinity is what holds, and the
system call filter refuses to change it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from evaluator.sandbox.lock_folder import lock_folder, try_lock

_LOCK_FOLDER = "touchstone-sandbox-cores"

#: Where the search for shared cores begins, so that those who find none free do not all meet.
_turn = itertools.count(os.getpid())


@dataclass(frozen=True)
class Cores:
    """Cores held by locks until released or this process ends."""

    numbers: tuple[int, ...]
    descriptors: list[int] = field(default_factory=list)

    def release(self) -> None:
        while self.descriptors:
            os.close(self.descriptors.pop())


def take_cores(n_wanted: int, *, is_shared: bool = False) -> Cores:
    """As many of our own cores as are wanted, or all: free ones first, then others in turn.

    Sharing is no fault: two evaluations may run on one host, each planned for all of it. What
    shares from the outset (our own driver) takes none from calculators.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if n_wanted >= len(allowed):
        return Cores(tuple(allowed))
    cores = Cores((), [])
    taken: list[int] = []
    if not is_shared:
        taken += itertools.islice(_free(lock_folder(_LOCK_FOLDER), allowed, cores), n_wanted)
    start = next(_turn) * n_wanted
    others = (allowed[(start + i) % len(allowed)] for i in range(len(allowed)))
    shared = (number for number in others if number not in taken)
    taken += itertools.islice(shared, n_wanted - len(taken))
    return Cores(tuple(sorted(taken)), cores.descriptors)


def _free(folder: Path, allowed: list[int], cores: Cores) -> Iterator[int]:
    """Free cores, each locked before it is named."""
    for number in allowed:
        descriptor = try_lock(folder / str(number))
        if descriptor is not None:
            cores.descriptors.append(descriptor)
            yield number
