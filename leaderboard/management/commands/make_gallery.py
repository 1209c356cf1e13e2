"""Fills a development database with a large board of made-up rows, to see and time pages with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction
from django.utils import timezone

from evaluator.catalog import METRICS, PROTOCOLS
from evaluator.catalog.elements import SYMBOLS
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.management.commands._gallery_records import hardware, records_of, summary_of
from leaderboard.models import (
    Artifact,
    Benchmark,
    BenchmarkTask,
    BenchmarkVersion,
    Evaluation,
    Potential,
    ReferenceSet,
    Score,
    Submission,
    SystemResult,
    Task,
    TaskVersion,
)
from leaderboard.services.evaluations.metric_replicates import packed

_CATEGORIES = ("Forces", "Bulk", "Phonons", "Dynamics", "Molecules")
_TIMED = "Speed"
_PROTOCOLS = {
    "Forces": "energy_forces",
    "Bulk": "equation_of_state",
    "Phonons": "phonons",
    "Dynamics": "md_stability",
    "Molecules": "rare_event_forces",
    _TIMED: "efficiency",
}
_FAMILIES = ("MACE", "CHGNet", "M3GNet", "TensorNet", "NequIP", "SevenNet", "Orb", "GRACE")
_LICENCES = ("MIT", "BSD-3-Clause", "Apache-2.0", "CC-BY-NC-4.0", "ASL")
_THEORIES = ("PBE", "PBE+U, PBE", "r2SCAN", "ωB97M-D3(BJ)", "")
_SETS = (["MPtrj"], ["OMat24", "MPtrj"], ["Alexandria"], ["MatPES"])
_CHUNK = 500


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--potentials", type=int, default=1000)
        parser.add_argument("--tasks", type=int, default=30)
        parser.add_argument("--metrics", type=int, default=12)
        parser.add_argument("--replicates", type=int, default=1000)
        parser.add_argument("--slug", default="gallery", help="of the benchmark that is made")
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: object, **options: Any) -> None:  # noqa: ANN401  (of the parser)
        if not settings.DEVELOPMENT:
            raise CommandError("Made-up rows are for development mode (TOUCHSTONE_DEVELOPMENT=1).")
        if Benchmark.objects.filter(slug=options["slug"]).exists():
            raise CommandError(f"There is a benchmark {options['slug']!r} already.")
        rng = np.random.default_rng(options["seed"])
        with transaction.atomic():
            tasks = _tasks(options["slug"], options["tasks"], options["metrics"])
            submissions = _submissions(options["slug"], options["potentials"], rng)
            skill = rng.beta(4, 3, len(submissions))
            for n, task in enumerate(tasks):
                _evaluate(task, submissions, skill, options["replicates"], rng)
                self.stderr.write(f"\rtask {n + 1}/{len(tasks)}", ending="")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # so many rows at once: the planner knows none of them yet
        self.stderr.write("")
        self.stdout.write(f"/benchmarks/{options['slug']}/1/")


def _tasks(slug: str, n_tasks: int, n_metrics: int) -> list[TaskVersion]:
    reference = ReferenceSet.objects.create(
        slug=f"{slug}-reference",
        version="1",
        title="Made-up crystals",
        sha256="0" * 64,
        size_bytes=1,
        n_systems=100,
        elements=["Si", "O"],
        level_of_theory="PBE",
        licence="CC0-1.0",
        citation="Made up.",
    )
    benchmark = Benchmark.objects.create(
        slug=slug, name="Made-up board", summary="Made-up numbers, to see and time the pages with."
    )
    version = BenchmarkVersion.objects.create(benchmark=benchmark, number=1)
    versions: list[TaskVersion] = []
    for n, category in enumerate(_categories(n_tasks)):
        protocol = _PROTOCOLS[category]
        task = Task.objects.create(
            slug=f"{slug}-task-{n}", name=f"Made-up task {n}", summary="Nothing is measured."
        )
        task_version = TaskVersion.objects.create(
            task=task,
            number=1,
            protocol=protocol,
            protocol_version=1,
            reference_set=reference,
            metrics=_metrics(protocol, n_metrics),
            description="Made up.",
            limitations="Made up.",
            state=VersionState.PUBLISHED,
            published_at=timezone.now(),
        )
        BenchmarkTask.objects.create(
            benchmark_version=version, task_version=task_version, category=category, position=n,
            category_weight=0.0 if category == _TIMED else 1.0,
        )  # fmt: skip
        versions.append(task_version)
    version.state, version.published_at = VersionState.PUBLISHED, timezone.now()
    version.save()
    return versions


def _categories(n_tasks: int) -> list[str]:
    """The category of each task, as even as may be; the last of several is timed."""
    n_timed = int(n_tasks > len(_CATEGORIES))
    n_others = n_tasks - n_timed
    others = [_CATEGORIES[n * len(_CATEGORIES) // n_others] for n in range(n_others)]
    return others + [_TIMED] * n_timed


def _metrics(protocol: str, n: int) -> list[dict[str, Any]]:
    """The protocol's own first."""
    keys = list(dict.fromkeys((*PROTOCOLS[protocol].metrics, *METRICS)))[:n]
    return [{"key": key, "good": 0.0, "bad": 1.0, "worst": 2.0, "weight": 1.0} for key in keys]


