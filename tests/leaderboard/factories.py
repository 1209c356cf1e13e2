"""Rows for tests, made with as few words as a test needs. The cast: alice, bob, charlie."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.utils import timezone

from evaluator import resampling
from evaluator.catalog import PROTOCOLS
from leaderboard import models
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.services.evaluations import skill_tables
from leaderboard.services.evaluations.metric_replicates import packed

_count = itertools.count(1)


def user(name: str = "alice", **fields: Any) -> User:
    found = User.objects.filter(username=name).first()
    return found or User.objects.create_user(
        name, f"{name}@example.org", "a good password", **fields
    )


def charlie() -> User:
    return user("charlie", is_staff=True)


def potential(owner: User | None = None, **fields: Any) -> models.Potential:
    n = next(_count)
    defaults = {"slug": f"potential-{n}", "name": f"Potential {n}", "owner": owner or user()}
    return models.Potential.objects.create(**{**defaults, **fields})


def artifact(content: bytes | None = None) -> models.Artifact:
    """The row alone; a test that needs the bytes stores them through the service."""
    content = content or f"artifact {next(_count)}".encode()
    sha256 = hashlib.sha256(content).hexdigest()
    return models.Artifact.objects.get_or_create(
        sha256=sha256, defaults={"size_bytes": len(content)}
    )[0]


def upload(owner: User | None = None, **fields: Any) -> models.Upload:
    """Announced, without any part."""
    defaults = {
        "user": owner or user(),
        "filename": "a.model",
        "size_bytes": 5,
        "sha256": "0" * 64,
        "expires_at": timezone.now() + timedelta(hours=1),
    }
    return models.Upload.objects.create(**{**defaults, **fields})


def webhook(owner: User | None = None, **fields: Any) -> models.Webhook:
    """At an address that no name server knows."""
    defaults = {"user": owner or user(), "url": "https://receiver.invalid/"}
    return models.Webhook.objects.create(**{**defaults, **fields})


def submission(of: models.Potential | None = None, **fields: Any) -> models.Submission:
    of = of or potential()
    defaults = {
        "potential": of,
        "version": f"0.{next(_count)}",
        "artifact": fields.pop("artifact", None) or artifact(),
        "artifact_filename": "emt.json",
        "calculator_kind": "ase",
        "submitted_by": of.owner,
    }
    return models.Submission.objects.create(**{**defaults, **fields})


def reference_set(**fields: Any) -> models.ReferenceSet:
    n = next(_count)
    defaults = {
        "slug": f"reference-{n}",
        "version": "1",
        "title": "Crystals",
        "sha256": hashlib.sha256(str(n).encode()).hexdigest(),
        "size_bytes": 10,
        "n_systems": 2,
        "elements": ["Al", "Cu"],
        "properties": ["volume_per_atom_A3", "bulk_modulus_GPa", "bulk_modulus_derivative"],
        "level_of_theory": "PBE",
        "licence": "CC-BY-4.0",
        "citation": "Nobody, 2026",
    }
    return models.ReferenceSet.objects.create(**{**defaults, **fields})


METRICS = [
    {"key": "eos_delta_mean", "good": 1.0, "bad": 50.0, "worst": 100.0, "weight": 2.0},
    {"key": "bulk_modulus_relative_error", "good": 2.0, "bad": 60.0, "worst": 100.0},
]


def task_version(task: models.Task | None = None, **fields: Any) -> models.TaskVersion:
    n = next(_count)
    task = task or models.Task.objects.create(slug=f"task-{n}", name=f"Task {n}", summary="EOS")
    defaults: dict[str, Any] = {
        "task": task,
        "number": task.versions.count() + 1,
        "protocol": "equation_of_state",
        "reference_set": fields.pop("reference_set", None) or reference_set(),
        "metrics": METRICS,
        "description": "What and why.",
        "limitations": "Fixed shapes.",
        "state": VersionState.PUBLISHED,
    }
    defaults.update(fields)
    known = PROTOCOLS.get(defaults["protocol"])
    defaults.setdefault("protocol_version", known.version if known else 1)
    if defaults["state"] != VersionState.DRAFT:
        defaults.setdefault("published_at", timezone.now())
    return models.TaskVersion.objects.create(**defaults)


#: Scored by skill.
SKILL_METRICS = [{"key": "eos_delta_mean", "good": 0.0, "bad": 50.0, "worst": 100.0, "noise": 1.0}]


def evaluation_with_skills(
    of: models.Submission,
    on: models.TaskVersion,
    skills: Sequence[float | None],
    elements: Sequence[str],
    clusters: Sequence[str] | None = None,
    **fields: Any,
) -> models.Evaluation:
    """A success with a skill on each system, its score and its interval, as workers report it."""
    clusters = clusters or elements
    values = np.array([np.nan if skill is None else skill for skill in skills])
    weights = resampling.cluster_weights(clusters, 200)
    own = f"{on.task.slug}/{on.number}/{of.pk}"
    drawn = resampling.drawn_means(values, weights, clusters, own)
    low, high = resampling.interval(drawn) if len(drawn) else (None, None)
    score = float(np.nanmean(values)) if len(drawn) else None
    row = evaluation(
        of, on, **{"score": score, "score_low": low, "score_high": high,
        "replicates": drawn, "n_systems": len(skills), **fields},
    )  # fmt: skip
    skill_table(row, skills, elements, clusters)
    return row


def skill_table(
    of: models.Evaluation,
    skills: Sequence[float | None],
    elements: Sequence[str],
    clusters: Sequence[str] | None = None,
) -> None:
    """Skills on systems of these elements, by the task's first metric and over all of them."""
    models.SkillTable.objects.create(
        evaluation=of,
        metrics=[of.task_version.metrics[0]["key"]],
        packed=skill_tables.packed([skills, skills]),
        elements=elements,
        clusters=clusters or elements,
    )


def evaluation(
    of: models.Submission | None = None, on: models.TaskVersion | None = None, **fields: Any
) -> models.Evaluation:
    """Queued unless ``state`` says otherwise; a score makes it a success."""
    if "replicates" in fields:
        fields["replicates"] = packed(fields["replicates"])
    if "score" in fields:
        fields.setdefault("state", EvaluationState.SUCCEEDED)
        fields.setdefault("verdict", "ok")
        fields.setdefault("coverage", 1.0)
    if fields.get("state") in {"succeeded", "failed", "cancelled"}:
        fields.setdefault("finished_at", timezone.now())
    return models.Evaluation.objects.create(
        submission=of or submission(), task_version=on or task_version(), **fields
    )


def benchmark_version(*entries: tuple[models.TaskVersion, str]) -> models.BenchmarkVersion:
    """Published, with each task version under its category."""
    n = next(_count)
    benchmark = models.Benchmark.objects.create(
        slug=f"benchmark-{n}", name=f"Benchmark {n}", summary="All."
    )
    version = models.BenchmarkVersion.objects.create(benchmark=benchmark, number=1)
    for position, (task, category) in enumerate(entries):
        models.BenchmarkTask.objects.create(
            benchmark_version=version, task_version=task, category=category, position=position
        )
    version.state = VersionState.PUBLISHED
    version.published_at = timezone.now()
    version.save()
    return version


def worker(**fields: Any) -> models.Worker:
    defaults = {
        "name": f"worker-{next(_count)}",
        "device": "cpu",
        "sandbox_level": "cgroup1",
        "last_seen_at": timezone.now(),
    }
    return models.Worker.objects.create(**{**defaults, **fields})
