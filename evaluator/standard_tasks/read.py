"""The tasks and benchmarks that ship with the project, read from ``standard_tasks/``.

Standard library, contract and catalog only, so that the web service may import it.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from evaluator.catalog import METRICS, PROTOCOLS, check_parameters
from evaluator.contract import Limits, ReferenceSpec, ScoredMetric, TaskSpec

#: The task that a service runs first for every submission, and ``touchstone validate`` alone.
SMOKE_TASK = "smoke"

_FOLDER = resources.files("evaluator").joinpath("standard_tasks")
_REFERENCES = resources.files("evaluator.references").joinpath("reference_sets.toml")


@dataclass(frozen=True, kw_only=True)
class StandardTask:
    """A task as an administrator would define it, with all that its page says."""

    slug: str
    version: int
    title: str
    category: str
    #: Plain words: what is measured and why it matters.
    description: str
    #: What the numbers do not tell; never empty.
    limitations: tuple[str, ...]
    #: Names the entry of ``reference_sets.toml`` that ``sets.build`` makes.
    reference_name: str
    #: Least share of supported systems for a place in the ranking, 0 to 1.
    min_coverage: float
    spec: TaskSpec


@dataclass(frozen=True, kw_only=True)
class BenchmarkTask:
    """A task's place in a benchmark; weights count within the category."""

    slug: str
    version: int
    category: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class StandardBenchmark:
    """A frozen collection of task versions with the weights of its categories."""

    slug: str
    version: int
    title: str
    description: str
    #: Weight of each category in the overall score.
    categories: dict[str, float]
    tasks: tuple[BenchmarkTask, ...] = field(default_factory=tuple)


@cache
def standard_tasks() -> tuple[StandardTask, ...]:
    """All tasks, sorted by slug. Raises ValueError naming the file that contradicts the catalog."""
    references = {entry["name"]: entry for entry in _read(_REFERENCES)["set"]}
    return tuple(
        _task(name.removesuffix(".toml"), content, references)
        for name, content in _files()
        if "protocol" in content
    )


def standard_task(slug: str) -> StandardTask:
    """The task of this name. Raises KeyError."""
    return {task.slug: task for task in standard_tasks()}[slug]


@cache
def shipped_references() -> frozenset[str]:
    """The sha256 of every reference set that is registered: anybody builds it from its source."""
    return frozenset(entry["sha256"] for entry in _read(_REFERENCES)["set"])


@cache
def standard_benchmarks() -> tuple[StandardBenchmark, ...]:
    """All benchmarks, sorted by slug. Raises ValueError for a task that does not exist."""
    tasks = {(task.slug, task.version): task for task in standard_tasks()}
    benchmarks = []
    for name, content in _files():
        if "protocol" in content:
            continue
        entries = tuple(BenchmarkTask(**entry) for entry in content.pop("tasks"))
        benchmark = StandardBenchmark(slug=name.removesuffix(".toml"), tasks=entries, **content)
        for entry in entries:
            if (entry.slug, entry.version) not in tasks:
                raise ValueError(f"{name}: there is no task {entry.slug} version {entry.version}")
            if entry.category not in benchmark.categories:
                raise ValueError(f"{name}: there is no category {entry.category!r}")
        benchmarks.append(benchmark)
    return tuple(benchmarks)


def _files() -> list[tuple[str, dict[str, Any]]]:
    files = sorted((f for f in _FOLDER.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return [(file.name, _read(file)) for file in files]


def _read(file: Any) -> dict[str, Any]:  # noqa: ANN401  (importlib.resources' Traversable)
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _task(slug: str, content: dict[str, Any], references: dict[str, Any]) -> StandardTask:
    protocol = PROTOCOLS[content["protocol"]]
    metrics = tuple(ScoredMetric(**metric) for metric in content["metrics"])
    unknown = [m.key for m in metrics if m.key not in METRICS or m.key not in protocol.metrics]
    if unknown:
        raise ValueError(f"{slug}: {protocol.name} has no metric {', '.join(unknown)}")
    if not content["limitations"]:
        raise ValueError(f"{slug}: a task must state its limitations")
    reference = references[content["reference"]]
    spec = TaskSpec(
        slug=slug,
        version=content["version"],
        protocol=protocol.name,
        protocol_version=content["protocol_version"],
        parameters=check_parameters(protocol.parameters, content.get("parameters", {})),
        metrics=metrics,
        reference=ReferenceSpec(
            name=reference["name"],
            version=reference["version"],
            sha256=reference["sha256"],
            level_of_theory=reference["level_of_theory"],
        ),
        limits=Limits(**content.get("limits", {})),
        seed=content.get("seed", 0),
    )
    return StandardTask(
        slug=slug,
        version=spec.version,
        title=content["title"],
        category=content["category"],
        description=" ".join(content["description"].split()),
        limitations=tuple(" ".join(text.split()) for text in content["limitations"]),
        reference_name=reference["name"],
        min_coverage=content["min_coverage"],
        spec=spec,
    )
