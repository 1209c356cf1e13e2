"""What is published, as pages list it: benchmarks, tasks, the reference sets beneath them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import QuerySet

from leaderboard.enums import VersionState
from leaderboard.models import (
    Benchmark,
    BenchmarkTask,
    BenchmarkVersion,
    ReferenceSet,
    Task,
    TaskVersion,
)
from leaderboard.models.task import TaskVersionQuerySet


def published_benchmarks() -> QuerySet[Benchmark]:
    """By their names."""
    return Benchmark.objects.all().published().order_by("name")


def published_tasks() -> QuerySet[Task]:
    return Task.objects.all().published().order_by("slug")


def current_version_of(benchmark: str) -> BenchmarkVersion | None:
    """None where there is no such benchmark, and where nothing of it is published."""
    row = Benchmark.objects.filter(slug=benchmark).first()
    return row.current_version() if row else None


def published_addresses() -> Iterable[tuple[str, int]]:
    """Slug and number of every published benchmark version."""
    published = BenchmarkVersion.objects.all().published().order_by("pk")
    return published.values_list("benchmark__slug", "number")


def shown_benchmark_versions() -> list[BenchmarkVersion]:
    """The published and the retired ones, with their benchmarks."""
    return list(BenchmarkVersion.objects.all().shown().select_related("benchmark"))


def reference_sets_in_use() -> QuerySet[ReferenceSet]:
    return ReferenceSet.objects.all().in_use().order_by("title", "version")


def newest_versions() -> QuerySet[TaskVersion]:
    """The published version of each task with the highest number, by the tasks' names."""
    newest = TaskVersion.objects.all().newest_published()
    return newest.select_related("task", "reference_set").order_by("task__name")


def newest_versions_by(protocol: str) -> QuerySet[TaskVersion]:
    return newest_versions().filter(protocol=protocol)


def versions_of(task: str) -> TaskVersionQuerySet:
    """All versions of a task, drafts too: ask for those that a reader may see."""
    versions: TaskVersionQuerySet = TaskVersion.objects.all().of(task)
    return versions.select_related("task", "reference_set")


def benchmarks_with(versions: Sequence[TaskVersion]) -> dict[int, list[BenchmarkVersion]]:
    """The published benchmark versions in which each task version stands."""
    places = BenchmarkTask.objects.filter(
        benchmark_version__state=VersionState.PUBLISHED, task_version__in=versions
    )
    by_task: dict[int, list[BenchmarkVersion]] = {}
    for place in places.select_related("benchmark_version__benchmark"):
        by_task.setdefault(place.task_version_id, []).append(place.benchmark_version)
    return by_task