def _submissions(slug: str, n: int, rng: np.random.Generator) -> list[Submission]:
    owner, is_new = User.objects.get_or_create(username=f"{slug}-owner")
    if is_new:
        owner.set_unusable_password()
        owner.save()
    potentials = Potential.objects.bulk_create(
        Potential(
            slug=f"{slug}-{i}",
            name=f"{_FAMILIES[i % len(_FAMILIES)]} made-up {i}",
            owner=owner,
            architecture=_FAMILIES[i % len(_FAMILIES)],
            licence=str(rng.choice(_LICENCES)),
            level_of_theory=str(rng.choice(_THEORIES)),
            training_sets=_SETS[i % len(_SETS)],
            n_parameters=int(10 ** rng.uniform(4.5, 8.5)),
            is_baseline=i == 0,
        )
        for i in range(n)
    )
    artifact, _ = Artifact.objects.get_or_create(sha256="1" * 64, defaults={"size_bytes": 1})
    return Submission.objects.bulk_create(
        Submission(
            potential=potential,
            version="1.0",
            artifact=artifact,
            artifact_filename="made-up.pt",
            calculator_kind="mace",
            supported_elements=_elements(i) if i % 4 else None,
            declares_non_conservative=i % 7 == 0,
            submitted_by=owner,
            published_at=timezone.now(),
        )
        for i, potential in enumerate(potentials)
    )


def _elements(i: int) -> list[str]:
    return ["Si"] if i % 3 == 0 else list(SYMBOLS[: 16 + i % 74])


def _evaluate(
    task: TaskVersion,
    submissions: list[Submission],
    skill: np.ndarray[Any, np.dtype[np.float64]],
    n_replicates: int,
    rng: np.random.Generator,
) -> None:
    """One in forty has not been evaluated, one in forty is queued, one in forty has failed."""
    common = rng.normal(0, 0.02, n_replicates)  # what is hard is hard for all
    for start in range(0, len(submissions), _CHUNK):
        rows = []
        for i in range(start, min(start + _CHUNK, len(submissions))):
            kind = rng.integers(40)
            score = float(np.clip(skill[i] + rng.normal(0, 0.1), 0, 1))
            replicates = np.clip(score + common + rng.normal(0, 0.01, n_replicates), 0, 1)
            if kind:
                provenance = {"calculator": {"elements": _elements(i)}}
                rows.append(
                    _evaluation(task, submissions[i], int(kind), score, replicates, provenance)
                )
        Evaluation.objects.bulk_create(rows, batch_size=_CHUNK)
        Score.objects.bulk_create(_scores(task, rows, rng), batch_size=5000)
        records = (r for e in rows if e.score is not None for r in records_of(e, task.protocol))
        SystemResult.objects.bulk_create(records, batch_size=5000)


def _evaluation(
    task: TaskVersion,
    submission: Submission,
    kind: int,
    score: float,
    replicates: np.ndarray[Any, np.dtype[np.float64]],
    provenance: dict[str, Any],
) -> Evaluation:
    common = {"submission": submission, "task_version": task}
    if kind == 1:
        return Evaluation(**common)
    finished = timezone.now() - timedelta(minutes=kind)
    if kind == 2:
        return Evaluation(
            **common, state=EvaluationState.FAILED, verdict="load_error", finished_at=finished
        )
    low, high = np.quantile(replicates, (0.025, 0.975))
    return Evaluation(
        **common,
        state=EvaluationState.SUCCEEDED,
        verdict="ok",
        finished_at=finished,
        score=score,
        score_low=float(low),
        score_high=float(high),
        replicates=packed(replicates),
        coverage=1.0 if kind > 4 else 0.93,
        n_systems=100,
        n_failed=kind % 3 if kind < 12 else 0,
        provenance=provenance,
        summary=summary_of(task.protocol, score),
        hardware_key=hardware(kind) if task.protocol == "efficiency" else "",
    )


def _scores(task: TaskVersion, rows: list[Evaluation], rng: np.random.Generator) -> Iterator[Score]:
    for evaluation in rows:
        if evaluation.score is None:
            continue
        for metric in task.metrics:
            value = float(np.clip(1 - evaluation.score + rng.normal(0, 0.02), 0, 1))
            yield Score(
                evaluation=evaluation, metric=metric["key"], value=value, low=value, high=value,
                score=1 - value, n=100, n_failed=evaluation.n_failed,
            )  # fmt: skip
