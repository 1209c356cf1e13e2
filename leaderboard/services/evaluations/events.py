"""What happened to an evaluation is written down in the transaction in which it happens."""

from __future__ import annotations

from leaderboard.models import Evaluation, Event
from leaderboard.services.accounts import webhooks


def record(evaluation: Evaluation, kind: str, **data: object) -> Event:
    """Store an event, with a delivery for each webhook that asked for its kind."""
    event = Event.objects.create(evaluation=evaluation, kind=kind, data=data)
    if not evaluation.is_dry_run:  # the administrators' own business
        webhooks.enqueue(event)
    return event
