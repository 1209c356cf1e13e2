"""Evaluates who is here already on new task versions: what it costs, how far it has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet

from evaluator.standard_tasks.read import SMOKE_TASK
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.models import BenchmarkVersion, Evaluation, Submission, TaskVersion
from leaderboard.services.accounts import audit
from leaderboard.services.definitions.tasks import evaluate_everyone
from leaderboard.services.evaluations import smoke
from leaderboard.services.evaluations.durations import typical_durations
from leaderboard.services.evaluations.workers import live_workers


@dataclass(frozen=True, kw_only=True)
class TaskCost:
    """What one task version still costs."""

    task_version: TaskVersion
    n_missing: int
    #: Median of recent evaluations, dry runs included; None while there is none.
    each: timedelta | None
    #: Says where ``each`` is from when it is not this very version.
    source: str = ""

    @property
    def total(self) -> timedelta | None:
        if self.n_missing == 0:
            return timedelta(0)
        return None if self.each is None else self.n_missing * self.each


@dataclass(frozen=True, kw_only=True)
class Cost:
    tasks: tuple[TaskCost, ...]
    n_workers: int

    @property
    def n_missing(self) -> int:
        return sum(task.n_missing for task in self.tasks)

    @property
    def total(self) -> timedelta:
        """Worker time of what is known."""
        return sum((task.total for task in self.tasks if task.total is not None), timedelta(0))

    @property
    def is_complete(self) -> bool:
        return all(task.total is not None for task in self.tasks)

    @property
    def is_unknown(self) -> bool:
        """Whether of nothing that is missing it is known how long it takes."""
        return not any(task.n_missing and task.each is not None for task in self.tasks) and (
            not self.is_complete
        )

    @property
    def elapsed(self) -> timedelta | None:
        """Estimate the time with the workers that live now, if nothing else waits.

        None without any, and where it is not known of all how long they take.
        """
        return self.total / self.n_workers if self.n_workers and self.is_complete else None


@dataclass(frozen=True, kw_only=True)
class Filling:
    """How far the evaluations of a benchmark version have come."""

    n_ended: int
    n_pending: int
    #: The newest earlier version, which still holds the whole picture.
    earlier: BenchmarkVersion | None


def estimate(task_versions: Sequence[TaskVersion]) -> Cost:
    """From how many submissions lack an evaluation, and how long recent ones took."""
    durations = typical_durations({version.pk for version in task_versions})
    tasks = []
    for version in task_versions:
        each, source = durations.get(version.pk), ""
        if each is None:
            each, source = _of_earlier(version)
        n_missing = lacking(version).count()
        tasks.append(TaskCost(task_version=version, n_missing=n_missing, each=each, source=source))
    return Cost(tasks=tuple(tasks), n_workers=len(live_workers()))


def lacking(version: TaskVersion) -> QuerySet[Submission]:
    """Standing submissions without a current evaluation on it, which a back-fill would give them.

    Those whose smoke evaluation failed get none.
    """
    there = Evaluation.objects.filter(
        submission=OuterRef("pk"), task_version=version, is_current=True
    )
    standing = Submission.objects.filter(~Exists(there), withdrawn_at__isnull=True)
    if version.task.slug == SMOKE_TASK:
        return standing
    return standing.exclude(Exists(smoke.failed_gates().filter(submission=OuterRef("pk"))))


def start(actor: audit.Actor, task_versions: Sequence[TaskVersion]) -> list[Evaluation]:
    """Queue what is missing, behind everything else. Raises ConflictError for a draft."""
    created = []
    for version in task_versions:
        new = evaluate_everyone(version)
        audit.record(actor, "back-fill", version, detail=f"{len(new)} evaluations queued.")
        created += new
    return created


def filling(version: BenchmarkVersion) -> Filling | None:
    """None once nothing of it is pending: then the version tells everything by itself."""
    tasks = version.entries.values("task_version")
    current = Evaluation.objects.filter(
        task_version__in=tasks, is_current=True, submission__withdrawn_at__isnull=True
    )
    waiting = (EvaluationState.QUEUED, EvaluationState.RUNNING)
    n_pending = current.filter(state__in=waiting).count()
    if n_pending == 0:
        return None
    earlier = (
        version.benchmark.versions.filter(number__lt=version.number)
        .exclude(state=VersionState.DRAFT)
        .order_by("-number")
        .first()
    )
    n_ended = current.exclude(state__in=waiting).count()
    return Filling(n_ended=n_ended, n_pending=n_pending, earlier=earlier)


def _of_earlier(version: TaskVersion) -> tuple[timedelta | None, str]:
    """A new version mostly costs what the one before did."""
    earlier = version.task.versions.filter(number__lt=version.number).order_by("-number")
    durations = typical_durations(set(earlier.values_list("pk", flat=True)))
    for row in earlier:
        if row.pk in durations:
            return durations[row.pk], f"as version {row.number} took"
    return None, ""
