"""Loads the tasks and benchmarks that ship with the project. Safe to run again.

Reference sets are built by the evaluator's command line in a process of its own, since the web
service does not import the physics. A set whose data cannot be had is skipped, and a later run
with more data publishes a new version of the benchmark.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from evaluator.standard import StandardBenchmark, StandardTask, standard_benchmarks, standard_tasks
from leaderboard import blobs
from leaderboard.enums import VersionState
from leaderboard.exceptions import InfrastructureError
from leaderboard.models import (
    Benchmark,
    BenchmarkTask,
    BenchmarkVersion,
    ReferenceSet,
    Task,
    TaskVersion,
)
from leaderboard.services.tasks import (
    ReferenceDescription,
    evaluate_everyone,
    publish_benchmark_version,
    publish_task_version,
    store_reference_set,
)

logger = logging.getLogger(__name__)

#: What the command line answers when data cannot be had; see evaluator/cli/exit_codes.py.
_UNAVAILABLE = 30

Report = Callable[[str], None]
_Key = tuple[str, int]


class UnavailableData(InfrastructureError):
    """Neither the mirror nor the network has the files; the message names them."""


@dataclass
class Loaded:
    """What one run found and did."""

    task_versions: dict[_Key, TaskVersion] = field(default_factory=dict)
    new_benchmark_versions: list[BenchmarkVersion] = field(default_factory=list)
    #: Slug of each task that was left out -> why.
    skipped: dict[str, str] = field(default_factory=dict)


def load_standard(report: Report = logger.info) -> Loaded:
    """Create what is missing. Raises InfrastructureError for a fault other than missing data."""
    loaded = Loaded()
    for task in standard_tasks():
        report(f"{task.slug}: {task.title}")
        try:
            loaded.task_versions[task.slug, task.version] = ensure_task(task)
        except UnavailableData as error:
            loaded.skipped[task.slug] = str(error)
            report(f"{task.slug} is skipped: {error}")
    for benchmark in standard_benchmarks():
        version = ensure_benchmark(benchmark, loaded.task_versions)
        if version is not None:
            loaded.new_benchmark_versions.append(version)
            report(f"Published {version}.")
    return loaded


def ensure_task(standard: StandardTask) -> TaskVersion:
    """The published version of a standard task, made if missing. Raises UnavailableData."""
    existing = TaskVersion.objects.filter(task__slug=standard.slug, number=standard.version).first()
    if existing is not None and existing.state != VersionState.DRAFT:
        if existing.spec() != standard.spec:
            logger.warning(
                "%s is published otherwise than this release ships it; it stays as it is.", existing
            )
        return existing
    reference = _ensure_reference(standard)
    with transaction.atomic():
        task, _ = Task.objects.update_or_create(
            slug=standard.slug,
            defaults={"name": standard.title, "summary": _first_sentence(standard.description)},
        )
        version, _ = TaskVersion.objects.update_or_create(
            task=task, number=standard.version, defaults=_definition(standard, reference)
        )
        return publish_task_version(version)


def _definition(standard: StandardTask, reference: ReferenceSet) -> dict[str, Any]:
    return {
        "protocol": standard.spec.protocol,
        "protocol_version": standard.spec.protocol_version,
        "parameters": standard.spec.parameters,
        "reference_set": reference,
        "metrics": [metric.to_json() for metric in standard.spec.metrics],
        "limits": standard.spec.limits.to_json(),
        "min_coverage": standard.min_coverage,
        "seed": standard.spec.seed,
        "description": standard.description,
        "limitations": "\n\n".join(standard.limitations),
    }


def _ensure_reference(standard: StandardTask) -> ReferenceSet:
    spec = standard.spec.reference
    if spec is not None:
        stored = ReferenceSet.objects.filter(slug=spec.name, version=spec.version).first()
        if stored is not None and blobs.exists(stored.storage_name):
            return stored
    built = _build(standard.reference_name)
    description = ReferenceDescription(
        slug=built["name"],
        **{
            name: built[name]
            for name in ("version", "title", "n_systems", "elements", "properties", "is_public")
        },
        **{name: built[name] for name in ("level_of_theory", "licence", "citation", "url")},
    )
    return store_reference_set(Path(built["path"]), description, expected_sha256=built["sha256"])


def _build(name: str) -> dict[str, Any]:
    """The answer of ``touchstone data fetch NAME --json``; with its last word for an error."""
    places = {"TOUCHSTONE_CACHE": str(settings.DATA_DIR / "cache")}
    if settings.DATA_MIRROR:
        places["TOUCHSTONE_DATA_MIRROR"] = settings.DATA_MIRROR
    answer = subprocess.run(
        [sys.executable, "-m", "evaluator.cli", "data", "fetch", name, "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=settings.BASE_DIR,
        env={**places, **os.environ},
    )
    if answer.returncode == 0:
        built: dict[str, Any] = json.loads(answer.stdout)
        return built
    reason = answer.stderr.strip().rsplit("\n", 1)[-1].removeprefix("touchstone: ")
    if answer.returncode == _UNAVAILABLE:
        raise UnavailableData(
            f"{reason} Copy the files into a folder and name it in TOUCHSTONE_DATA_MIRROR."
        )
    raise InfrastructureError(f"Reference set {name} cannot be built: {answer.stderr.strip()}")


def ensure_benchmark(
    standard: StandardBenchmark, available: dict[_Key, TaskVersion]
) -> BenchmarkVersion | None:
    """Publish a new version if what is available differs from the current one."""
    entries = [
        BenchmarkTask(
            task_version=available[entry.slug, entry.version],
            category=entry.category,
            weight=entry.weight,
            category_weight=standard.categories[entry.category],
            position=position,
        )
        for position, entry in enumerate(standard.tasks)
        if (entry.slug, entry.version) in available
    ]
    with transaction.atomic():
        benchmark, _ = Benchmark.objects.update_or_create(
            slug=standard.slug,
            defaults={"name": standard.title, "summary": standard.description[:300]},
        )
        current = benchmark.current_version()
        if not entries or (current and _content(current.entries.all()) == _content(entries)):
            return None
        return _publish(benchmark, entries)


def _publish(benchmark: Benchmark, entries: list[BenchmarkTask]) -> BenchmarkVersion:
    last = benchmark.versions.aggregate(last=Max("number"))["last"] or 0
    version = BenchmarkVersion.objects.create(benchmark=benchmark, number=last + 1)
    for entry in entries:
        entry.benchmark_version = version
        entry.save()
    version = publish_benchmark_version(version)
    for entry in entries:
        # Who is here already is ranked on the new tasks, too.
        evaluate_everyone(entry.task_version)
    return version


def _content(entries: Any) -> set[tuple[int, str, float, float]]:  # noqa: ANN401  (rows)
    return {(e.task_version.pk, e.category, e.weight, e.category_weight) for e in entries}


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.?!])\s", text, maxsplit=1)[0][:300]
