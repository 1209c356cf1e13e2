"""The only place that puts work on the queue, by the job's name.

A message carries an evaluation's id and is a hint that work exists; the row in PostgreSQL is the
truth. So a broker that is down costs time and never an accepted submission: the reaper sends
again what has waited too long.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from kombu.exceptions import KombuError

from leaderboard.celery import app
from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation

logger = logging.getLogger(__name__)

EVALUATE = "touchstone.evaluate"


def announce_on_commit(evaluation_ids: Iterable[UUID]) -> None:
    """Tell the workers once the transaction is committed, so that they find the rows."""
    ids = list(evaluation_ids)
    if ids:
        # A lambda, since Django names a robust callback that failed by its __qualname__.
        transaction.on_commit(lambda: announce(ids), robust=True)


def announce(evaluation_ids: Iterable[UUID]) -> int:
    """Send one message for each id; return how many the broker took. Never raises for a broker."""
    sent: list[UUID] = []
    ids = list(evaluation_ids)
    try:
        with app.connection_for_write() as connection:
            # One short attempt: a visitor is waiting, and the reaper will try again.
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            for evaluation_id in ids:
                app.send_task(
                    EVALUATE, args=[str(evaluation_id)], connection=connection, retry=False
                )
                sent.append(evaluation_id)
    except _broker_errors():
        logger.warning(
            "The broker took %d of %d messages; the reaper sends the others again.",
            len(sent),
            len(ids),
            exc_info=True,
        )
    Evaluation.objects.filter(pk__in=sent, state=EvaluationState.QUEUED).update(
        message_sent_at=Now()
    )
    return len(sent)


def _broker_errors() -> tuple[type[BaseException], ...]:
    """What a transport raises when the broker is away, by the transport's own account."""
    connection = app.connection_for_write()
    return (KombuError, OSError, *connection.connection_errors, *connection.channel_errors)
