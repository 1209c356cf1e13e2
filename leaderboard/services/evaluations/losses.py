"""Whose fault it is that an evaluation's workers were lost: the host's, or the artifact's.

A submission can find what kills the process that judges it. Called a fault of the service, that
would be repeated for ever, at nobody's expense. A worker that is lost with one artifact again and
again, and does well with those of others meanwhile, is not to blame.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from evaluator.contract import Verdict
from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, Event
from leaderboard.models.usage import FREE_VERDICTS

#: Losses that lie further back say nothing of the hosts of today.
_REMEMBERED = timedelta(days=1)


def is_the_artifact_s(evaluation: Evaluation) -> bool:
    """Whether the loss that is about to be recorded is one too many for this artifact."""
    losses = _losses(evaluation)
    if losses.count() + 1 < settings.MAX_ATTEMPTS:
        return False
    claims = Event.objects.filter(kind="claimed", evaluation=evaluation)
    since = min(
        (event.at for event in (losses.first(), claims.first()) if event is not None),
        default=timezone.now(),
    )
    names = set(_events_of(evaluation, "claimed").values_list("data__worker", flat=True))
    return _others_went_on(evaluation, names, since)


def message(evaluation: Evaluation) -> str:
    n_losses = _losses(evaluation).count() + 1
    return (
        f"What computes on this potential's answers was lost {n_losses} times, while the "
        "same workers went on well with other potentials. Look for energies, forces or a stress "
        "that are far too large or too small, and for answers that take very much memory."
    )


def _losses(evaluation: Evaluation) -> QuerySet[Event]:
    """Of all evaluations of the same artifact; those that succeeded in the end were the host's."""
    return (
        _events_of(evaluation, "retried")
        .filter(data__verdict=Verdict.INFRASTRUCTURE_LOST.value)
        .exclude(evaluation__state=EvaluationState.SUCCEEDED)
        .order_by("pk")
    )


def _events_of(evaluation: Evaluation, kind: str) -> QuerySet[Event]:
    return Event.objects.filter(
        kind=kind,
        at__gt=timezone.now() - _REMEMBERED,
        evaluation__submission__artifact_id=evaluation.submission.artifact_id,
    )


def _others_went_on(evaluation: Evaluation, workers: set[str], since: object) -> bool:
    ours = Q(verdict__in=[*FREE_VERDICTS, Verdict.CANCELLED.value])
    return (
        Evaluation.objects.filter(worker__name__in=workers, finished_at__gt=since)
        .exclude(ours)
        .exclude(submission__artifact_id=evaluation.submission.artifact_id)
        .exists()
    )
