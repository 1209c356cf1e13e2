"""A board on hidden reference sets, in which whatever must not be told can be found again.

Texts that are secret hold MARK. Secret numbers are planted: no other of the world is like them, so
their digits in an answer are a leak.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from evaluator import frames
from evaluator.frames import FrameErrors
from leaderboard import models
from leaderboard.enums import EvaluationState, VersionState, Visibility
from leaderboard.lib import blobs
from leaderboard.services.evaluations import metric_replicates, skill_tables
from leaderboard.services.evaluations.events import record
from tests.leaderboard import factories

#: Stands in every secret text: names of systems, messages, logs, files.
MARK = "zqleakqz"
PROTOCOLS = ("energy_forces", "equation_of_state", "phonons", "efficiency")
#: A number; within an id, a hash or a time the digits are others' by chance.
_NUMBER = re.compile(r"(?<![\w.-])(?<!\d:)\d[\d,]*(?:\.\d+)?(?![a-df-z_-])")
_METRICS = {
    "energy_forces": "force_mae",
    "equation_of_state": "eos_delta_mean",
    "phonons": "omega_max_mae",
    "efficiency": "atom_time_median",
}


@dataclass
class Planted:
    """Secret numbers, each with what of it would give it away."""

    numbers: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def number(self) -> float:
        """Like 83137012.1301: nobody else's digits, whatever they are rounded to."""
        self.numbers.append(83_137_000 + 2 * len(self.numbers) + 0.1301)
        return self.numbers[-1]

    def score(self, near: float) -> float:
        """Two decimals are told; the third and the others (..77913) are not."""
        self.scores.append(round(near, 2) + 0.00377913 + 1e-8 * len(self.scores))
        return self.scores[-1]

    def count(self) -> int:
        self.counts.append(648_011 + 10 * len(self.counts))
        return self.counts[-1]

    @cached_property
    def traces(self) -> frozenset[str]:
        """Numbers, without commas, that must stand in no answer to those who may not know."""
        return frozenset(
            [f"{number:.0f}" for number in self.numbers]
            + [f"{number / 1e7:.4f}" for number in self.numbers]  # as 8.3137e7 would begin
            + [f"{score:.3f}" for score in self.scores]
            + [f"{score:.7f}"[:5] for score in self.scores]
            + [f"{100 * score:.1f}" for score in self.scores]
            + [str(count) for count in self.counts]
        )

    def leaks_of(self, text: str) -> list[str]:
        """Secrets in a text, each with what stands around it."""
        found = {MARK: text.index(MARK)} if MARK in text else {}
        for match in _NUMBER.finditer(text):
            number = match.group().replace(",", "")
            forms = {number, number.partition(".")[0], number[:5], number[:6]}
            for trace in forms & self.traces:
                found[trace] = match.start()
        return [
            f"{trace}: {' '.join(text[max(0, at - 60) : at + 40].split())}"
            for trace, at in found.items()
        ]


@dataclass(frozen=True)
class HiddenWorld:
    hidden: list[models.TaskVersion]
    sets: list[models.ReferenceSet]
    open_task: models.TaskVersion
    benchmark: models.BenchmarkVersion
    #: All on hidden sets: ended well, failed, running, tried again.
    evaluations: list[models.Evaluation]
    ended: models.Evaluation
    failed: models.Evaluation
    running: models.Evaluation
    retried: models.Evaluation
    potentials: list[models.Potential]
    submissions: list[models.Submission]
    planted: Planted


def make_hidden_world() -> HiddenWorld:
    """alice has two public potentials and a private one, bob another public one."""
    planted = Planted()
    alice, bob = factories.user("alice"), factories.user("bob")
    factories.webhook(alice)
    versions = [_task(protocol, planted) for protocol in PROTOCOLS]
    open_task = factories.task_version()
    benchmark = _benchmark([*versions, open_task])
    submissions = [
        _submission("alpha", alice, Visibility.PUBLIC),
        _submission("beta", bob, Visibility.PUBLIC),
        _submission("gamma", alice, Visibility.PRIVATE),
        _submission("delta", alice, Visibility.PUBLIC),
    ]
    worker = factories.worker()
    ended = [
        _ended(submission, version, worker, planted, near=0.31 + 0.1 * n)
        for n, submission in enumerate(submissions[:3])
        for version in versions
    ]
    for n, submission in enumerate(submissions[:3]):
        factories.evaluation(submission, open_task, score=0.47 + 0.01 * n)
    failed = _failed(submissions[3], versions[0], worker, planted)
    running = _running(submissions[3], versions[1], worker, planted)
    retried = factories.evaluation(
        submissions[3], versions[2], message=f"No answer for {MARK}", attempt=1
    )
    record(retried, "claimed", worker=worker.name, attempt=1)
    record(retried, "retried", reason=f"No answer for {MARK}", verdict="infrastructure_error")
    for evaluation in (*ended, failed):
        record(evaluation, str(evaluation.state), verdict=evaluation.verdict)
    return HiddenWorld(
        hidden=versions,
        sets=[v.reference_set for v in versions if v.reference_set],
        open_task=open_task,
        benchmark=benchmark,
        evaluations=[*ended, failed, running, retried],
        ended=ended[0],
        failed=failed,
        running=running,
        retried=retried,
        potentials=[s.potential for s in submissions],
        submissions=submissions,
        planted=planted,
    )


