"""New versions of tasks and benchmarks from old ones, and what differs between two."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction

from evaluator.catalog import PROTOCOLS
from leaderboard.enums import VersionState
from leaderboard.models import BenchmarkTask, BenchmarkVersion, TaskVersion

_TEXTS = ("description", "limitations")
_COPIED = (
    *("protocol", "parameters", "reference_set", "metrics", "limits", "min_coverage", "seed"),
    *_TEXTS,
)


_Version = TypeVar("_Version", TaskVersion, BenchmarkVersion)


@dataclass(frozen=True, kw_only=True)
class FieldChange:
    """One field that differs; None where a version does not have it."""

    field: str
    old: Any
    new: Any
    #: Of a longer text: lines with "+ ", "- " or "  " in front.
    lines: tuple[str, ...] = ()


def new_task_version(old: TaskVersion) -> TaskVersion:
    """A draft like an old version, for the protocol's code as it is now.

    One that nobody has touched yet is not made twice: a second click gets the same.
    """
    with transaction.atomic():
        task = type(old.task).objects.select_for_update().get(pk=old.task_id)
        newest = task.versions.order_by("-number").first()
        fields = {name: getattr(old, name) for name in _COPIED}
        fields["protocol_version"] = PROTOCOLS[old.protocol].version
        if newest is not None and _is_untouched_draft(newest, old, fields):
            return newest
        number = 1 if newest is None else newest.number + 1
        return TaskVersion.objects.create(task=task, number=number, **fields)


def new_benchmark_version(old: BenchmarkVersion) -> BenchmarkVersion:
    """A draft with the same tasks, each in its newest published version; not made twice."""
    with transaction.atomic():
        benchmark = type(old.benchmark).objects.select_for_update().get(pk=old.benchmark_id)
        entries = list(old.entries.select_related("task_version__task"))
        for entry in entries:
            entry.task_version = entry.task_version.task.current_version() or entry.task_version
        newest = benchmark.versions.order_by("-number").first()
        is_draft = newest is not None and newest.state == VersionState.DRAFT and newest != old
        if newest is not None and is_draft and entries_in_words(newest) == _in_words(entries):
            return newest
        number = 1 if newest is None else newest.number + 1
        new = BenchmarkVersion.objects.create(benchmark=benchmark, number=number)
        for entry in entries:
            BenchmarkTask.objects.create(
                benchmark_version=new,
                task_version=entry.task_version,
                category=entry.category,
                weight=entry.weight,
                category_weight=entry.category_weight,
                position=entry.position,
            )
    return new


def _is_untouched_draft(version: TaskVersion, old: TaskVersion, fields: dict[str, Any]) -> bool:
    is_draft = version.state == VersionState.DRAFT and version != old
    return is_draft and all(getattr(version, name) == value for name, value in fields.items())


def previous(version: _Version) -> _Version | None:
    """The version of the same task or benchmark that was published before this one."""
    named = version.task if isinstance(version, TaskVersion) else version.benchmark
    earlier: Any = named.versions.filter(number__lt=version.number)
    found: _Version | None = earlier.exclude(state=VersionState.DRAFT).order_by("-number").first()
    return found


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
    return _in_words(version.entries.select_related("task_version__task"))


def _in_words(entries: Iterable[BenchmarkTask]) -> dict[str, str]:
    return {
        entry.task_version.task.slug: (
            f"version {entry.task_version.number} in {entry.category} (weight {entry.weight:g}, "
            f"category {entry.category_weight:g})"
        )
        for entry in entries
    }
