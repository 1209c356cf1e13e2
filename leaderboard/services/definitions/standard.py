"""Loads the tasks and benchmarks that ship with the project. Safe to run again.

Reference sets are built by the evaluator's command line in one process of its own, since the web
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
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from evaluator.catalog import PROTOCOLS, check_parameters
from evaluator.contract import TaskSpec
from evaluator.standard_tasks.read import (
    StandardBenchmark,
    StandardTask,
    standard_benchmarks,
    standard_tasks,
)
from leaderboard.enums import VersionState
from leaderboard.exceptions import InfrastructureError
from leaderboard.lib import blobs
from leaderboard.lib.markdown import plain
from leaderboard.models import (
    Benchmark,
    BenchmarkTask,
    BenchmarkVersion,
    ReferenceSet,
    Task,
    TaskVersion,
)
from leaderboard.services.definitions.tasks import (
    ReferenceDescription,
    evaluate_everyone,
    publish_benchmark_version,
    publish_task_version,
    store_reference_set,
)

logger = logging.getLogger(__name__)

#: What the command line answers when data cannot be had; see evaluator/cli/exit_codes.py.
_UNAVAILABLE = 30

#: What the command line tells of a reference set; "error" for one that cannot be had.
_Built = dict[str, Any]
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
    shipped = standard_tasks()
    lacking = dict.fromkeys(t.reference_name for t in shipped if _lacks_reference(t))
    built: dict[str, _Built] = {}
    for description in _build(list(lacking)):
        built[description["name"]] = description
        # Why a set cannot be had is told with the tasks that need it.
        if "error" not in description:
            report(f"Reference set {description['name']}: built")
    for task in shipped:
        try:
            loaded.task_versions[task.slug, task.version] = ensure_task(task, built)
            report(f"{task.slug}: {task.title}")
        except UnavailableData as error:
            loaded.skipped[task.slug] = str(error)
            report(f"{task.slug} is skipped: {error}")
    for benchmark in standard_benchmarks():
        version = ensure_benchmark(benchmark, loaded.task_versions)
        if version is not None:
            loaded.new_benchmark_versions.append(version)
            report(f"Published {version}.")
    return loaded


def ensure_task(standard: StandardTask, built: Mapping[str, _Built] | None = None) -> TaskVersion:
    """The published version of a standard task, made if missing. Raises UnavailableData.

    ``built`` holds, by name, what was told of the reference sets that the service lacks; without
    it the task's own set is built now.
    """
    existing = _published(standard)
    if existing is not None:
        if _filled(existing.spec()) != standard.spec:
            logger.warning(
                "%s is published otherwise than this release ships it; it stays as it is.", existing
            )
        return existing
    reference = _ensure_reference(standard, built)
    with transaction.atomic():
        task, _ = Task.objects.update_or_create(
            slug=standard.slug,
            defaults={
                "name": standard.title,
                "summary": _first_sentence(plain(standard.description)),
            },
        )
        version, _ = TaskVersion.objects.update_or_create(
            task=task, number=standard.version, defaults=_definition(standard, reference)
        )
        return publish_task_version(version)


def _filled(spec: TaskSpec) -> TaskSpec:
    """With the parameters that its protocol got later, which have the values they had unsaid."""
    protocol = PROTOCOLS.get(spec.protocol)
    if protocol is None or protocol.version != spec.protocol_version:
        return spec
    return replace(spec, parameters=check_parameters(protocol.parameters, spec.parameters))


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


def _published(standard: StandardTask) -> TaskVersion | None:
    versions = TaskVersion.objects.filter(task__slug=standard.slug, number=standard.version)
    return versions.exclude(state=VersionState.DRAFT).first()


def _lacks_reference(standard: StandardTask) -> bool:
    return _published(standard) is None and _stored_reference(standard) is None


def _stored_reference(standard: StandardTask) -> ReferenceSet | None:
    spec = standard.spec.reference
    if spec is None:
        return None
    stored = ReferenceSet.objects.filter(slug=spec.name, version=spec.version).first()
    return stored if stored is not None and blobs.exists(stored.storage_name) else None


def _ensure_reference(standard: StandardTask, built: Mapping[str, _Built] | None) -> ReferenceSet:
    stored = _stored_reference(standard)
    if stored is not None:
        return stored
    if built is None:
        built = {found["name"]: found for found in _build([standard.reference_name])}
    found = built[standard.reference_name]
    if "error" in found:
        raise UnavailableData(found["error"])
    description = ReferenceDescription(
        slug=found["name"],
        **{
            name: found[name]
            for name in ("version", "title", "n_systems", "elements", "properties", "is_public")
        },
        **{name: found[name] for name in ("level_of_theory", "licence", "citation", "url")},
    )
    return store_reference_set(Path(found["path"]), description, expected_sha256=found["sha256"])


def _build(names: Sequence[str]) -> Iterator[_Built]:
    """What ``touchstone data fetch NAMES --json`` tells of each set, as it comes."""
    if not names:
        return
    places = {"TOUCHSTONE_CACHE": str(settings.DATA_DIR / "cache")}
    if settings.DATA_MIRROR:
        places["TOUCHSTONE_DATA_MIRROR"] = settings.DATA_MIRROR
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "evaluator.cli", "data", "fetch", *names, "--json"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=settings.BASE_DIR,
            env={**places, **os.environ},
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101  (it is a pipe)
        for line in process.stdout:
            yield json.loads(line)
        if process.wait() not in (0, _UNAVAILABLE):
            errors.seek(0)
            raise InfrastructureError(
                f"Reference sets {', '.join(names)} cannot be built: {errors.read().strip()}"
            )


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
            defaults={"name": standard.title, "summary": plain(standard.description)[:300]},
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
    if benchmark.slug == settings.DEFAULT_BENCHMARK:
        for entry in entries:
            # Who is here already is ranked on the new tasks, too. Others are the administrator's
            # decision: some take days.
            evaluate_everyone(entry.task_version)
    return version


def _content(entries: Any) -> set[tuple[int, str, float, float]]:  # noqa: ANN401  (rows)
    return {(e.task_version.pk, e.category, e.weight, e.category_weight) for e in entries}


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.?!])\s", text, maxsplit=1)[0][:300]
