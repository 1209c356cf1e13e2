"""Repeats timed evaluations whose times are not ranked: later, and only so often.

Their device was busy, or fresh processes disagreed. The old evaluation stands, unranked and with
its reason, until the pause is over; a new one supersedes it then, at the staff's expense.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from leaderboard.enums import EvaluationState, VersionState
from leaderboard.exceptions import ConflictError
from leaderboard.models import Evaluation
from leaderboard.services.evaluations import lifecycle

#: Before the first repeat, the second, and so on: no more than these are made of one version of a
#: potential on one version of a task.
PAUSES = (timedelta(minutes=15), timedelta(hours=2), timedelta(hours=12))
REASON = "Its times were not reliable."
#: In one round: others must come to their turn, too.
_MOST = 20


def repeat_due() -> int:
    """Queue again what is due; returns how many. Several at the same time do no harm."""
    return sum(_repeat(pk) for pk in _due().values_list("pk", flat=True)[:_MOST])


def _due() -> QuerySet[Evaluation]:
    repeats = (
        Evaluation.objects.filter(
            submission=OuterRef("submission"), task_version=OuterRef("task_version"), reason=REASON
        )
        .order_by()
        .values("submission")
        .annotate(n=Count("pk"))
        .values("n")
    )
    is_over = Q()
    for n_repeats, pause in enumerate(PAUSES):
        is_over |= Q(n_repeats=n_repeats, finished_at__lte=Now() - pause)
    return (
        Evaluation.objects.filter(
            is_current=True,
            is_dry_run=False,
            state=EvaluationState.SUCCEEDED,
            submission__withdrawn_at__isnull=True,
            task_version__state=VersionState.PUBLISHED,
        )
        .exclude(why_unreliable="")
        .annotate(n_repeats=Coalesce(Subquery(repeats, output_field=IntegerField()), 0))
        .filter(is_over)
        .order_by("finished_at")
    )


def _repeat(pk: UUID) -> bool:
    """Whether it was repeated: somebody may have been quicker, or the task was retired."""
    with transaction.atomic():
        old = _due().select_for_update(of=("self",), skip_locked=True).filter(pk=pk).first()
        if old is None:
            return False
        try:
            lifecycle.repeat_by_itself(old, REASON)
        except ConflictError:
            return False
    return True
