"""What the administrators see of the queue and its workers, and what they can do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from leaderboard import dispatch
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.exceptions import ConflictError
from leaderboard.lib.moments import month_around
from leaderboard.models import Charge, Evaluation, Submission, TaskVersion, Worker
from leaderboard.services.accounts import audit
from leaderboard.services.evaluations import failures, lifecycle, queue
from leaderboard.services.evaluations.deafness import deaf_workers
from leaderboard.services.evaluations.events import record
from leaderboard.services.evaluations.waiting import waiting_reason
from leaderboard.services.evaluations.workers import BUILT_IN, UNCONFINED, live_workers

#: Whoever waits longer than this without being held is worth a look.
LONG_WAIT = timedelta(hours=1)
_N_SHOWN = 50
_N_VERDICTS = 8
_RELATED = (
    *("submission__potential", "task_version__task", "task_version__reference_set", "worker"),
)


@dataclass(frozen=True, kw_only=True)
class Concern:
    """An evaluation that somebody should look at, and why."""

    evaluation: Evaluation
    why: str


@dataclass(frozen=True, kw_only=True)
class WorkerState:
    worker: Worker
    is_live: bool
    #: Free, and without having heard for long that work is due.
    is_deaf: bool
    running: Sequence[Evaluation]
    #: Of its last evaluations, the newest first.
    last: Sequence[Evaluation]


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one account has used this month."""

    name: str
    n_month: int
    n_active: int


@dataclass(frozen=True, kw_only=True)
class Overview:
    #: What waits and why nobody who is online can take it, a sentence each; empty if all can be.
    blocked: Sequence[str]
    n_queued: int
    n_held: int
    n_running: int
    oldest_at: datetime | None
    running: Sequence[Evaluation]
    next_up: Sequence[Evaluation]
    concerns: Sequence[Concern]
    workers: Sequence[WorkerState]
    usage: Sequence[Usage]
    withdrawn: Sequence[Submission]


def overview() -> Overview:
    """The queue as it is now."""
    queued = Evaluation.objects.filter(state=EvaluationState.QUEUED)
    running = Evaluation.objects.filter(state=EvaluationState.RUNNING)
    totals = queued.aggregate(
        n=Count("pk"), held=Count("pk", filter=Q(held_by__isnull=False)), oldest=Min("queued_at")
    )
    return Overview(
        blocked=what_nobody_can_take(),
        n_queued=totals["n"],
        n_held=totals["held"],
        n_running=running.count(),
        oldest_at=totals["oldest"],
        running=list(_light(running).order_by("started_at")[:_N_SHOWN]),
        next_up=queue.first_of(_light(queued), _N_SHOWN),
        concerns=[
            *(*_silent(running), *_retried(queued), *_waiting_long(queued)),
            *_of_faulty_sets(),
        ],
        workers=[_state_of(worker) for worker in Worker.objects.order_by("-last_seen_at")],
        usage=_usage(),
        withdrawn=list(
            Submission.objects.filter(withdrawn_at__isnull=False)
            .select_related("potential", "submitted_by")
            .order_by("-withdrawn_at")[:_N_VERDICTS]
        ),
    )


def what_nobody_can_take() -> list[str]:
    """A sentence for all that waits while no worker is online that may take it, if there is any."""
    waiting = Evaluation.objects.filter(state=EvaluationState.QUEUED, held_by__isnull=True)
    n_all = waiting.count()
    n_foreign = waiting.exclude(submission__calculator_kind__in=BUILT_IN).count()
    workers = live_workers()
    if n_all and not workers:
        n_drained = Worker.objects.filter(is_enabled=False, last_seen_at__gt=_lease_ago()).count()
        advice = (
            f"{_counted(n_drained, 'worker')} {'are' if n_drained > 1 else 'is'} online and "
            "drained: enable one among the workers."
            if n_drained
            else "Start one: touchstone worker, on a host that touchstone worker --check approves."
        )
        return [f"Nobody online can take what waits ({_counted(n_all, 'evaluation')}). {advice}"]
    if n_foreign and all(worker.sandbox_level == UNCONFINED for worker in workers):
        part = f"{n_foreign} of {_counted(n_all, 'evaluation')}"
        what = f"what waits ({part})" if n_foreign == n_all else f"{part} that wait"
        why = "they are of potentials from outside, and no worker that is online has a sandbox."
        return [f"Nobody online can take {what}: {why}"]
    return []


