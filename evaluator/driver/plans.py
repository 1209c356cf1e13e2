"""How the calls of an evaluation are served, before anything is measured."""

from __future__ import annotations

from dataclasses import replace

from evaluator.driver.calibration import known_plan
from evaluator.driver.preparation import Prepared
from evaluator.host import machine
from evaluator.pool.pool import PoolPlan, plan_pool


def plan_of(prepared: Prepared, plan: PoolPlan | None, device: str) -> PoolPlan:
    """The plan that was given, else the default; one process with all threads for what is timed."""
    if prepared.description.is_timed:
        n_threads = plan.n_threads if plan is not None else machine.n_cores()
        return PoolPlan(n_processes=1, n_threads=n_threads, n_systems=1, origin="timed")
    if plan is not None:
        return replace(plan, origin="given")
    return _default_plan(prepared, device)


def _default_plan(prepared: Prepared, device: str) -> PoolPlan:
    """Plan as many processes as there are cores, systems, and room for their memory."""
    per_process = max(1, prepared.task.limits.memory_MiB)
    room = max(1, machine.available_memory() // per_process)
    rule = plan_pool(
        device, machine.n_cores(), max_processes=min(room, max(1, len(prepared.systems)))
    )
    return known_plan(prepared, device, rule) or rule
