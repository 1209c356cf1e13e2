"""What happens when an evaluation does not succeed: which verdicts are retried, how an end is kept.

All functions expect a row that the caller's transaction has locked.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from evaluator.contract import INFRASTRUCTURE_VERDICTS, Verdict
from leaderboard import dispatch
from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, Event
from leaderboard.services.json_values import clean_text

_STATE_BY_VERDICT = {
    Verdict.OK: EvaluationState.SUCCEEDED,
    Verdict.CANCELLED: EvaluationState.CANCELLED,
}


def is_retried(verdict: Verdict) -> bool:
    """Only our own faults are tried again by themselves: a submission's would come again."""
    return verdict in INFRASTRUCTURE_VERDICTS


def end(evaluation: Evaluation, verdict: Verdict, message: str) -> None:
    """Move to the terminal state that belongs to the verdict, with all that was set on the row."""
    evaluation.state = _STATE_BY_VERDICT.get(verdict, EvaluationState.FAILED)
    evaluation.verdict = verdict
    evaluation.message = clean_text(message)
    evaluation.phase = ""
    evaluation.expected_at = None
    evaluation.lease_expires_at = None
    evaluation.not_before = None
    evaluation.finished_at = timezone.now()
    evaluation.save()
    evaluation.kept_systems.all().delete()  # no attempt will need them
    Event.objects.create(
        evaluation=evaluation, kind=evaluation.state, data={"verdict": str(verdict)}
    )


def retry_or_fail(evaluation: Evaluation, verdict: Verdict, reason: str) -> None:
    """Back to the queue after a pause that grows, or failed once the attempts are used up."""
    if evaluation.cancel_requested_at is not None:
        end(evaluation, Verdict.CANCELLED, "Cancelled while it ran.")
    elif evaluation.attempt >= settings.MAX_ATTEMPTS:
        end(evaluation, verdict, f"Given up after {evaluation.attempt} attempts. {reason}")
    else:
        pause = settings.RETRY_PAUSE_S * 4 ** (evaluation.attempt - 1)
        requeue(evaluation, "retried", reason, verdict, delay=timedelta(seconds=pause))


def requeue(
    evaluation: Evaluation,
    kind: str,
    reason: str,
    verdict: Verdict | None = None,
    *,
    delay: timedelta,
) -> None:
    """Back to the queue, to be claimed after ``delay``; the reason is shown meanwhile."""
    if evaluation.cancel_requested_at is not None:
        end(evaluation, Verdict.CANCELLED, "Cancelled while it ran.")
        return
    evaluation.state = EvaluationState.QUEUED
    evaluation.phase = ""
    evaluation.progress_done = evaluation.progress_total = evaluation.progress_calls = 0
    evaluation.expected_at = None
    evaluation.message = clean_text(reason)
    evaluation.lease_expires_at = None
    evaluation.message_sent_at = None
    evaluation.not_before = timezone.now() + delay if delay else None
    evaluation.save()
    Event.objects.create(
        evaluation=evaluation,
        kind=kind,
        data={"reason": evaluation.message, "verdict": verdict, "attempt": evaluation.attempt},
    )
    if not delay:
        dispatch.announce_on_commit([evaluation.pk])