def can_be_requeued(evaluation: Evaluation) -> bool:
    """Whether ``requeue`` would change anything: it runs, or a pause keeps it from running."""
    if evaluation.state == EvaluationState.RUNNING:
        return True
    pauses = evaluation.not_before is not None and evaluation.not_before > timezone.now()
    return evaluation.state == EvaluationState.QUEUED and not evaluation.held_by_id and pauses


def requeue(user: User, evaluation: Evaluation) -> Evaluation:
    """Have it tried again now: ends a pause, or takes it from the worker that runs it.

    What such a worker may still report is refused, as if its lease had run out. One that has ended
    is repeated by a new evaluation. Raises PermissionDenied, and ConflictError where nothing would
    come of it.
    """
    if not user.is_staff:
        raise PermissionDenied("The queue is the administrators'.")
    if evaluation.has_ended:
        return lifecycle.reevaluate(user, evaluation, "Repeated by the administrators.")
    with transaction.atomic():
        row = Evaluation.objects.select_for_update().get(pk=evaluation.pk)
        reason = f"Sent to the queue again by {user.username}."
        if row.state == EvaluationState.RUNNING:
            row.attempt = max(0, row.attempt - 1)  # no fault of anybody's
            failures.requeue(row, "handed_back", reason, delay=timedelta(0))
        elif can_be_requeued(row):
            row.not_before = None
            row.save(update_fields=["not_before"])
            record(row, "requeued", by=user.username)
            dispatch.announce_on_commit([row.pk])
        else:
            raise ConflictError(_why_not_requeued(row))
    return row


def drain(user: User, worker: Worker) -> None:
    """It claims nothing from now on; what it runs may end."""
    with audit.recorded(user, "drained", worker):
        Worker.objects.filter(pk=worker.pk).update(is_enabled=False)


def enable(user: User, worker: Worker) -> None:
    with audit.recorded(user, "enabled", worker):
        Worker.objects.filter(pk=worker.pk).update(is_enabled=True)


def take_out(user: User, worker: Worker) -> int:
    """Drain it, and hand what it runs to others at once; returns how much that was."""
    drain(user, worker)
    running = list(worker.evaluations.filter(state=EvaluationState.RUNNING).order_by("pk"))
    # One transaction each: of two that end rows of several parties in different orders, one would
    # wait for the other's count of their time. Whatever fails, nothing new comes to the worker.
    return sum(_take_from(user, worker, evaluation) for evaluation in running)


def _take_from(user: User, worker: Worker, evaluation: Evaluation) -> bool:
    """False where it has ended, or runs elsewhere, meanwhile."""
    with transaction.atomic():
        row = Evaluation.objects.select_for_update().get(pk=evaluation.pk)
        if (row.state, row.fencing_token) != (EvaluationState.RUNNING, evaluation.fencing_token):
            return False
        requeue(user, row)
        audit.record(user, "requeued", row, detail=f"Taken from {worker}.")
    return True


def _why_not_requeued(evaluation: Evaluation) -> str:
    if evaluation.has_ended:
        return "It has ended meanwhile."
    if evaluation.held_by_id:
        return "It waits for its smoke evaluation."
    return "It is in the queue and waits for its turn: there is nothing to re-queue."


def _counted(n: int, word: str) -> str:
    return f"{n} {word}{'s' * (n != 1)}"


def _lease_ago() -> datetime:
    return timezone.now() - timedelta(seconds=settings.LEASE_S)


