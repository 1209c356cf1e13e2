"""What happens when an evaluation does not succeed: which verdicts are retried, how an end is kept.

All functions expect a row that the caller's transaction has locked.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from evaluator.contract import INFRASTRUCTURE_VERDICTS, Verdict
from evaluator.standard_tasks.read import SMOKE_TASK
from leaderboard import dispatch
from leaderboard.enums import EvaluationState
from leaderboard.lib.json_values import clean_text
from leaderboard.models import Evaluation
from leaderboard.models.disclosure import is_hidden
from leaderboard.services.evaluations import fair_share, losses, smoke
from leaderboard.services.evaluations.events import record

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
    record(evaluation, evaluation.state, verdict=str(verdict))
    _settle_held(evaluation)
    _call_next_smoke(evaluation)


def retry_or_fail(evaluation: Evaluation, verdict: Verdict, reason: str) -> None:
    """Back to the queue after a pause that grows, or failed once the attempts are used up."""
    if evaluation.cancel_requested_at is not None:
        end(evaluation, Verdict.CANCELLED, "Cancelled while it ran.")
    elif verdict is Verdict.INFRASTRUCTURE_LOST and losses.is_the_artifact_s(evaluation):
        end(evaluation, Verdict.RUNTIME_ERROR, losses.message(evaluation))
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
    record(
        evaluation,
        kind,
        reason=evaluation.message,
        verdict=verdict,
        attempt=evaluation.attempt,
    )
    if not delay:
        dispatch.announce_on_commit([evaluation.pk])
    _call_next_smoke(evaluation)


def _call_next_smoke(gate: Evaluation) -> None:
    """Tell the workers of the smoke test of the same party that could not be claimed meanwhile."""
    if gate.fencing_token and gate.task_version.task.slug == SMOKE_TASK:
        waiting = fair_share.blocked_by(gate).exclude(pk=gate.pk)
        dispatch.announce_on_commit(waiting.values_list("pk", flat=True)[:1])


def _settle_held(gate: Evaluation) -> None:
    """Let go or cancel what an evaluation that has just ended held."""
    held = list(
        Evaluation.objects.select_for_update(of=("self",)).filter(
            held_by=gate, state=EvaluationState.QUEUED
        )
    )
    if not smoke.has_passed(gate):
        for evaluation in held:
            end(evaluation, Verdict.CANCELLED, _why_cancelled(gate))
        return
    for evaluation in held:
        evaluation.held_by = None
        evaluation.save(update_fields=["held_by"])
        record(evaluation, "released", smoke=str(gate.pk))
    dispatch.announce_on_commit(evaluation.pk for evaluation in held)


def _why_cancelled(gate: Evaluation) -> str:
    task = gate.task_version.task.slug
    # What a calculator said of a hidden set must not stand in the record of an open one.
    words = f": {gate.message}" if gate.message and not is_hidden(gate.task_version) else ""
    words += "" if words.endswith((".", "!", "?")) else "."
    return (
        f"Not begun, since the task {task} did not succeed ({gate.get_verdict_display()})"
        f"{words} See evaluation {gate.pk} and its logs; repeat that one, or submit a "
        "mended version."
    )
