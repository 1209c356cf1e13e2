"""The life of an evaluation: queued, claimed, kept alive, ended, retried, cancelled, repeated.

Every move is one transaction that the database decides by the row's state and fencing token. A
message that is lost, late or delivered twice therefore loses nothing and duplicates nothing.
Reports are stored in ``reports.py``; what nobody brings to an end is found by ``housekeeping.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Min, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from evaluator.catalog import PROTOCOLS
from evaluator.contract import EvaluationReport, Limits, Phase, Progress, Verdict
from leaderboard import dispatch
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.exceptions import ConflictError, LostLeaseError, SubmissionError
from leaderboard.lib.json_values import clean_text
from leaderboard.models import Evaluation, Event, Submission, TaskVersion, Worker
from leaderboard.models.evaluation import QUEUE_ORDER, STAFF_PARTY
from leaderboard.models.permissions import check_may_submit
from leaderboard.services.accounts import quotas
from leaderboard.services.accounts.parties import parties_of_repeat
from leaderboard.services.evaluations import failures, fair_share, reports, smoke
from leaderboard.services.evaluations.durations import typical_durations
from leaderboard.services.evaluations.events import record

#: After everything that somebody waits for: back-fills, and what the staff repeats for others.
STAFF_PRIORITY = -10


def queue_evaluations(
    submission: Submission,
    task_versions: Iterable[TaskVersion],
    priority: int = 0,
    parties: Sequence[str] = (),
) -> list[Evaluation]:
    """Queue what is missing; returns the new rows. Where one is current already, it stands.

    Quick tasks come first, so that a potential soon has numbers, and those that need the device for
    themselves last. They are held until the submission's smoke evaluation has succeeded, which is
    queued before them where it is missing, and is among those returned. Where it has failed,
    nothing is queued.
    ``parties`` are those whose shares they come out of; the submission's where none are named.
    """
    versions = _quick_first(list(task_versions))
    smoke_version = smoke.smoke_version() if versions else None
    row = partial(Evaluation, submission=submission, priority=priority, parties=list(parties))
    with transaction.atomic():
        if smoke_version is None:
            return _queue(row(task_version=version) for version in versions)
        gate, is_new = smoke.gate_of(submission, smoke_version, parties)
        created = [gate] if is_new else []
        if not smoke.has_failed(gate):
            held_by = None if gate.has_ended else gate
            others = [version for version in versions if version != smoke_version]
            created += _queue(row(task_version=version, held_by=held_by) for version in others)
    return created


def _quick_first(versions: list[TaskVersion]) -> list[TaskVersion]:
    """By the time that they take others; what nobody has been through yet, by its limit."""
    if len(versions) < 2:
        return versions
    typical = typical_durations({version.pk for version in versions})

    def order(version: TaskVersion) -> tuple[bool, bool, float]:
        protocol = PROTOCOLS.get(version.protocol)
        is_timed = protocol is not None and protocol.is_timed
        if version.pk in typical:
            return is_timed, False, typical[version.pk].total_seconds()
        return is_timed, True, Limits.from_json(version.limits).wall_time_s

    return sorted(versions, key=order)


def _queue(rows: Iterable[Evaluation]) -> list[Evaluation]:
    rows = list(rows)
    # ON CONFLICT DO NOTHING: of two that queue the same, the second does nothing.
    Evaluation.objects.bulk_create(rows, ignore_conflicts=True)
    created = list(Evaluation.objects.filter(pk__in=[row.pk for row in rows]))
    Event.objects.bulk_create(Event(evaluation=row, kind="queued") for row in created)
    dispatch.announce_on_commit(row.pk for row in created if row.held_by_id is None)
    return created


def claim_evaluation(
    evaluation_id: UUID, worker: Worker, kinds: Collection[str] | None = None
) -> Evaluation | None:
    """Move an evaluation from QUEUED to RUNNING; None when it is not ours to have.

    The queue may deliver a message twice. The WHERE clause on the state makes the database
    decide, so that exactly one worker runs each evaluation. ``kinds`` limits the calculator
    kinds (a worker without a sandbox may run built-in ones alone).
    """
    with transaction.atomic():
        # The state stands in the statement's own WHERE: a subquery is not asked again after a wait.
        n_claimed = Evaluation.objects.filter(
            pk=evaluation_id, state=EvaluationState.QUEUED, pk__in=due(kinds).values("pk")
        ).update(**_claimed_by(worker))
        if n_claimed == 0:
            return None
        Worker.objects.filter(pk=worker.pk).update(free_since=None)
        evaluation = Evaluation.objects.select_related(
            "submission__artifact",
            "submission__runtime_lock",
            "submission__potential",
            "task_version__task",
            "task_version__reference_set",
        ).get(pk=evaluation_id)
        _note(evaluation, "claimed", worker=worker.name, attempt=evaluation.attempt)
    return evaluation


def claim_next(worker: Worker, kinds: Collection[str] | None = None) -> Evaluation | None:
    """Claim what is next by fair share, or None when nothing is due."""
    with transaction.atomic():
        first = fair_share.next_due(kinds)
        return None if first is None else claim_evaluation(first, worker, kinds)


def renew_lease(evaluation_id: UUID, token: int) -> bool:
    """Say that the worker lives; returns whether a stop was asked for. Raises LostLeaseError."""
    _update_own(
        evaluation_id,
        token,
        lease_expires_at=Now() + timedelta(seconds=settings.LEASE_S),
        heartbeat_at=Now(),
    )
    return Evaluation.objects.filter(pk=evaluation_id, cancel_requested_at__isnull=False).exists()


def record_progress(evaluation_id: UUID, token: int, progress: Progress) -> None:
    """Store where the evaluation is; the caller decides how often. Raises LostLeaseError."""
    with transaction.atomic():
        evaluation = own_running(evaluation_id, token)
        if evaluation.phase != progress.phase:
            _note(evaluation, "phase", phase=str(progress.phase))
        evaluation.phase = progress.phase
        evaluation.progress_done = progress.n_done
        evaluation.progress_total = progress.n_total
        evaluation.progress_calls = progress.n_calls
        evaluation.expected_at = (
            None
            if progress.remaining_s is None
            else timezone.now() + timedelta(seconds=progress.remaining_s)
        )
        evaluation.save(
            update_fields=[
                *("phase", "progress_done", "progress_total", "progress_calls", "expected_at")
            ]
        )


def record_report(evaluation_id: UUID, token: int, report: EvaluationReport) -> Evaluation:
    """End an evaluation with what was found: scores, systems, state and event, or nothing of it.

    An infrastructure verdict goes back to the queue instead, as often as settings.MAX_ATTEMPTS
    allows. Raises LostLeaseError for a stale token, and then nothing has changed.
    """
    with transaction.atomic():
        evaluation = own_running(evaluation_id, token)
        if failures.is_retried(report.verdict):
            failures.retry_or_fail(evaluation, report.verdict, report.message)
        else:
            reports.store(evaluation, report)
    return evaluation


def release_for_retry(
    evaluation_id: UUID,
    token: int,
    reason: str,
    verdict: Verdict = Verdict.INFRASTRUCTURE_ERROR,
) -> Evaluation:
    """Give back what could not be evaluated by our fault; it is tried again after a while.

    After settings.MAX_ATTEMPTS it fails with ``verdict`` and the reason. Raises LostLeaseError.
    """
    with transaction.atomic():
        evaluation = own_running(evaluation_id, token)
        failures.retry_or_fail(evaluation, verdict, reason)
    return evaluation


def hand_back(evaluation_id: UUID, token: int, reason: str) -> Evaluation:
    """Return an evaluation to the queue at once, uncounted: its worker is asked to shut down.

    Raises LostLeaseError.
    """
    with transaction.atomic():
        evaluation = own_running(evaluation_id, token)
        # The fencing token stays: only attempts that could have succeeded count.
        evaluation.attempt -= 1
        failures.requeue(evaluation, "handed_back", reason, delay=timedelta(0))
    return evaluation


def cancel(user: User, evaluation: Evaluation) -> Evaluation:
    """Stop an evaluation: at once where it waits, at its worker's next heartbeat where it runs.

    Raises PermissionDenied for a stranger, ConflictError where it has ended.
    """
    check_may_submit(user, evaluation.submission.potential)
    with transaction.atomic():
        evaluation = Evaluation.objects.select_for_update().get(pk=evaluation.pk)
        if evaluation.has_ended:
            raise ConflictError(f"It has ended already: {evaluation.get_state_display()}.")
        _request_cancel(evaluation, by=user.username)
    return evaluation


def cancel_all_of(submission: Submission, by: str) -> None:
    """Cancel whatever of a submission waits or runs."""
    with transaction.atomic():
        active = submission.evaluations.select_for_update(of=("self",)).filter(
            state__in=[EvaluationState.QUEUED, EvaluationState.RUNNING]
        )
        # The held ones first: the end of the smoke evaluation would end them, too.
        for evaluation in active.order_by(F("held_by").asc(nulls_last=True)):
            _request_cancel(evaluation, by=by)


def reevaluate(user: User, evaluation: Evaluation, reason: str, priority: int = 0) -> Evaluation:
    """Queue a new evaluation that supersedes an ended one, which stays in the record.

    For the submission's owner and the staff. Raises PermissionDenied, SubmissionError without a
    reason, ConflictError where there is nothing to repeat.
    """
    check_may_submit(user, evaluation.submission.potential)
    reason = clean_text(reason.strip())
    if not reason or len(reason) > 300:
        raise SubmissionError({"reason": "Say in 1 to 300 characters why it is repeated."})
    with transaction.atomic():
        old = Evaluation.objects.select_for_update().get(pk=evaluation.pk)
        _check_repeatable(old)
        parties = parties_of_repeat(user, old.submission.potential)
        if parties == [STAFF_PARTY]:
            priority = min(priority, STAFF_PRIORITY)
        new = _supersede(old, reason, priority, parties)
        stopped = [
            _supersede(row, reason, row.priority, parties, new) for row in smoke.never_begun(old)
        ]
        quotas.charge(user, new.submission.potential, [new, *stopped])
        for row in (new, *stopped):
            _note(row, "queued", by=user.username, reason=reason, supersedes=str(row.supersedes_id))
        dispatch.announce_on_commit([new.pk])
    return new


def repeat_by_itself(old: Evaluation, reason: str) -> Evaluation:
    """Queue a new evaluation that supersedes an ended one, for the service's own reason.

    Nobody's quota pays, and what people ask for comes first. The caller's transaction has locked
    the row. Raises ConflictError where there is nothing to repeat.
    """
    _check_repeatable(old)
    new = _supersede(old, reason, min(old.priority, STAFF_PRIORITY), [STAFF_PARTY])
    _note(new, "queued", by="the service", reason=reason, supersedes=str(old.pk))
    dispatch.announce_on_commit([new.pk])
    return new


def why_not_repeatable(evaluation: Evaluation) -> str:
    """Why ``reevaluate`` would refuse this one whoever asks; empty where it would not."""
    try:
        _check_repeatable(evaluation)
    except ConflictError as error:
        return str(error)
    return ""


def _supersede(
    old: Evaluation,
    reason: str,
    priority: int,
    parties: list[str],
    held_by: Evaluation | None = None,
) -> Evaluation:
    # Only one row may be current, so the old one steps back first.
    Evaluation.objects.filter(pk=old.pk).update(is_current=False)
    return Evaluation.objects.create(
        submission_id=old.submission_id,
        task_version_id=old.task_version_id,
        supersedes=old,
        reason=reason,
        priority=priority,
        parties=parties,
        held_by=held_by,
    )


def own_running(evaluation_id: UUID, token: int) -> Evaluation:
    """Lock the row for this transaction if this token still owns it; else LostLeaseError."""
    evaluation = Evaluation.objects.select_for_update().filter(pk=evaluation_id).first()
    if evaluation is None or not _is_owned(evaluation, token):
        raise _lost(evaluation_id, token)
    return evaluation


def _is_owned(evaluation: Evaluation, token: int) -> bool:
    return evaluation.state == EvaluationState.RUNNING and evaluation.fencing_token == token


def _update_own(evaluation_id: UUID, token: int, **changes: object) -> None:
    owned = Evaluation.objects.filter(
        pk=evaluation_id, state=EvaluationState.RUNNING, fencing_token=token
    )
    if owned.update(**changes) == 0:
        raise _lost(evaluation_id, token)


def _lost(evaluation_id: UUID, token: int) -> LostLeaseError:
    return LostLeaseError(f"evaluation {evaluation_id} is no longer run under token {token}")


def due(kinds: Collection[str] | None = None) -> QuerySet[Evaluation]:
    """Queued evaluations that nothing holds, whose pause, if any, is over.

    Of smoke tests, those whose party has none running.
    """
    waiting: QuerySet[Evaluation] = Evaluation.objects.filter(
        Q(not_before__isnull=True) | Q(not_before__lte=Now()),
        state=EvaluationState.QUEUED,
        held_by__isnull=True,
    )
    waiting = fair_share.without_blocked_smoke(waiting)
    return waiting if kinds is None else waiting.filter(submission__calculator_kind__in=kinds)


def due_kinds() -> list[str]:
    """Calculator kinds that something due asks for, the longest waiting first."""
    waiting = due().order_by().values("submission__calculator_kind")
    oldest = waiting.annotate(since=Min("queued_at")).order_by("since")
    return list(oldest.values_list("submission__calculator_kind", flat=True))


def first_due(kinds: Collection[str], n_most: int) -> list[UUID]:
    """The most urgent of what is due for some calculator kinds."""
    return list(due(kinds).order_by(*QUEUE_ORDER).values_list("pk", flat=True)[:n_most])


def running_on(worker_name: str) -> QuerySet[Evaluation]:
    return Evaluation.objects.filter(worker__name=worker_name, state=EvaluationState.RUNNING)


def _claimed_by(worker: Worker) -> dict[str, object]:
    return {
        "state": EvaluationState.RUNNING,
        "phase": Phase.LOADING,
        "progress_done": 0,
        "progress_total": 0,
        "progress_calls": 0,
        "expected_at": None,
        "message": "",
        "attempt": F("attempt") + 1,
        "fencing_token": F("fencing_token") + 1,
        "worker": worker,
        "lease_expires_at": Now() + timedelta(seconds=settings.LEASE_S),
        "heartbeat_at": Now(),
        "started_at": Now(),
        "not_before": None,
    }


def _request_cancel(evaluation: Evaluation, by: str) -> None:
    if evaluation.state == EvaluationState.QUEUED:
        failures.end(evaluation, Verdict.CANCELLED, f"Cancelled by {by} before it began.")
    elif evaluation.cancel_requested_at is None:
        evaluation.cancel_requested_at = timezone.now()
        evaluation.save(update_fields=["cancel_requested_at"])
        _note(evaluation, "cancel_requested", by=by)


def _check_repeatable(old: Evaluation) -> None:
    if old.is_dry_run:
        raise ConflictError("It was a dry run. Ask for another one at its task version.")
    if not old.is_current:
        raise ConflictError("It was repeated already; repeat the newer one.")
    if not old.has_ended:
        raise ConflictError("It has not ended yet. Cancel it first.")
    if old.submission.withdrawn_at is not None:
        raise ConflictError("Its submission was withdrawn.")
    if old.task_version.state != VersionState.PUBLISHED:
        raise ConflictError(f"{old.task_version} is no longer evaluated.")
    smoke.check_not_held_back(old)


def _note(evaluation: Evaluation, kind: str, **data: object) -> None:
    record(evaluation, kind, **data)
