"""What the administrators' first page leads with: tasks, reference sets, benchmarks, the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse

from leaderboard.enums import VersionState
from leaderboard.models import Benchmark, BenchmarkVersion, ReferenceSet, Task, TaskVersion
from leaderboard.services.evaluations import operations, queue


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One of the four things that are done here, with its pages."""

    title: str
    says: str
    #: Words and addresses of its pages, the first one the likeliest.
    links: Sequence[tuple[str, str]]
    #: Something about it must be looked at.
    is_alarming: bool = False


def desks_for(user: User | AnonymousUser) -> list[Desk]:
    """Those of which the user may see something, in the order in which they are needed."""
    desks = [_tasks(user), _reference_sets(user), _benchmarks(user), _queue(user)]
    return [desk for desk in desks if desk.links]


def _tasks(user: User | AnonymousUser) -> Desk:
    n_drafts = TaskVersion.objects.filter(state=VersionState.DRAFT).count()
    return Desk(
        title="Tasks",
        says=f"{Task.objects.all().published().count()} published, {_drafts(n_drafts)}.",
        links=_allowed(
            user,
            ("change", "taskversion", "Task versions and their desks", "changelist"),
            ("add", "taskversion", "Define a task", "add"),
            ("view", "task", "Names of tasks", "changelist"),
        ),
    )


def _reference_sets(user: User | AnonymousUser) -> Desk:
    n_hidden = ReferenceSet.objects.filter(is_public=False).count()
    return Desk(
        title="Reference sets",
        says=f"{ReferenceSet.objects.count()} stored, {n_hidden} of them hidden.",
        links=_allowed(
            user,
            ("view", "referenceset", "Reference sets", "changelist"),
            ("add", "referenceset", "Upload a reference set", "add"),
        ),
    )


def _benchmarks(user: User | AnonymousUser) -> Desk:
    n_drafts = BenchmarkVersion.objects.filter(state=VersionState.DRAFT).count()
    return Desk(
        title="Benchmarks",
        says=f"{Benchmark.objects.all().published().count()} published, {_drafts(n_drafts)}.",
        links=_allowed(
            user,
            ("change", "benchmarkversion", "Benchmark versions and their desks", "changelist"),
            ("add", "benchmarkversion", "Compose a benchmark", "add"),
            ("view", "benchmark", "Names of benchmarks", "changelist"),
        ),
    )


def _queue(user: User | AnonymousUser) -> Desk:
    if not user.has_perm("leaderboard.change_evaluation"):
        return Desk(title="Queue", says="", links=[])
    counted, blocked = queue.summary(), operations.what_nobody_can_take()
    online = f"{counted.n_workers} worker{'s' * (counted.n_workers != 1)} online"
    return Desk(
        title="Queue",
        says=blocked[0]
        if blocked
        else f"{counted.n_queued} wait, {counted.n_running} run, {online}.",
        links=[
            ("Queue and workers", reverse("admin:queue-desk")),
            *_allowed(user, ("view", "evaluation", "All evaluations", "changelist")),
        ],
        is_alarming=bool(blocked),
    )


def _drafts(n: int) -> str:
    return f"{n} draft{'s' * (n != 1)}"


def _allowed(
    user: User | AnonymousUser, *pages: tuple[str, str, str, str]
) -> list[tuple[str, str]]:
    return [
        (words, reverse(f"admin:leaderboard_{model}_{page}"))
        for right, model, words, page in pages
        if user.has_perm(f"leaderboard.{right}_{model}")
    ]
