"""What was timed on which hardware: evaluations of the protocol ``efficiency``."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count

from evaluator.contract import SystemStatus
from leaderboard.enums import EvaluationState, VersionState, Visibility
from leaderboard.models import Evaluation, Score, SystemResult
from leaderboard.models.disclosure import OF_OPEN, OPEN
from leaderboard.services.advice.question import ANY_CPU, ANY_GPU

_PROTOCOL = "efficiency"
_ATOM_TIME = "atom_time_median"
#: A processor's key begins with its number of threads; a GPU's with its name.
_CPU_KEY = re.compile(r"\d+ threads? of ")


@dataclass(frozen=True, kw_only=True)
class Hardware:
    key: str
    #: Public evaluations that were timed on it.
    n: int

    @property
    def is_gpu(self) -> bool:
        return not _CPU_KEY.match(self.key)


@dataclass(kw_only=True)
class Timing:
    """What one evaluation found, for estimates."""

    evaluation: uuid.UUID
    task_name: str
    #: What the calculator was allowed on the host; a GPU's own memory was not limited.
    limit_MiB: float | None
    #: What the device that it was timed on has; None where it was not told.
    device_MiB: float | None
    #: ``values`` of the records, one a material.
    materials: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def reach(self) -> int:
        """Atoms of the largest size that every material ran with; 0 without any."""
        return min((max(r["n_atoms"] for r in m["sizes"]) for m in self.materials), default=0)


def measured_hardware() -> list[Hardware]:
    """Hardware on which public submissions were timed, the most often first. One query."""
    rows = (
        _timed()
        .filter(
            submission__visibility=Visibility.PUBLIC,
            submission__withdrawn_at__isnull=True,
        )
        .order_by()
        .values_list("hardware_key")
        .annotate(n=Count("submission", distinct=True))
    )
    return sorted((Hardware(key=k, n=n) for k, n in rows), key=lambda h: (-h.n, h.key))


def chosen_hardware(name: str, measured: Iterable[Hardware]) -> str:
    """The key that a wish stands for; empty where nothing of the kind was timed."""
    for hardware in measured:
        is_meant = {"": True, ANY_GPU: hardware.is_gpu, ANY_CPU: not hardware.is_gpu}
        if is_meant.get(name, hardware.key == name):
            return hardware.key
    return ""


def timings(submissions: Iterable[uuid.UUID], hardware: str) -> dict[uuid.UUID, Timing]:
    """Timings by submission, of those timed on this hardware; of several evaluations the farthest
    reaching. Two queries.
    """
    evaluations = list(
        _timed()
        .filter(submission__in=list(submissions), hardware_key=hardware)
        .values_list(
            "pk",
            "submission_id",
            "task_version__task__name",
            "task_version__limits__memory_MiB",
            "provenance__timing__device_before__gpu__memory_total_MiB",
            "provenance__hardware__memory_MiB",
        )
    )
    timed = {
        pk: Timing(
            evaluation=pk,
            task_name=task,
            limit_MiB=limit,
            device_MiB=host if _CPU_KEY.match(hardware) else gpu,
        )
        for pk, _, task, limit, gpu, host in evaluations
    }
    for pk, values in (
        SystemResult.objects.filter(evaluation__in=list(timed), status=SystemStatus.OK)
        .order_by("evaluation", "position")
        .values_list("evaluation_id", "values")
    ):
        if values.get("sizes"):
            timed[pk].materials.append(values)
    best: dict[uuid.UUID, Timing] = {}
    for pk, submission, *_ in evaluations:
        timing = timed[pk]
        if timing.materials and timing.reach > (
            best[submission].reach if submission in best else 0
        ):
            best[submission] = timing
    return best


def atom_times(evaluations: Collection[uuid.UUID]) -> dict[uuid.UUID, float]:
    """Median time per atom and step in µs, by evaluation; those without one are left out."""
    scores = Score.objects.filter(
        OF_OPEN, evaluation__in=evaluations, metric=_ATOM_TIME, value__gt=0
    )
    return {score.evaluation_id: score.value for score in scores if score.value is not None}


def _timed() -> Any:  # noqa: ANN401  (a QuerySet of evaluations)
    return Evaluation.objects.filter(
        OPEN,
        task_version__protocol=_PROTOCOL,
        is_current=True,
        state=EvaluationState.SUCCEEDED,
        why_unreliable="",
    ).exclude(task_version__state=VersionState.DRAFT)
