"""What the templates of the administrator's desk ask."""

from __future__ import annotations

from django import template

from leaderboard.models import Evaluation
from leaderboard.services.evaluations import operations

register = template.Library()


@register.filter
def can_be_requeued(evaluation: Evaluation) -> bool:
    """Whether re-queueing it would change anything."""
    return operations.can_be_requeued(evaluation)