def open_the_sets(world: HiddenWorld) -> None:
    for reference in world.sets:
        reference.is_public = True
        reference.save(update_fields=["is_public"])


def _task(protocol: str, planted: Planted) -> models.TaskVersion:
    content = (
        '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 pbc="T T T" '
        f"system_id={MARK}-{protocol} energy={planted.number()}\nAl 0 0 0\n"
    ).encode()
    reference = factories.reference_set(
        slug=f"withheld-{protocol.replace('_', '-')}",
        is_public=False,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )
    blobs.write([content]).keep(reference.storage_name)
    metric = {"key": _METRICS[protocol], "good": 1.0, "bad": 9000.0, "worst": 9999.0}
    if protocol != "efficiency":  # times are scored by anchors
        metric["noise"] = 2.0
    return factories.task_version(protocol=protocol, reference_set=reference, metrics=[metric])


def _benchmark(versions: list[models.TaskVersion]) -> models.BenchmarkVersion:
    benchmark = models.Benchmark.objects.create(
        slug=settings.DEFAULT_BENCHMARK, name="Core", summary="All."
    )
    version = models.BenchmarkVersion.objects.create(benchmark=benchmark, number=1)
    for position, task in enumerate(versions):
        models.BenchmarkTask.objects.create(
            benchmark_version=version, task_version=task, category=task.protocol, position=position
        )
    version.state, version.published_at = VersionState.PUBLISHED, timezone.now()
    version.save()
    return version


def _submission(word: str, owner: User, visibility: str) -> models.Submission:
    potential = factories.potential(owner, slug=word, name=word)
    return factories.submission(potential, version="1", visibility=visibility)


def _ended(
    submission: models.Submission,
    version: models.TaskVersion,
    worker: models.Worker,
    planted: Planted,
    near: float,
) -> models.Evaluation:
    replicates = [planted.score(near + shift) for shift in (-0.02, -0.01, 0, 0.01, 0.02)]
    evaluation = factories.evaluation(
        submission,
        version,
        score=planted.score(near),
        score_low=planted.score(near - 0.02),
        score_high=planted.score(near + 0.02),
        replicates=replicates,
        coverage=planted.score(0.9),
        n_systems=2,
        n_failed=planted.count(),
        n_unsupported=planted.count(),
        wall_time_s=83.4672,
        hardware_key="2 threads of a CPU" if version.protocol == "efficiency" else "",
        started_at=timezone.now(),
        worker=worker,
        attempt=1,
        stdout=f"{MARK} positions",
        stderr=f"{MARK} forces",
        summary=_summary(planted),
        consistency={
            "rotation_force_error_eV_A_max": planted.number(),
            "repeat_force_error_eV_A_max": planted.number(),
            "systems": [MARK],
            "message": MARK,
        },
        provenance={
            "reference_sha256": version.reference_set and version.reference_set.sha256,
            "dtype_requested": "float64",
            "calculator": {"elements": ["Al"], "message": MARK},
            "pool": {"candidates": [planted.number()]},
        },
    )
    for key in {*version.catalog_protocol.metrics[:3], _METRICS[version.protocol]}:
        value = planted.number()
        evaluation.scores.create(
            metric=key,
            value=value,
            low=planted.number(),
            high=planted.number(),
            score=planted.score(near),
            n=planted.count(),
            n_failed=planted.count(),
            n_tested=planted.count(),
            median_error=planted.number(),
            baseline_error=planted.number(),
            replicates=metric_replicates.packed([value, value + 1, value + 2]),
        )
    models.SkillTable.objects.create(
        evaluation=evaluation,
        metrics=["force_mae"],
        packed=skill_tables.packed([[planted.score(near)] * 2] * 2),
        # Known elements, too: a board for aluminium would be judged on the second system.
        elements=[MARK, "Al"],
        clusters=[MARK, MARK],
    )
    errors = FrameErrors(
        energies_meV_atom=np.array([planted.number() for _ in range(2)]),
        forces_eV_A=[np.full((1, 3), planted.number()) for _ in range(2)],
    )
    kept = frames.packed(errors, [MARK, "Al"])
    assert kept is not None
    models.FrameErrorTable.objects.create(
        evaluation=evaluation,
        n_atoms=list(kept.n_atoms),
        clusters=[MARK, MARK],
        packed=frames.content_of(kept),
    )
    models.TestedSystems.objects.get_or_create(
        task_version=version,
        defaults={"elements": [MARK, "Al"], "clusters": [MARK, MARK], "is_tested": [True, True]},
    )
    _records(evaluation, version, planted)
    return evaluation


