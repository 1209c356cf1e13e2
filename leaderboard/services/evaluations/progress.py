"""Evaluations as pages follow them: those of a submission, those that wait, those that run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, Count, ExpressionWrapper, Min, Q, QuerySet
from django.utils import timezone

from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, Submission, Worker
from leaderboard.models.disclosure import OPEN, told_score
from leaderboard.models.evaluation import EvaluationQuerySet

#: Fields of an evaluation that tell where it stands.
STATE_FIELDS = ("state", "phase", "progress_done", "progress_total", "verdict", "coverage")

_BOOLEAN = BooleanField()
_BULKY = ("stdout", "stderr", "provenance", "replicates")


def current_evaluations(submission: Submission) -> list[Evaluation]:
    """By the names of their tasks."""
    current = submission.evaluations.all().current()
    with_tasks = current.select_related(
        "task_version__task", "task_version__reference_set", "submission"
    )
    return list(
        with_tasks.defer(*_BULKY, "consistency").order_by("task_version__task__name", "queued_at")
    )


def scored_evaluations(submissions: Sequence[Submission]) -> list[Evaluation]:
    """The current ones of several submissions, with the scores of those that have any."""
    current = Evaluation.objects.all().current().filter(submission__in=submissions)
    return list(
        current.select_related("task_version__task", "task_version__reference_set")
        .prefetch_related("scores")
        .defer(*_BULKY, "summary")
        .order_by("task_version__task__name", "-task_version__number")
    )


def states_of(evaluations: Collection[str]) -> list[Mapping[str, Any]]:
    """State, phase, progress and verdict by now, of evaluations that are named by their ids.

    Of one on a hidden set it is not told how far it has come, and coverage is rounded, as in
    ``disclosure.EVALUATION_FIELDS``.
    """
    rows = Evaluation.objects.filter(pk__in=evaluations).order_by()
    states = list(rows.values("pk", *STATE_FIELDS, is_open=ExpressionWrapper(OPEN, _BOOLEAN)))
    for state in states:
        if not state.pop("is_open"):
            coverage = told_score(state["coverage"])
            state |= {"progress_done": 0, "progress_total": 0, "coverage": coverage}
    return states


def queued_evaluations() -> EvaluationQuerySet:
    """What waits, of everybody: ask for what a reader may see. In order: ``queue.first_of``."""
    queued: EvaluationQuerySet = Evaluation.objects.all().queued()
    return queued


def running_evaluations() -> EvaluationQuerySet:
    """What runs, of everybody: ask for what a reader may see. The longest first."""
    running: EvaluationQuerySet = Evaluation.objects.all().running()
    return running.order_by("started_at")


def depth_of_queue() -> dict[str, Any]:
    """How many wait (``depth``), and since when the first of them does (``oldest``)."""
    totals: dict[str, Any] = queued_evaluations().aggregate(
        depth=Count("pk"), oldest=Min("queued_at")
    )
    return totals


def workers_heard_of() -> QuerySet[Worker]:
    """Within a lease's time, disabled ones too, with the number that each runs: ``n_running``."""
    since = timezone.now() - timedelta(seconds=settings.LEASE_S)
    is_running = Q(evaluations__state=EvaluationState.RUNNING)
    return Worker.objects.filter(last_seen_at__gte=since).annotate(
        n_running=Count("evaluations", filter=is_running)
    )
