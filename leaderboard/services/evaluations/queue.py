"""Where an evaluation stands in the queue, when it may start, and what its attempts came to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone

from evaluator.standard_tasks.read import SMOKE_TASK
from leaderboard.enums import EvaluationState
from leaderboard.lib import memory
from leaderboard.models import Evaluation
from leaderboard.services.evaluations import fair_share, line
from leaderboard.services.evaluations.deafness import deaf_workers
from leaderboard.services.evaluations.durations import typical_durations
from leaderboard.services.evaluations.workers import live_workers

#: With more in front of it, an estimate would be a guess.
_MAX_AHEAD = 500
#: Of longer queues the order is remembered, for so many seconds at most.
_PLAYED_EACH_TIME = 200
_PLAYED_EVERY_S = 10
_remembered = memory.of_process(1)
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


def first_of(queued: QuerySet[Evaluation], n: int) -> list[Evaluation]:
    """The first ``n`` of these in the order in which they will begin; what is held comes last."""
    asked = set(queued.order_by().values_list("pk", flat=True))
    first = list(islice((pk for pk in order() if pk in asked), n))
    if len(first) < n:
        first += (
            queued.exclude(pk__in=first)
            .order_by("queued_at", "pk")
            .values_list("pk", flat=True)[: n - len(first)]
        )
    rows = queued.in_bulk(first)
    return [rows[pk] for pk in first if pk in rows]


def order() -> list[UUID]:
    """Whatever has a place in the queue, in the order in which it will begin."""
    return list(_line())


def places(evaluations: Iterable[Evaluation]) -> dict[UUID, int]:
    """Place in the queue, from 1, of those that have one; what is held or has ended has none.

    The queue is not read where nobody has a place.
    """
    wanted = [evaluation.pk for evaluation in evaluations if _is_in_line(evaluation)]
    in_line = _line() if wanted else {}
    return {pk: in_line[pk].place for pk in wanted if pk in in_line}


def standing(evaluation: Evaluation) -> QueueStanding:
    """Its place in the queue, and when it may start."""
    entry = _line().get(evaluation.pk) if _is_in_line(evaluation) else None
    if entry is None:
        return QueueStanding()
    if entry.at is None or entry.place > _MAX_AHEAD:
        return QueueStanding(position=entry.place)
    # To the minute: it is no more exact, and a client's copy stays valid for a while.
    at = datetime.fromtimestamp(entry.at, UTC).replace(second=0, microsecond=0)
    return QueueStanding(position=entry.place, estimated_start_at=at + timedelta(minutes=1))


class _Entry(NamedTuple):
    place: int
    #: In seconds since 1970; None where too little is known, or no worker lives.
    at: float | None


def _line() -> dict[UUID, _Entry]:
    """Everything that has a place, in order. A long queue is played through once a few seconds."""
    stamp = _stamp()
    if stamp.n_queued <= _PLAYED_EACH_TIME:
        return _played()
    return _remembered.value(stamp, _played)


class _Stamp(NamedTuple):
    """What changes when the order does, but for the flow of time."""

    n_queued: int
    newest: datetime | None
    n_running: int
    begun: datetime | None
    moment: int


def _stamp() -> _Stamp:
    is_queued = Q(state=EvaluationState.QUEUED)
    is_running = Q(state=EvaluationState.RUNNING)
    counts = Evaluation.objects.filter(is_queued | is_running).aggregate(
        n_queued=Count("pk", filter=is_queued),
        newest=Max("queued_at", filter=is_queued),
        n_running=Count("pk", filter=is_running),
        begun=Max("started_at", filter=is_running),
    )
    return _Stamp(moment=int(timezone.now().timestamp() / _PLAYED_EVERY_S), **counts)


def _played() -> dict[UUID, _Entry]:
    n_slots = sum(worker.n_slots for worker in live_workers())
    starts = enumerate(_starts(n_slots), start=1)
    return {start.pk: _Entry(place, start.at if n_slots else None) for place, start in starts}


def _starts(n_slots: int) -> Iterator[line.Start]:
    """The claims to come; where no worker lives, those of one with one slot."""
    columns = ("parties", "task_version_id", "task_version__task__slug")
    rows = list(
        Evaluation.objects.filter(state=EvaluationState.QUEUED, held_by__isnull=True)
        .order_by("queued_at", "pk")
        .values_list(*columns, "pk", "priority", "queued_at", "not_before")
    )
    running = list(
        Evaluation.objects.filter(state=EvaluationState.RUNNING)
        .order_by()
        .values_list(*columns, "expected_at", "started_at")
    )
    durations = typical_durations({row[1] for row in (*rows, *running)})
    return line.starts(
        (
            line.Waiting(
                pk=pk,
                parties=tuple(parties),
                priority=priority,
                queued_at=queued_at.timestamp(),
                is_smoke=slug == SMOKE_TASK,
                duration_s=durations[version].total_seconds() if version in durations else None,
                not_before=not_before.timestamp() if not_before else 0.0,
            )
            for parties, version, slug, pk, priority, queued_at, not_before in rows
        ),
        [
            line.Running(
                parties=tuple(parties),
                is_smoke=slug == SMOKE_TASK,
                ends_at=_expected_end(expected_at, started_at, durations.get(version)),
            )
            for parties, version, slug, expected_at, started_at in running
        ],
        fair_share.loads(),
        n_slots=n_slots,
        now=timezone.now().timestamp(),
    )


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


def _expected_end(
    expected_at: datetime | None, started_at: datetime | None, takes: timedelta | None
) -> float | None:
    """In seconds since 1970; None where nobody knows."""
    if expected_at is not None:
        return expected_at.timestamp()
    if takes is None:
        return None
    return ((started_at or timezone.now()) + takes).timestamp()
