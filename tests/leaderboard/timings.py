"""Evaluations of the protocol efficiency for tests. Times follow a power law exactly."""

from __future__ import annotations

from typing import Any

from leaderboard import models
from tests.leaderboard import factories

GPU = "NVIDIA H200, 16 threads of Example CPU"
CPU = "2 threads of Example CPU"
METRICS = [
    {"key": "atom_time_median", "good": 10.0, "bad": 10000.0, "worst": 100000.0, "scale": "log"}
]


def efficiency_task(slug: str = "efficiency") -> models.TaskVersion:
    task = models.Task.objects.create(slug=slug, name=slug.capitalize(), summary="Time of a call.")
    return factories.task_version(
        task, protocol="efficiency", metrics=METRICS, limits={"memory_MiB": 6144}
    )


def material(
    sizes: tuple[int, ...] = (8, 64, 1000),
    *,
    us_per_atom: float = 100.0,
    exponent: float = 1.0,
    MiB_per_atom: float = 1.0,
    **values: Any,
) -> dict[str, Any]:
    """At one atom ``us_per_atom``; memory 100 MiB and so much for each atom."""
    return {
        "formula": "Si",
        "largest_n_atoms": sizes[-1],
        "first_failed_n_atoms": None,
        "first_failed_reason": "",
        "scaling_exponent": exponent,
        "scaling_exponent_low": exponent - 0.1,
        "scaling_exponent_high": exponent + 0.1,
        "scaling_prefactor_ms": us_per_atom / 1e3,
        "scaling_smallest_n_atoms": sizes[0],
        "scaling_largest_n_atoms": sizes[-1],
        "sizes": [
            {
                "n_atoms": n,
                "median_ms": us_per_atom / 1e3 * n**exponent,
                "q1_ms": 0.9 * us_per_atom / 1e3 * n**exponent,
                "q3_ms": 1.1 * us_per_atom / 1e3 * n**exponent,
                "memory_peak_MiB": 100.0 + MiB_per_atom * n,
            }
            for n in sizes
        ],
        **values,
    }


def timed(
    submission: models.Submission,
    task: models.TaskVersion,
    *materials: dict[str, Any],
    hardware: str = GPU,
    why_unreliable: str = "",
    score: float = 0.5,
    device_MiB: float = 143771.0,
    provenance_too: dict[str, Any] | None = None,
) -> models.Evaluation:
    """On a device of so much memory, of which a material's record tells what it took."""
    on_gpu = {"timing": {"device_before": {"gpu": {"memory_total_MiB": device_MiB}}}}
    evaluation = factories.evaluation(
        submission,
        task,
        score=score,
        hardware_key=hardware,
        why_unreliable=why_unreliable,
        score_low=score - 0.05,
        score_high=score + 0.05,
        provenance={**on_gpu, "hardware": {"memory_MiB": device_MiB}, **(provenance_too or {})},
    )
    for n, values in enumerate(materials or (material(),)):
        models.SystemResult.objects.create(
            evaluation=evaluation, position=n, system_id=f"m{n}", status="ok", values=values
        )
    return evaluation
