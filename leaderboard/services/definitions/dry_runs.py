"""Trials of a draft: a submission is evaluated on it by a worker as later everybody is.

A dry run is never current, so it stands on no board, costs no quota, is told to no webhook and is
seen by the staff alone. What exactly was tried is kept with its first event.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from leaderboard import dispatch
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.models import Evaluation, Submission, TaskVersion
from leaderboard.services.accounts import audit
from leaderboard.services.accounts.parties import party_of
from leaderboard.services.definitions.task_checks import check_task_version
from leaderboard.services.evaluations.events import record

#: An administrator waits for it: early, and out of his own share.
PRIORITY = 50


def start(user: User, version: TaskVersion, submission: Submission) -> Evaluation:
    """Queue a dry run. Raises SubmissionError by field for a draft that could not be published."""
    if version.state != VersionState.DRAFT:
        raise ConflictError(f"{version} is {version.state}: evaluate submissions on it.")
    if submission.withdrawn_at is not None:
        raise ConflictError(f"{submission} was withdrawn.")
    errors = check_task_version(version)
    if errors:
        raise SubmissionError(errors)
    with transaction.atomic():
        # A second click waits here for the first.
        TaskVersion.objects.select_for_update(of=("self",)).get(pk=version.pk)
        if under_way(version).filter(submission=submission).exists():
            raise ConflictError(f"A dry run of {submission} is under way already.")
        evaluation = Evaluation.objects.create(
            submission=submission,
            task_version=version,
            is_dry_run=True,
            is_current=False,
            priority=PRIORITY,
            parties=[party_of(user)],
            reason=f"Dry run, asked for by {user.username}."[:300],
        )
        record(evaluation, "queued", by=user.username, spec=_as_stored(version))
        audit.record(user, "dry run", version, detail=f"Of {submission}: {evaluation.pk}.")
        dispatch.announce_on_commit([evaluation.pk])
    return evaluation


def of(version: TaskVersion) -> QuerySet[Evaluation]:
    """All dry runs of a task version, the newest first."""
    return version.evaluations.filter(is_dry_run=True).order_by("-queued_at")


def under_way(version: TaskVersion) -> QuerySet[Evaluation]:
    """Dry runs that a change of the draft would spoil."""
    return of(version).filter(state__in=(EvaluationState.QUEUED, EvaluationState.RUNNING))


def tells_of_present(evaluation: Evaluation) -> bool:
    """Whether the task version is still what was tried."""
    first = evaluation.events.filter(kind="queued").first()
    tried = first.data.get("spec") if first is not None else None
    return tried is not None and _without_secret(tried) == _as_stored(evaluation.task_version)


def _as_stored(version: TaskVersion) -> dict[str, Any]:
    """A value as JSON gives it back: a tuple has become a list."""
    spec = version.spec().to_json()
    return _without_secret(spec) | {"metrics": list(spec["metrics"])}


def _without_secret(spec: dict[str, Any]) -> dict[str, Any]:
    """What was stored before there was a secret has no key for it; it is never told anyway."""
    return {name: value for name, value in spec.items() if name != "disguise_secret"}
