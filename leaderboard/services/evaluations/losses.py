"""Whose fault it is that an evaluation's workers were lost: the host's, or the artifact's.

A submission can find what kills the process that judges it. Called a fault of the service, that
would be repeated for ever, at nobody's expense. A worker that is lost with one artifact again and
again, and does well with those of others meanwhile, is not to blame. What counts is how often, not
how many evaluations: an outage takes all that run. A host that goes down again and again takes what
others run along, and nobody does well on it meanwhile: all of that counts once. One that goes down
now and then meets whatever runs for long, while short evaluations end well in between: so others
must have had its workers for as long as the artifact was lost with them. Three losses in that time,
and none of theirs, would be chance once in twenty times.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils import timezone

from evaluator.contract import Verdict
from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, Event, Submission
from leaderboard.models.usage import FREE_VERDICTS

#: Losses that lie further back say nothing of the hosts of today.
_REMEMBERED = timedelta(days=1)
#: What was lost in less time, all together, no host has to be measured against.
_SOON = timedelta(minutes=10)


def is_the_artifact_s(evaluation: Evaluation) -> bool:
    """Whether the loss that is about to be recorded is one too many for this artifact."""
    first = _losses(evaluation).first()
    if first is None or _n_incidents(evaluation) < settings.MAX_ATTEMPTS:
        return False
    return _others_went_on(evaluation, first.at) and _others_ran_as_long(evaluation, first.at)


def message(evaluation: Evaluation) -> str:
    return (
        f"What computes on this potential's answers was lost {_n_incidents(evaluation)} times, "
        "while the same workers went on well with other potentials. Look for energies, forces or a "
        "stress that are far too large or too small, and for answers that take very much memory."
    )


def _n_incidents(evaluation: Evaluation) -> int:
    """How often workers were lost, the loss that is about to be recorded included.

    One power cut takes all evaluations of an artifact that run, each once, and they are found as
    their leases run out. One that is lost again was taken up meanwhile: that is another incident.
    """
    lasts = timedelta(seconds=settings.LEASE_S + 2 * settings.REAPER_INTERVAL_S)
    losses = list(_losses(evaluation).values_list("at", "evaluation_id"))
    n_incidents, begun_at, lost = 0, None, set[UUID]()
    for at, lost_id in [*losses, (timezone.now(), evaluation.pk)]:
        if begun_at is None or at > begun_at + lasts or lost_id in lost:
            is_new = begun_at is None or not _is_one_outage(evaluation, begun_at, at, lasts)
            n_incidents, begun_at, lost = n_incidents + is_new, at, set()
        lost.add(lost_id)
    return n_incidents


def _is_one_outage(
    evaluation: Evaluation, since: datetime, until: datetime, lasts: timedelta
) -> bool:
    """Whether workers were lost to other people as well, and went on with nobody until then."""
    # By whichever of a host's workers they were taken up then, these have had them, too.
    claimed = Event.objects.filter(
        kind="claimed", data__worker__in=_workers(evaluation), at__gt=since - _REMEMBERED
    )
    others = (
        _lost(Event.objects.filter(at__range=(since - lasts, until)))
        .filter(evaluation__in=claimed.values("evaluation"))
        .exclude(evaluation__submission__artifact_id=evaluation.submission.artifact_id)
        # Whoever submits two such files is not excused by the one for the other.
        .exclude(_is_of_same_people(evaluation.submission))
    )
    return others.exists() and not _others_went_on(evaluation, since, until)


def _is_of_same_people(submission: Submission) -> Q:
    """Whoever pays for it: a back-fill, of everybody's files, comes out of the staff's share."""
    potential = submission.potential
    people = [potential.owner_id, submission.submitted_by_id]
    same = Q(evaluation__submission__submitted_by__in=people)
    same |= Q(evaluation__submission__potential__owner__in=people)
    if potential.team_id is not None:
        same |= Q(evaluation__submission__potential__team=potential.team_id)
    return same


def _losses(evaluation: Evaluation) -> QuerySet[Event]:
    """Of all evaluations of the same artifact; those that succeeded in the end were the host's.

    The last one of an evaluation that was given up is one of them.
    """
    of_artifact = Event.objects.filter(
        at__gt=timezone.now() - _REMEMBERED,
        evaluation__submission__artifact_id=evaluation.submission.artifact_id,
    )
    return _lost(of_artifact).exclude(evaluation__state=EvaluationState.SUCCEEDED).order_by("pk")


def _lost(events: QuerySet[Event]) -> QuerySet[Event]:
    return events.filter(
        kind__in=("retried", EvaluationState.FAILED),
        data__verdict=Verdict.INFRASTRUCTURE_LOST.value,
    )


def _of_claim(field: str) -> Subquery:
    """What an event's evaluation was claimed with, when it was claimed last before."""
    claims = Event.objects.filter(
        evaluation=OuterRef("evaluation"), kind="claimed", pk__lt=OuterRef("pk")
    )
    return Subquery(claims.order_by("-pk").values(field)[:1])


def _workers(evaluation: Evaluation) -> set[str]:
    """Those that were lost with the artifact, with the one that is about to be recorded.

    What goes on elsewhere, where it was evaluated as well, says nothing of a host that goes down.
    """
    now = {evaluation.worker.name} if evaluation.worker else set()
    return now | set(_losses(evaluation).values_list(_of_claim("data__worker"), flat=True))


def _others_ran_as_long(evaluation: Evaluation, since: datetime) -> bool:
    """Whether others had the artifact's workers for as long as it was lost with them."""
    lost = _time_lost(evaluation)
    if lost <= _SOON:
        return True
    times = _ended_by_others(evaluation, since).aggregate(
        total=Sum(F("finished_at") - F("started_at"))
    )
    return (times["total"] or timedelta()) >= lost


def _time_lost(evaluation: Evaluation) -> timedelta:
    """From each claim to the loss, of the attempt that is lost now as well."""
    losses = _losses(evaluation).values_list("at", _of_claim("at"))
    times = [at - since for at, since in losses if since]
    if evaluation.started_at is not None:
        times.append(timezone.now() - evaluation.started_at)
    return sum(times, timedelta())


def _others_went_on(evaluation: Evaluation, since: datetime, until: datetime | None = None) -> bool:
    return _ended_by_others(evaluation, since, until).exists()


def _ended_by_others(
    evaluation: Evaluation, since: datetime, until: datetime | None = None
) -> QuerySet[Evaluation]:
    """What ended well, or by its own fault, on the workers that the artifact was lost with."""
    ours = Q(verdict__in=[*FREE_VERDICTS, Verdict.CANCELLED.value])
    then = Q(finished_at__gt=since)
    if until is not None:
        then &= Q(finished_at__lte=until)
    ended: QuerySet[Evaluation] = (
        Evaluation.objects.filter(then, worker__name__in=_workers(evaluation))
        .exclude(ours)
        .exclude(submission__artifact_id=evaluation.submission.artifact_id)
        .order_by()
    )
    return ended
