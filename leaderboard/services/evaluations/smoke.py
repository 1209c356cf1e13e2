"""The smoke task runs first, and what else a submission waits for is held until it succeeds.

It is a published task named ``smoke``; where there is none, nothing is held. An evaluation that is
held names the smoke evaluation in ``held_by``; no worker claims it. When the smoke evaluation
succeeds, those are let go in the same transaction; when it ends otherwise, they are cancelled and
say why; when it is repeated, they are asked for again and held by
the new one. ``failures.end`` sees to the first two, ``lifecycle.reevaluate`` to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.conf import settings
from django.db.models import QuerySet

from evaluator.contract import TaskSpec, Verdict
from evaluator.standard_tasks.read import SMOKE_TASK
from leaderboard import dispatch
from leaderboard.enums import TERMINAL_STATES, EvaluationState, VersionState
from leaderboard.exceptions import ConflictError
from leaderboard.models import Evaluation, Submission, TaskVersion
from leaderboard.services.evaluations.events import record

#: Before what else its party has waiting, so that a broken file is told within seconds; between
#: parties fair_share.py decides.
SMOKE_PRIORITY = 100


def smoke_version() -> TaskVersion | None:
    """The published version of the smoke task, if the site has one."""
    return (
        TaskVersion.objects.filter(task__slug=SMOKE_TASK, state=VersionState.PUBLISHED)
        .order_by("-number")
        .first()
    )


def spec_of(version: TaskVersion) -> TaskSpec:
    """What a worker evaluates: the smoke test by a clock of the site's, where that is shorter."""
    spec = version.secret_spec()
    if version.task.slug != SMOKE_TASK:
        return spec
    wall_time_s = min(spec.limits.wall_time_s, float(settings.SMOKE_WALL_S))
    return replace(spec, limits=replace(spec.limits, wall_time_s=wall_time_s))


def gate_of(
    submission: Submission, version: TaskVersion, parties: Sequence[str] = ()
) -> tuple[Evaluation, bool]:
    """The submission's current smoke evaluation, locked, and whether it had to be made.

    Belongs into a transaction: while it lasts, the smoke evaluation cannot end.
    """
    row = Evaluation(
        submission=submission,
        task_version=version,
        priority=SMOKE_PRIORITY,
        parties=list(parties),
    )
    Evaluation.objects.bulk_create([row], ignore_conflicts=True)
    gate = Evaluation.objects.select_for_update(of=("self",)).get(
        submission=submission, task_version=version, is_current=True
    )
    is_new = gate.pk == row.pk
    if is_new:
        record(gate, "queued")
        dispatch.announce_on_commit([gate.pk])
    return gate, is_new


def has_passed(gate: Evaluation) -> bool:
    """Whether what it holds may begin: it ended well, or loaded and covers none of its structures.

    A potential for few elements is tried by the tasks that have them.
    """
    return gate.state == EvaluationState.SUCCEEDED or gate.is_not_covered


def has_failed(gate: Evaluation) -> bool:
    return gate.has_ended and not has_passed(gate)


def failed_gates() -> QuerySet[Evaluation]:
    """Smoke evaluations for which ``has_failed`` holds: of their submissions nothing is queued."""
    current = Evaluation.objects.filter(task_version=smoke_version(), is_current=True)
    ended_otherwise = current.filter(state__in=TERMINAL_STATES - {EvaluationState.SUCCEEDED})
    return ended_otherwise.exclude(verdict=Verdict.UNSUPPORTED, coverage=0)


def smoke_has_failed(submission: Submission) -> bool:
    """Whether nothing more of a submission is queued, until that is repeated."""
    version = smoke_version()
    gate = submission.evaluations.filter(task_version=version, is_current=True).first()
    return version is not None and gate is not None and has_failed(gate)


def never_begun(gate: Evaluation) -> QuerySet[Evaluation]:
    """What was cancelled because this smoke evaluation did not succeed."""
    return Evaluation.objects.filter(
        held_by=gate, is_current=True, state=EvaluationState.CANCELLED, fencing_token=0
    )


def check_not_held_back(old: Evaluation) -> None:
    """Refuse to repeat what the smoke evaluation has stopped: it would be stopped again."""
    gate = old.held_by
    if gate is not None and not gate.has_ended:
        raise ConflictError(
            f"Its smoke evaluation {gate.pk} has not ended yet. Ask again once that has succeeded."
        )
    if gate is not None and not has_passed(gate):
        raise ConflictError(
            f"Its smoke evaluation {gate.pk} has not succeeded. Repeat that one: what it held is "
            "then asked for again by itself."
        )
