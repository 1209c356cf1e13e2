"""How force calls are served best, measured on structures of the task before it begins.

Tried are larger batches and, where single calls are long, one process with all cores as its
threads. Measuring must cost less than it can bring: it is left out where the task will be short,
takes a small share of a long one, and what it found is kept for as long as this process lives.

Numbers hardly depend on the plan: what meets in a batch changes the last digits. On a CPU a plan
must be faster by ``MIN_GAIN`` to displace the rule of one structure at a time, so that most
evaluations on a CPU do not depend on it at all. Dynamics, which amplifies last digits, is never
calibrated there (``Protocol.expected_calls``), and nothing is where a plan was given.
"""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np

from evaluator.driver.preparation import Prepared
from evaluator.host import machine
from evaluator.pool.pool import CalculatorPool, Candidate, PoolPlan, Session
from evaluator.pool.remote import Disguise, seed_of, structure_of
from evaluator.protocols.base import System
from evaluator.wire import Answer, Structure

#: A task that the plan of the rule does in less time or fewer calls is not calibrated.
MIN_TASK_S = 40.0
MIN_CALLS = 500
#: Share of the expected time that measuring may take, and its bounds.
BUDGET_SHARE = 0.05
BUDGET_S = (2.0, 8.0)
MIN_GAIN = 0.15
#: Loading processes of another kind takes seconds: only for long tasks of long calls.
MIN_TASK_TO_LOAD_S = 300.0
MIN_CALL_TO_LOAD_S = 0.15
N_SAMPLE = 8
BATCHES = {"cpu": (1, 4, 16), "cuda": (16, 64, 256)}
_MAX_SYSTEMS = 256
_N_REPEATS = 2
_POLL_S = 0.2

Start = Callable[[int, Callable[[Session], None]], Session]
"""Starts a session with so many threads, handing it to the second argument before it loads."""


@dataclass(frozen=True)
class _Key:
    """What the best plan depends on."""

    artifact_sha256: str
    kind: str
    device: str
    dtype: str
    size_class: int
    host: tuple[str, int]
    limits: tuple[int, int]


_known: dict[_Key, PoolPlan] = {}
_lock = threading.Lock()


def known_plan(prepared: Prepared, device: str, rule: PoolPlan) -> PoolPlan | None:
    """The plan that an earlier evaluation in this process has found for the like of this one."""
    with _lock:
        return _known.get(_key(prepared, device, rule))


def forget_plans() -> None:
    """Forget what was measured; for tests."""
    with _lock:
        _known.clear()


def plans_to_json() -> str:
    """All that was found here, for the driver's next process."""
    with _lock:
        return json.dumps([[asdict(key), asdict(plan)] for key, plan in _known.items()])


def learn_plans(text: str) -> None:
    """Take over what an earlier process of the driver has found. Raises ValueError, TypeError."""
    for key, plan in json.loads(text):
        tuples = {name: tuple(key[name]) for name in ("host", "limits")}
        candidates = tuple(Candidate(**candidate) for candidate in plan["candidates"])
        with _lock:
            _known[_Key(**{**key, **tuples})] = PoolPlan(**{**plan, "candidates": candidates})


def calibrate(
    pool: CalculatorPool,
    prepared: Prepared,
    systems: Sequence[System],
    *,
    properties: Sequence[str],
    device: str,
    start: Start,
    watch: Callable[[], None],
) -> PoolPlan:
    """Find the plan for a pool that has loaded by the rule's, and make the pool follow it.

    Raises what ends the pool, and what ``watch`` raises, which is called several times a second.
    """
    rule = pool.plan
    n_calls = len(systems) * prepared.protocol.expected_calls(prepared.parameters)
    if n_calls < MIN_CALLS:
        return rule
    trial = _Trial(pool, _sample(prepared, systems), properties, watch)
    # The first call of a process is slow, and of the largest structure: this is the most.
    if n_calls * trial.time_calls(1) / rule.n_processes < MIN_TASK_S:
        pool.retire_idle_slots()
        return rule
    trial.time_calls(rule.n_processes)
    expected_s = n_calls * trial.time_calls(N_SAMPLE) / N_SAMPLE
    call_s = expected_s / n_calls * rule.n_processes
    if expected_s < MIN_TASK_S:
        pool.retire_idle_slots()
        return rule

    trial.budget_s = float(np.clip(BUDGET_SHARE * expected_s, *BUDGET_S))
    groups = {(rule.n_processes, rule.n_threads): pool.serving}
    if _may_load(device, rule, expected_s, call_s):
        n_threads = rule.n_processes * rule.n_threads
        slots = pool.add_slots(1, partial(start, n_threads))
        trial.wait_for_slots()
        groups[1, n_threads] = tuple(slots)
    plan = _measure(trial, rule, groups, device)
    pool.serve_with(groups[plan.n_processes, plan.n_threads], plan)
    pool.retire_idle_slots()
    with _lock:
        _known[_key(prepared, device, rule)] = plan
    return plan


