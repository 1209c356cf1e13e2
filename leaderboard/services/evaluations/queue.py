"""Where an evaluation stands in the queue, when it may start, and what its attempts came to."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation
from leaderboard.models.evaluation import QUEUE_ORDER
from leaderboard.services.evaluations.deafness import deaf_workers
from leaderboard.services.evaluations.workers import live_workers

#: Of so many recent successes the median tells how long a task takes.
_N_RECENT = 20
#: With more in front of it, an estimate would be a guess.
_MAX_AHEAD = 500
_ENDS = frozenset({"succeeded", "failed", "cancelled", "retried", "handed_back"})


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One claim by a worker, and what became of it."""

    number: int
    worker: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class QueueStanding:
    """Of an evaluation that waits; nothing of one that does not."""

    #: 1 for the one that is claimed next; None unless it is queued and nothing holds it.
    position: int | None = None
    estimated_start_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """How much waits, who works, and whether those who could hear of it."""

    n_queued: int
    n_held: int
    n_running: int
    oldest_at: datetime | None
    n_workers: int
    n_deaf: int


def summary() -> Summary:
    """The whole queue, counted."""
    queued = Evaluation.objects.filter(state=EvaluationState.QUEUED).aggregate(
        n=Count("pk"), held=Count("pk", filter=Q(held_by__isnull=False)), oldest=Min("queued_at")
    )
    workers = live_workers()
    return Summary(
        n_queued=queued["n"],
        n_held=queued["held"],
        n_running=Evaluation.objects.filter(state=EvaluationState.RUNNING).count(),
        oldest_at=queued["oldest"],
        n_workers=len(workers),
        n_deaf=len(deaf_workers(workers)),
    )


def places(evaluations: Iterable[Evaluation]) -> dict[UUID, int]:
    """Place in the queue, from 1, of those that have one; what is held or has ended has none.

    The queue is not read where nobody has a place.
    """
    wanted = {evaluation.pk for evaluation in evaluations if _is_in_line(evaluation)}
    if not wanted:
        return {}
    order = _line().order_by(*QUEUE_ORDER).values_list("pk", flat=True)
    return {pk: place for place, pk in enumerate(order, start=1) if pk in wanted}


def standing(evaluation: Evaluation) -> QueueStanding:
    """Its place in the queue, and when it may start."""
    if not _is_in_line(evaluation):
        return QueueStanding()
    ahead = _ahead_of(evaluation)
    place = ahead.count() + 1
    if place > _MAX_AHEAD:
        return QueueStanding(position=place)
    return QueueStanding(position=place, estimated_start_at=_estimated_start(evaluation, ahead))


def _estimated_start(evaluation: Evaluation, before: QuerySet[Evaluation]) -> datetime | None:
    """When a worker should be free for it; None where too little is known to say.

    The live workers take what is in front of it one by one, each for as long as recent evaluations
    on the same task version took. Whatever is submitted meanwhile with a higher priority, and
    workers that come or go, are not foreseen.
    """
    n_workers = len(live_workers())
    if n_workers == 0:
        return None
    ahead = list(before.order_by(*QUEUE_ORDER))
    running = list(Evaluation.objects.filter(state=EvaluationState.RUNNING))
    durations = typical_durations({e.task_version_id for e in (*ahead, *running)})
    if any(e.task_version_id not in durations for e in (*ahead, *running)):
        return None
    now = timezone.now()
    free = [max(now, _expected_end(e, durations)) for e in running[:n_workers]]
    free += [now] * (n_workers - len(free))
    heapq.heapify(free)
    for other in ahead:
        heapq.heapreplace(free, free[0] + durations[other.task_version_id])
    start = max(free[0], evaluation.not_before or now)
    # To the minute: it is no more exact, and a client's copy stays valid for a while.
    return start.replace(second=0, microsecond=0) + timedelta(minutes=1)


def typical_durations(task_version_ids: Collection[int]) -> dict[int, timedelta]:
    """Median wall time of recent successes by task version; those without any are left out."""
    durations = {}
    for pk in task_version_ids:
        recent = Evaluation.objects.filter(
            task_version=pk, state=EvaluationState.SUCCEEDED, wall_time_s__isnull=False
        ).order_by("-finished_at")
        times = [float(t or 0) for t in recent.values_list("wall_time_s", flat=True)[:_N_RECENT]]
        if times:
            durations[pk] = timedelta(seconds=median(times))
    return durations


def attempts(evaluation: Evaluation) -> list[Attempt]:
    """Every claim in order, read from the evaluation's events."""
    rows: list[Attempt] = []
    for event in evaluation.events.all():
        data = event.data
        if event.kind == "claimed":
            rows.append(
                Attempt(
                    number=int(data.get("attempt") or len(rows) + 1),
                    worker=str(data.get("worker") or ""),
                    started_at=event.at,
                )
            )
        elif event.kind in _ENDS and rows and rows[-1].ended_at is None:
            reason = str(data.get("reason") or data.get("verdict") or "")
            rows[-1] = replace(rows[-1], ended_at=event.at, outcome=event.kind, reason=reason)
    return rows


def _is_in_line(evaluation: Evaluation) -> bool:
    return evaluation.state == EvaluationState.QUEUED and evaluation.held_by_id is None


def _line() -> QuerySet[Evaluation]:
    """Whatever has a place in the queue."""
    return Evaluation.objects.filter(state=EvaluationState.QUEUED, held_by__isnull=True)


def _ahead_of(evaluation: Evaluation) -> QuerySet[Evaluation]:
    level = Q(priority=evaluation.priority)
    earlier = Q(queued_at__lt=evaluation.queued_at)
    earlier |= Q(queued_at=evaluation.queued_at, pk__lt=evaluation.pk)
    return _line().filter(Q(priority__gt=evaluation.priority) | (level & earlier))


def _expected_end(running: Evaluation, durations: dict[int, timedelta]) -> datetime:
    if running.expected_at is not None:
        return running.expected_at
    started: datetime = running.started_at or timezone.now()
    return started + durations[running.task_version_id]
