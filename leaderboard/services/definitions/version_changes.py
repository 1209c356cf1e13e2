"""New versions of tasks and benchmarks from old ones, and what differs between two."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Max

from evaluator.catalog import PROTOCOLS
from leaderboard.enums import VersionState
from leaderboard.models import BenchmarkTask, BenchmarkVersion, TaskVersion

_TEXTS = ("description", "limitations")
_COPIED = (
    *("protocol", "parameters", "reference_set", "metrics", "limits", "min_coverage", "seed"),
    *_TEXTS,
)


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """One field that differs; None where a version does not have it."""

    field: str
    old: Any
    new: Any
    #: Of a longer text: lines with "+ ", "- " or "  " in front.
    lines: tuple[str, ...] = ()


def new_task_version(old: TaskVersion) -> TaskVersion:
    """A draft like an old version, for the protocol's code as it is now."""
    with transaction.atomic():
        task = type(old.task).objects.select_for_update().get(pk=old.task_id)
        newest = task.versions.aggregate(newest=Max("number"))["newest"] or 0
        return TaskVersion.objects.create(
            task=task,
            number=newest + 1,
            protocol_version=PROTOCOLS[old.protocol].version,
            **{name: getattr(old, name) for name in _COPIED},
        )


def new_benchmark_version(old: BenchmarkVersion) -> BenchmarkVersion:
    """A draft with the same tasks, each in its newest published version."""
    with transaction.atomic():
        benchmark = type(old.benchmark).objects.select_for_update().get(pk=old.benchmark_id)
        newest = benchmark.versions.aggregate(newest=Max("number"))["newest"] or 0
        new = BenchmarkVersion.objects.create(benchmark=benchmark, number=newest + 1)
        for entry in old.entries.select_related("task_version__task"):
            current = entry.task_version.task.current_version() or entry.task_version
            BenchmarkTask.objects.create(
                benchmark_version=new,
                task_version=current,
                category=entry.category,
                weight=entry.weight,
                category_weight=entry.category_weight,
                position=entry.position,
            )
    return new


def previous(version: TaskVersion) -> TaskVersion | None:
    """The version that was published before this one."""
    return (
        version.task.versions.filter(number__lt=version.number)
        .exclude(state=VersionState.DRAFT)
        .order_by("-number")
        .first()
    )


def task_changes(old: TaskVersion, new: TaskVersion) -> list[FieldChange]:
    """What differs, field by field."""
    before, after = _flat(old), _flat(new)
    names = [*before, *(name for name in after if name not in before)]
    changes = [
        FieldChange(field=name, old=before.get(name), new=after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]
    for name in _TEXTS:
        a, b = getattr(old, name), getattr(new, name)
        if a != b:
            lines = tuple(x for x in difflib.ndiff(a.splitlines(), b.splitlines()) if x[0] != "?")
            changes.append(FieldChange(field=name, old=a, new=b, lines=lines))
    return changes


def benchmark_changes(old: BenchmarkVersion, new: BenchmarkVersion) -> list[FieldChange]:
    """Which tasks came, went, or have another version, place or weight."""
    before, after = entries_in_words(old), entries_in_words(new)
    return [
        FieldChange(field=name, old=before.get(name), new=after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _flat(version: TaskVersion) -> dict[str, Any]:
    """Flatten values to names with dots; limits and metrics complete with their defaults."""
    metrics = {metric.key: metric.to_json() for metric in version.scored_metrics()}
    flat: dict[str, Any] = {
        "protocol": f"{version.protocol} {version.protocol_version}",
        "reference_set": str(version.reference_set) if version.reference_set else None,
        "min_coverage": version.min_coverage,
        "seed": version.seed,
    }
    flat |= {f"parameters.{name}": value for name, value in version.parameters.items()}
    for key, row in metrics.items():
        flat |= {f"metrics.{key}.{name}": value for name, value in row.items() if name != "key"}
    limits = version.spec().limits.to_json()
    return flat | {f"limits.{name}": value for name, value in limits.items()}


def entries_in_words(version: BenchmarkVersion) -> dict[str, str]:
    """Version, category and weights of each task, by its slug."""
    return {
        entry.task_version.task.slug: (
            f"version {entry.task_version.number} in {entry.category} (weight {entry.weight:g}, "
            f"category {entry.category_weight:g})"
        )
        for entry in version.entries.select_related("task_version__task")
    }