class _Trial:
    """Times a pool's answers to a sample of structures."""

    def __init__(
        self,
        pool: CalculatorPool,
        sample: Sequence[Structure],
        properties: Sequence[str],
        watch: Callable[[], None],
    ) -> None:
        self.pool, self.sample, self.properties, self.watch = pool, sample, properties, watch
        self.budget_s = 0.0

    def time_calls(self, n: int) -> float:
        """Seconds in which the pool answers n structures of the sample, asked all at once."""
        structures = [self.sample[i % len(self.sample)] for i in range(n)]
        started = time.perf_counter()
        pending: set[Future[Answer]] = set(self.pool.submit(structures, self.properties))
        while pending:
            _, pending = wait(pending, _POLL_S)
            self.pool.check()
            self.watch()
        return time.perf_counter() - started

    def wait_for_slots(self) -> None:
        while self.pool.wait_until_loaded(_POLL_S) < self.pool.n_slots:
            self.watch()


def _measure(
    trial: _Trial, rule: PoolPlan, groups: dict[tuple[int, int], tuple[int, ...]], device: str
) -> PoolPlan:
    """Time every group of slots with every batch, the small ones first, within the budget."""
    started, per_structure_s = time.perf_counter(), 0.0
    measured: list[tuple[Candidate, PoolPlan]] = []
    for max_batch in BATCHES["cuda" if device.startswith("cuda") else "cpu"]:
        for (n_processes, n_threads), slots in groups.items():
            n = max(2 * n_processes * max_batch, 2 * N_SAMPLE)
            expected_s = time.perf_counter() - started + _N_REPEATS * n * per_structure_s
            if measured and expected_s > trial.budget_s:
                continue
            plan = _plan(rule, n_processes, n_threads, max_batch)
            trial.pool.serve_with(slots, plan)
            per_structure_s = min(trial.time_calls(n) for _ in range(_N_REPEATS)) / n
            candidate = Candidate(
                n_processes=n_processes,
                n_threads=n_threads,
                max_batch=max_batch,
                structures_per_s=round(1 / per_structure_s, 3),
            )
            measured.append((candidate, plan))
    return _choose(measured, rule)


def _choose(measured: Sequence[tuple[Candidate, PoolPlan]], rule: PoolPlan) -> PoolPlan:
    """The fastest, or the rule's own where no other is clearly faster."""
    candidates = tuple(candidate for candidate, _ in measured)
    best, plan = max(measured, key=lambda pair: pair[0].structures_per_s)
    own = [
        (c, p)
        for c, p in measured
        if (c.n_processes, c.n_threads, c.max_batch)
        == (rule.n_processes, rule.n_threads, rule.max_batch)
    ]
    if own and best.structures_per_s < (1 + MIN_GAIN) * own[0][0].structures_per_s:
        plan = rule
    return replace(plan, origin="calibration", candidates=candidates)


def _plan(rule: PoolPlan, n_processes: int, n_threads: int, max_batch: int) -> PoolPlan:
    """A plan with as many systems side by side as keep every slot supplied with full batches."""
    n_systems = min(_MAX_SYSTEMS, 2 * n_processes * max_batch)
    return replace(
        rule,
        n_processes=n_processes,
        n_threads=n_threads,
        max_batch=max_batch,
        n_systems=n_systems,
    )


def _may_load(device: str, rule: PoolPlan, expected_s: float, call_s: float) -> bool:
    is_long = expected_s > MIN_TASK_TO_LOAD_S and call_s > MIN_CALL_TO_LOAD_S
    return not device.startswith("cuda") and rule.n_processes > 1 and is_long


def _sample(prepared: Prepared, systems: Sequence[System]) -> list[Structure]:
    """Structures of the task, of all sizes, disguised like every other call; the largest first."""
    by_size = sorted(systems, key=lambda system: -len(system.atoms))
    places = np.linspace(0, len(by_size) - 1, min(N_SAMPLE, len(by_size)))
    chosen = [by_size[int(place)] for place in places]
    task = prepared.task
    return [
        Disguise.from_seed(seed_of("calibration", task.slug, task.version, task.seed, s.id)).apply(
            structure_of(s.atoms)
        )
        for s in chosen
    ]


def _key(prepared: Prepared, device: str, rule: PoolPlan) -> _Key:
    n_atoms = statistics.median(len(system.atoms) for system in prepared.systems)
    return _Key(
        artifact_sha256=prepared.submission.artifact_sha256,
        kind=prepared.submission.calculator_kind,
        device=device,
        dtype=prepared.dtype,
        size_class=round(np.log2(max(1.0, n_atoms))),
        host=(machine.cpu_model(), machine.n_cores()),
        limits=(rule.n_processes, rule.n_threads),
    )