def _light(rows: QuerySet[Evaluation]) -> QuerySet[Evaluation]:
    bulky = ("stdout", "stderr", "consistency", "provenance", "replicates", "summary")
    return rows.select_related(*_RELATED).defer(*bulky)


def _silent(running: QuerySet[Evaluation]) -> list[Concern]:
    limit = timezone.now() - timedelta(seconds=3 * settings.HEARTBEAT_S)
    return [
        Concern(
            evaluation=row,
            why=f"Nothing was heard of {row.worker} since {row.heartbeat_at:%H:%M:%S} UTC. The "
            "reaper returns it when its lease has run out.",
        )
        for row in _light(running.filter(heartbeat_at__lt=limit)).order_by("heartbeat_at")
    ]


def _retried(queued: QuerySet[Evaluation]) -> list[Concern]:
    rows = _light(queued.filter(attempt__gt=0)).order_by("not_before")[:_N_SHOWN]
    return [
        Concern(evaluation=row, why=f"Attempt {row.attempt} failed: {row.message}") for row in rows
    ]


def _waiting_long(queued: QuerySet[Evaluation]) -> list[Concern]:
    limit = timezone.now() - LONG_WAIT
    rows = queued.filter(queued_at__lt=limit, held_by__isnull=True, attempt=0, priority__gte=0)
    return [
        Concern(evaluation=row, why=waiting_reason(row))
        for row in _light(rows).order_by("queued_at")[:_N_SHOWN]
    ]


def _of_faulty_sets() -> list[Concern]:
    """Of each published task version whose set holds what nothing can be said of, the newest.

    The drivers have read the sets; the service never does.
    """
    published = TaskVersion.objects.filter(state=VersionState.PUBLISHED).values("pk")
    newest = (
        Evaluation.objects.filter(state=EvaluationState.SUCCEEDED, task_version__in=published)
        .order_by("task_version_id", "-finished_at")
        .distinct("task_version_id")
    )
    faulty = Evaluation.objects.filter(
        pk__in=list(newest.values_list("pk", flat=True)), provenance__has_key="left_out"
    )
    return [
        Concern(
            evaluation=row,
            why=f"The reference set {row.task_version.reference_set} is at fault: "
            f"{_named(row.provenance['left_out'])} Such structures are left out for everybody. "
            "Store a new version of the set without them, and evaluate what was scored before on "
            "it again.",
        )
        for row in faulty.select_related(*_RELATED).order_by("task_version_id")
    ]


def _named(left_out: Mapping[str, str]) -> str:
    named = [f"{name}: {why}" for name, why in left_out.items()]
    return " ".join(named[:3]) + (f" And {len(named) - 3} more." if len(named) > 3 else "")


def _state_of(worker: Worker) -> WorkerState:
    limit = _lease_ago()
    own = _light(worker.evaluations.all())
    is_live = worker.last_seen_at > limit
    return WorkerState(
        worker=worker,
        is_live=is_live,
        is_deaf=is_live and bool(deaf_workers([worker])),
        running=list(own.filter(state=EvaluationState.RUNNING)),
        last=list(own.filter(finished_at__isnull=False).order_by("-finished_at")[:_N_VERDICTS]),
    )


def _usage() -> list[Usage]:
    """Who has asked for most this month."""
    month, _ = month_around(timezone.now())
    counted = Charge.objects.filter(at__gte=month).counted()
    active = Q(evaluation__state__in=(EvaluationState.QUEUED, EvaluationState.RUNNING))
    rows = (
        counted.values("user__username", "team__name")
        .annotate(n=Count("pk"), n_active=Count("pk", filter=active))
        .order_by("-n")[:_N_VERDICTS]
    )
    return [
        Usage(
            name=row["user__username"] or f"team {row['team__name']}",
            n_month=row["n"],
            n_active=row["n_active"],
        )
        for row in rows
    ]
