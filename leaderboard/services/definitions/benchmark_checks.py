"""Judges a benchmark version before it is published, and its form when it is saved."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.enums import VersionState
from leaderboard.models import BenchmarkTask, BenchmarkVersion


def check_benchmark_version(version: BenchmarkVersion) -> dict[str, str]:
    """Return field -> sentence for everything that is wrong; empty when it can be published."""
    return check_entries(list(version.entries.select_related("task_version__task")))


def check_entries(entries: Sequence[BenchmarkTask]) -> dict[str, str]:
    """The same of rows that may not be stored yet."""
    if not entries:
        return {"entries": "It has no task. Put at least one published task version into it."}
    complaints = [_complaint(entry) for entry in entries]
    complaints += [
        f"{slug} stands in it more than once: choose one of its versions."
        for slug in repeated_tasks(entries)
    ]
    errors: dict[str, str] = {}
    if wrong := [text for text in complaints if text]:
        errors["entries"] = " ".join(wrong)
    elif sum(e.weight * e.category_weight for e in entries) <= 0:
        errors["weight"] = "At least one weight must be positive."
    weights: dict[str, set[float]] = {}
    for entry in entries:
        weights.setdefault(entry.category, set()).add(entry.category_weight)
    uneven = [category for category, values in weights.items() if len(values) > 1]
    if uneven:
        errors["category_weight"] = f"{', '.join(uneven)}: give all rows the same weight."
    return errors


def repeated_tasks(entries: Sequence[BenchmarkTask]) -> list[str]:
    """Slugs of the tasks that stand in more than one row."""
    slugs = [entry.task_version.task.slug for entry in entries]
    return sorted(slug for slug in set(slugs) if slugs.count(slug) > 1)


def _complaint(entry: BenchmarkTask) -> str:
    """Empty for a task version that can stand in a benchmark."""
    version = entry.task_version
    if version.state == VersionState.DRAFT:
        return f"{version}: publish the task version first."
    if version.state == VersionState.RETIRED:
        return f"{version} is retired: take another version, or leave the task out."
    return ""
