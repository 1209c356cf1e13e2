"""A board with speed, for the pages that help to decide. No real numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils import timezone

from leaderboard import models
from leaderboard.enums import VersionState
from tests.leaderboard import factories
from tests.leaderboard.timings import efficiency_task, material, timed

FORCE_METRICS = [{"key": "force_mae", "good": 0.02, "bad": 0.5, "worst": 1.0, "noise": 0.005}]
LI_P_S = ["Li", "P", "S"]


@dataclass(frozen=True)
class Advice:
    benchmark: models.BenchmarkVersion
    forces: models.TaskVersion
    dynamics: models.TaskVersion
    crystals: models.TaskVersion
    efficiency: models.TaskVersion


def build_board(slug: str = "core") -> Advice:
    """Forces, dynamics and crystals count; efficiency stands beside."""
    forces = _task("forces", "energy_forces", FORCE_METRICS)
    heated = {"temperature_K": 300.0, "final_temperature_K": 3000.0}
    dynamics = _task("heating", "md_stability", factories.METRICS, parameters=heated)
    crystals = _task("crystals", "equation_of_state", factories.METRICS)
    efficiency = efficiency_task()
    rows = {forces: "Forces", dynamics: "Stability", crystals: "Crystals", efficiency: "Efficiency"}
    named = models.Benchmark.objects.create(slug=slug, name=slug.capitalize(), summary="All.")
    benchmark = models.BenchmarkVersion.objects.create(benchmark=named, number=1)
    for position, (task, category) in enumerate(rows.items()):
        models.BenchmarkTask.objects.create(
            benchmark_version=benchmark,
            task_version=task,
            category=category,
            category_weight=float(category != "Efficiency"),
            position=position,
        )
    benchmark.state, benchmark.published_at = VersionState.PUBLISHED, timezone.now()
    benchmark.save()
    return Advice(benchmark, forces, dynamics, crystals, efficiency)


def _task(slug: str, protocol: str, metrics: Any, **fields: Any) -> models.TaskVersion:
    task = models.Task.objects.create(slug=slug, name=slug.capitalize(), summary=slug)
    return factories.task_version(task, protocol=protocol, metrics=metrics, **fields)


def add(
    world: Advice,
    slug: str,
    score: float,
    *,
    us_per_atom: float | None = 100.0,
    elements: list[str] | None = LI_P_S,
    skills: dict[str, float | None] | None = None,
    deltas: dict[str, float] | None = None,
    owner: Any = None,
    seed: int = 0,
    scores: tuple[float, float, float] | None = None,
    **fields: Any,
) -> models.Submission:
    """A potential with this score on all tasks, and times of so much an atom (None: not timed).

    ``skills`` are those on systems of the task of forces, by their elements.
    Replicates of all swing together; each has a little of its own.
    """
    visibility = fields.pop("visibility", "public")
    withdrawn_at = fields.pop("withdrawn_at", None)
    kind = fields.pop("calculator_kind", "mace")
    potential = factories.potential(
        owner,
        slug=slug,
        **{"name": slug.capitalize(), "licence": "MIT", "level_of_theory": "PBE", **fields},
    )
    submission = factories.submission(
        potential, supported_elements=elements, visibility=visibility,
        withdrawn_at=withdrawn_at, version="1", calculator_kind=kind,
    )  # fmt: skip
    tasks = (world.forces, world.dynamics, world.crystals)
    for task, value in zip(tasks, scores or (score,) * 3, strict=True):
        common = np.random.default_rng(task.pk).normal(0, 0.05, 200)
        own = np.random.default_rng(1000 * seed + task.pk).normal(0, 0.005, 200)
        replicates = np.clip(value + common + own, 0, 1)
        low, high = np.quantile(replicates, [0.025, 0.975])
        evaluation = factories.evaluation(
            submission, task, score=value, score_low=low, score_high=high,
            replicates=replicates.tolist(), n_systems=3,
        )  # fmt: skip
        if skills and task is world.forces:
            factories.skill_table(evaluation, list(skills.values()), list(skills))
    crystals = submission.evaluations.get(task_version=world.crystals)
    for n, (element, delta) in enumerate((deltas or {}).items()):
        models.SystemResult.objects.create(
            evaluation=crystals, position=n, system_id=element, status="ok",
            values={"element": element, "delta_meV": delta, "bulk_modulus_GPa": 50.0 + delta},
            reference={"bulk_modulus_GPa": 50.0},
        )  # fmt: skip
    if us_per_atom is not None:
        timed(submission, world.efficiency, material(us_per_atom=us_per_atom), score=0.5)
    return submission