def _summary(planted: Planted) -> dict[str, Any]:
    return {
        "force_mae_by_element": {"Al": planted.number(), "Cu": planted.number()},
        "force_mae_by_family": {MARK: planted.number()},
        "energy_shift_eV": planted.number(),
        "hardware": "2 threads of a CPU",
    }


def _records(evaluation: models.Evaluation, version: models.TaskVersion, planted: Planted) -> None:
    names = [column.name for column in version.catalog_protocol.columns]
    numbers = {name: planted.number() for name in names}
    sizes = [
        {"n_atoms": n, "median_ms": planted.number(), "q1_ms": planted.number(),
         "q3_ms": planted.number(), "memory_peak_MiB": planted.number()}
        for n in (8, 64, 512)
    ]  # fmt: skip
    scaling = {
        "scaling_exponent": 1.0,
        "scaling_exponent_low": 0.9,
        "scaling_exponent_high": 1.1,
        "scaling_smallest_n_atoms": 8,
        "scaling_largest_n_atoms": 512,
        "scaling_prefactor_ms": planted.number(),
    }
    evaluation.systems.create(
        position=0,
        system_id=f"{MARK}-{version.protocol}",
        status="ok",
        values={**numbers, "element": "Al", "formula": "Al", "sizes": sizes, **scaling},
        reference={name: planted.number() for name in numbers},
        n_calls=planted.count(),
        wall_time_s=planted.number(),
    )
    evaluation.systems.create(
        position=1,
        system_id=f"{MARK} beside it",
        status="failed",
        message=f"{MARK}: no minimum at {planted.number()}",
        n_calls=planted.count(),
    )
    content = f"{MARK} {evaluation.pk}".encode()
    sha256 = hashlib.sha256(content).hexdigest()
    file = evaluation.files.create(
        position=0,
        system_id=f"{MARK}-{version.protocol}",
        name="trajectory.extxyz",
        sha256=sha256,
        size_bytes=planted.count(),
        media_type="chemical/x-xyz",
    )
    blobs.write([content]).keep(file.storage_name)


def _failed(
    submission: models.Submission,
    version: models.TaskVersion,
    worker: models.Worker,
    planted: Planted,
) -> models.Evaluation:
    evaluation = factories.evaluation(
        submission,
        version,
        state=EvaluationState.FAILED,
        verdict="runtime_error",
        message=f"ValueError: {MARK} [[0.0, 0.1, 0.2]]",
        worker=worker,
        attempt=1,
        stdout=f"{MARK} last words",
        stderr=f"Traceback {MARK}",
        summary=_summary(planted),
        n_systems=2,
        n_failed=planted.count(),
    )
    errors = FrameErrors(
        energies_meV_atom=np.array([planted.number() for _ in range(2)]),
        forces_eV_A=[np.full((1, 3), planted.number()) for _ in range(2)],
    )
    kept = frames.packed(errors, [MARK, "Al"])
    assert kept is not None
    models.FrameErrorTable.objects.create(
        evaluation=evaluation,
        n_atoms=list(kept.n_atoms),
        clusters=[MARK, MARK],
        packed=frames.content_of(kept),
    )
    _records(evaluation, version, planted)
    return evaluation


def _running(
    submission: models.Submission,
    version: models.TaskVersion,
    worker: models.Worker,
    planted: Planted,
) -> models.Evaluation:
    return factories.evaluation(
        submission,
        version,
        state=EvaluationState.RUNNING,
        phase="simulating",
        worker=worker,
        attempt=1,
        started_at=timezone.now(),
        lease_expires_at=timezone.now() + timedelta(hours=1),
        progress_done=planted.count(),
        progress_total=planted.count(),
        progress_calls=planted.count(),
        expected_at=timezone.now() + timedelta(hours=5),
    )
