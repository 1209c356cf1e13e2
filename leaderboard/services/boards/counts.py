"""How many potentials have been judged on each task, as everybody may know it."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count

from leaderboard.enums import EvaluationState
from leaderboard.models import TaskVersion
from leaderboard.services.boards.rules import on_boards


def n_potentials_judged(versions: Sequence[TaskVersion]) -> dict[int, int]:
    """By task version; those on which none was are left out."""
    judged = on_boards(AnonymousUser()).filter(
        task_version__in=versions, state=EvaluationState.SUCCEEDED
    )
    rows = judged.order_by().values_list("task_version")
    return dict(rows.annotate(n=Count("submission__potential", distinct=True)))
