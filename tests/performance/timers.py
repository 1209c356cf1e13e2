"""Three ways to the same energies and forces, each timed from the first call to the last answer.

Each way runs in processes of its own, which have loaded the potential and made a call before the
clock starts. Loading is never counted.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import Any

from evaluator.driver.evaluation import evaluate
from evaluator.pool.pool import PoolPlan
from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.environment import ALLOCATOR
from tests.performance.workloads import Call, Workload, atoms_of

_SPAWN = multiprocessing.get_context("spawn")
_TIMEOUT_S = 600


def time_task(workload: Workload, sandbox: Sandbox, n_processes: int) -> dict[str, float]:
    """Seconds that the evaluation took: "work" (simulating and scoring), and the whole "wall"."""
    plan = PoolPlan(n_processes=n_processes, n_systems=2 * n_processes, origin="given")
    report = evaluate(
        workload.task,
        workload.submission,
        workload.artifact,
        workload.reference,
        sandbox=sandbox,
        plan=plan,
        only=workload.only,
    )
    if report.verdict != "ok":
        raise RuntimeError(f"{workload.name}: {report.verdict}: {report.message}")
    timings = report.provenance["timings"]
    work = timings["simulating_s"] + timings["scoring_s"]
    return {"work": work, "wall": report.wall_time_s}


def time_bare_calls(workload: Workload, calls: list[Call], n_processes: int) -> float:
    """Seconds of the model calls alone: as many processes of one thread, no sandbox, no wire.

    With the allocator's settings of a sandboxed calculator, so that these are not counted as the
    service's gain or loss.
    """
    with _environment(ALLOCATOR):
        return _timed(_bare_worker, workload, calls, n_processes)


def time_plain_ase(
    workload: Workload, calls: list[Call], version: str, n_threads: int | None
) -> float:
    """Seconds of a loop over the structures with CHGNet's own calculator, as a user writes it.

    One process in CHGNet's own precision (float32), with so many threads as torch takes by itself
    where ``n_threads`` is None.
    """
    return _timed(_ase_worker, workload, calls, 1, version, n_threads)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Variables for the processes that are started meanwhile; glibc reads them at the start."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def _timed(
    worker: Callable[..., None],
    workload: Workload,
    calls: list[Call],
    n_processes: int,
    *more: Any,
) -> float:
    """Wall time from the moment that all processes are ready until the last is done."""
    barrier = _SPAWN.Barrier(n_processes + 1)
    results: Queue[float] = _SPAWN.Queue()
    counter = _SPAWN.Value("i", 0)
    arguments = (workload, calls, counter, barrier, results, *more)
    processes = [_SPAWN.Process(target=worker, args=arguments) for _ in range(n_processes)]
    for process in processes:
        process.start()
    barrier.wait(_TIMEOUT_S)
    started = time.monotonic()
    ends = [results.get(timeout=_TIMEOUT_S) for _ in processes]
    for process in processes:
        process.join()
    return max(ends) - started  # the monotonic clock is one for all processes


def _bare_worker(
    workload: Workload,
    calls: list[Call],
    counter: Any,
    barrier: Barrier,
    results: Queue[float],
) -> None:
    adapter = workload.load(n_threads=1)
    structure, properties = calls[0]
    adapter.compute([structure], properties)
    barrier.wait(_TIMEOUT_S)
    while True:
        with counter.get_lock():
            index = counter.value
            counter.value += 1
        if index >= len(calls):
            break
        structure, properties = calls[index]
        adapter.compute([structure], properties)
    results.put(time.monotonic())


def _ase_worker(
    workload: Workload,
    calls: list[Call],
    counter: Any,
    barrier: Barrier,
    results: Queue[float],
    version: str,
    n_threads: int | None,
) -> None:
    import torch
    from chgnet.model.dynamics import CHGNetCalculator
    from chgnet.model.model import CHGNet

    if n_threads is not None:
        torch.set_num_threads(n_threads)
    calculator = CHGNetCalculator(
        CHGNet.load(model_name=version, use_device="cpu", verbose=False), use_device="cpu"
    )
    frames = [(atoms_of(structure), properties) for structure, properties in calls]
    first = frames[0][0].copy()
    first.calc = calculator
    first.get_potential_energy()
    barrier.wait(_TIMEOUT_S)
    for atoms, properties in frames:
        atoms.calc = calculator
        atoms.get_potential_energy()
        atoms.get_forces()
        if "stress" in properties:
            atoms.get_stress()
    results.put(time.monotonic())
