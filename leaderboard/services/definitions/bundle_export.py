"""Writes reference sets, tasks and benchmarks as a YAML bundle that ``bundles`` reads back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import yaml
from django.db.models import QuerySet

from leaderboard.enums import VersionState
from leaderboard.exceptions import SubmissionError
from leaderboard.models import Benchmark, BenchmarkVersion, ReferenceSet, Task, TaskVersion
from leaderboard.services.definitions.bundle_reader import FORMAT


@dataclass(kw_only=True)
class Exported:
    """The bundle's text, and which reference sets' files belong beside it, by file name."""

    text: str
    files: dict[str, ReferenceSet] = field(default_factory=dict)


def export_bundle(
    *, tasks: Collection[str] = (), benchmarks: Collection[str] = (), drafts: bool = False
) -> Exported:
    """Everything, or the named tasks and benchmarks, with all that they need.

    Raises SubmissionError for a name that there is not.
    """
    chosen = _benchmarks(benchmarks, everything=not tasks and not benchmarks)
    versions = [v for b in chosen for v in _shown(b.versions.all(), drafts)]
    needed = {e.task_version.task.slug for v in versions for e in v.entries.all()}
    rows = _tasks({*tasks, *needed}, everything=not tasks and not benchmarks)
    task_versions = [v for t in rows for v in _shown(t.versions.all(), drafts)]
    references = sorted(
        {v.reference_set for v in task_versions if v.reference_set is not None}, key=str
    )
    content = {
        "touchstone": FORMAT,
        "reference_sets": [_reference(r) for r in references],
        "tasks": [_task(t, _shown(t.versions.all(), drafts)) for t in rows],
        "benchmarks": [_benchmark(b, _shown(b.versions.all(), drafts)) for b in chosen],
    }
    return Exported(text=_yaml(content), files={_file_name(r): r for r in references})


def export_task_version(version: TaskVersion) -> Exported:
    """A bundle of one version of one task, with the reference set that it needs.

    Whoever calls has made sure that its reader may have the set.
    """
    reference = version.reference_set
    content = {
        "touchstone": FORMAT,
        "reference_sets": [_reference(reference)] if reference else [],
        "tasks": [_task(version.task, [version])],
        "benchmarks": [],
    }
    files = {_file_name(reference): reference} if reference else {}
    return Exported(text=_yaml(content), files=files)


def _yaml(content: Mapping[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, so that a diff of them can be read."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401  (PyYAML's signature)
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _benchmarks(slugs: Collection[str], *, everything: bool) -> list[Benchmark]:
    rows = Benchmark.objects.prefetch_related("versions__entries__task_version__task")
    chosen = list(rows if everything else rows.filter(slug__in=slugs))
    _check_found("benchmarks", slugs, [row.slug for row in chosen], rows)
    return chosen


def _tasks(slugs: Collection[str], *, everything: bool) -> list[Task]:
    rows = Task.objects.prefetch_related("versions__reference_set")
    chosen = list(rows if everything else rows.filter(slug__in=slugs))
    _check_found("tasks", slugs, [row.slug for row in chosen], rows)
    return chosen


def _check_found(
    kind: str, wanted: Collection[str], present: Sequence[str], rows: QuerySet[Any]
) -> None:
    missing = sorted(set(wanted) - set(present))
    if not missing:
        return
    known = list(rows.values_list("slug", flat=True))
    near = sorted({other for name in missing for other in get_close_matches(name, known)})
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    raise SubmissionError({kind: f"There is no {', '.join(missing)}.{hint}"})


def _shown(versions: Any, drafts: bool) -> list[Any]:  # noqa: ANN401  (rows of versions)
    rows = [v for v in versions if drafts or v.state != VersionState.DRAFT]
    return sorted(rows, key=lambda version: version.number)


def _file_name(reference: ReferenceSet) -> str:
    return f"{reference.slug}-{reference.version}.extxyz"


def _reference(reference: ReferenceSet) -> dict[str, Any]:
    names = ("slug", "version", "sha256", "title", "level_of_theory", "licence", "citation", "url")
    return {
        **{name: getattr(reference, name) for name in names},
        "is_public": reference.is_public,
        "file": _file_name(reference),
    }


def _task(task: Task, versions: list[TaskVersion]) -> dict[str, Any]:
    return {
        "slug": task.slug,
        "name": task.name,
        "summary": task.summary,
        "versions": [_task_version(version) for version in versions],
    }


def _task_version(version: TaskVersion) -> dict[str, Any]:
    reference = version.reference_set
    return {
        "number": version.number,
        "state": str(version.state),
        "protocol": version.protocol,
        "protocol_version": version.protocol_version,
        "reference_set": f"{reference.slug} {reference.version}" if reference else "",
        "parameters": version.parameters,
        "metrics": version.metrics,
        "limits": version.limits,
        "min_coverage": version.min_coverage,
        "seed": version.seed,
        "description": version.description,
        "limitations": version.limitations,
    }


def _benchmark(benchmark: Benchmark, versions: list[BenchmarkVersion]) -> dict[str, Any]:
    return {
        "slug": benchmark.slug,
        "name": benchmark.name,
        "summary": benchmark.summary,
        "versions": [_benchmark_version(version) for version in versions],
    }


def _benchmark_version(version: BenchmarkVersion) -> dict[str, Any]:
    entries = list(version.entries.all())
    return {
        "number": version.number,
        "state": str(version.state),
        "categories": {e.category: e.category_weight for e in entries},
        "tasks": [
            {
                "task": e.task_version.task.slug,
                "version": e.task_version.number,
                "category": e.category,
                "weight": e.weight,
            }
            for e in entries
        ],
    }
