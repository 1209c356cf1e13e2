"""Efficiency: how long a force call takes, how that grows, what it needs, how far it goes.

A system of the reference set is a material's conventional cell. It is repeated to growing sizes and
the atoms are displaced anew for every call, so that nothing can be answered from a cache and a
neighbour list is made inside the clock. Cells are turned and permuted like all that is scored, else
a submission could tell what is timed, and one structure of each size is asked again without the
clock: an answer that was quick and wrong is no answer.

In each of several rounds a fresh process of the reference potential and one of the submission are
first timed in short blocks that alternate, for the ratio of the two; then the submission by itself,
and a null calculator. Where rounds differ too much the report says so, and they are not ranked. A
size at which memory or the time of a call runs out ends the growth of its material and is data: the
largest size that ran, the first that did not, and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import numpy as np

from evaluator.protocols.base import (
    Outcome,
    Sample,
    Statistic,
    System,
    SystemFailure,
    require_periodic,
    require_systems,
)
from evaluator.protocols.efficiency.material import Material, SizeSettings
from evaluator.protocols.efficiency.records import why_unreliable
from evaluator.protocols.efficiency.timed import Bench, DoesNotRun, Role, TimedProtocol


class EfficiencyProtocol(TimedProtocol):
    """Latency, time per atom, throughput, memory and largest size; batched calls apart."""

    name = "efficiency"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        for system in systems:
            require_periodic(system)

    def measure(
        self, systems: Sequence[System], bench: Bench, parameters: Mapping[str, Any]
    ) -> list[Outcome | SystemFailure]:
        settings = SizeSettings(**parameters)
        materials = [Material(system, settings) for system in systems]
        for process in range(settings.n_processes):
            _time_submission(materials, bench, process)
            _time_null(materials, bench, process)
        return [material.result() for material in materials]

    def why_unreliable(self, outcomes: Sequence[Outcome | None]) -> str:
        return why_unreliable([outcome.values for outcome in outcomes if outcome is not None])

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        has_run = np.array([o is not None for o in outcomes], dtype=bool)

        def sample(name: str, *, is_optional: bool = False) -> Sample:
            """What a potential did not reach is charged; what is optional is left out."""
            numbers = [np.nan if o is None else o.values.get(name) for o in outcomes]
            values = np.array([np.nan if x is None else x for x in numbers], dtype=float)
            missing = has_run & ~np.isfinite(values) & is_optional
            return Sample(
                values=values,
                weights=np.ones(len(values)),
                missing=missing,
                statistic=Statistic.GEOMETRIC_MEAN,
            )

        batches = sample("batched_structures_s"), sample("batched_atom_steps_s")
        if not parameters["batch_n_structures"]:
            nothing = np.ones(len(outcomes), dtype=bool)
            batches = replace(batches[0], missing=nothing), replace(batches[1], missing=nothing)
        exponent = sample("scaling_exponent", is_optional=True)
        return {
            "call_time_median": sample("call_time_ms"),
            "atom_time_median": sample("atom_time_us"),
            "throughput_max": sample("throughput_atom_steps_s"),
            "largest_system_size": sample("largest_n_atoms"),
            "batched_structure_throughput_max": batches[0],
            "batched_throughput_max": batches[1],
            "reference_time_ratio": sample("reference_ratio", is_optional=True),
            "scaling_exponent": replace(exponent, statistic=Statistic.MEAN),
            "memory_peak": sample("memory_peak_MiB", is_optional=True),
        }, [{} for _ in systems]


# ----------------------------------------------------------------------------- in turns


def _time_null(materials: Sequence[Material], bench: Bench, process: int) -> None:
    with bench.calculator(Role.NULL) as calculator:
        for material in materials:
            material.time_null(calculator, process)


def _time_submission(materials: Sequence[Material], bench: Bench, process: int) -> None:
    """A process that dies of a size is replaced for what comes after it."""
    n_processes = materials[0].settings.n_processes
    for material in materials:
        material.begin_process()
    wants_ratio = bench.has_reference
    while waiting := [material for material in materials if not material.is_done]:
        with suppress(DoesNotRun), ExitStack() as alive:
            reference = None
            if wants_ratio:
                # Once in a round: what is too much for the submission is found again by itself.
                wants_ratio, reference = False, alive.enter_context(ExitStack())
                other = reference.enter_context(bench.calculator(Role.REFERENCE))
                for material in waiting:
                    material.time_reference_alone(other, process)
            calculator = alive.enter_context(bench.calculator(Role.SUBMISSION))
            if reference is not None:
                for material in waiting:
                    material.time_in_turns(calculator, other, process)
                # The submission is timed by itself.
                reference.close()
            for material in waiting:
                while not material.is_done:
                    material.time_next(calculator, process)
                n_done = sum(m.is_done for m in materials)
                bench.tell(process * len(materials) + n_done, n_processes * len(materials))
