"""Finds what nobody brings to an end: expired leases, lost messages, abandoned files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from evaluator.contract import Verdict
from leaderboard import dispatch
from leaderboard.enums import EvaluationState
from leaderboard.lib import blobs, local_broker
from leaderboard.models import Evaluation
from leaderboard.models.evaluation import QUEUE_ORDER
from leaderboard.services.accounts import idempotency, throttles, webhooks
from leaderboard.services.boards import snapshots, stamps
from leaderboard.services.definitions import reference_uploads
from leaderboard.services.evaluations import (
    failures,
    frame_error_tables,
    output_files,
    unreliable_times,
)
from leaderboard.services.evaluations.deafness import deaf_workers
from leaderboard.services.evaluations.lifecycle import due
from leaderboard.services.evaluations.workers import live_workers
from leaderboard.services.submissions import uploads

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reaped:
    """What one round did."""

    n_returned: int = 0
    n_failed: int = 0
    n_cancelled: int = 0
    n_messages_sent: int = 0
    n_files_removed: int = 0
    n_uploads_removed: int = 0
    n_deaf: int = 0
    n_timed_again: int = 0


def reap() -> Reaped:
    """One round; several at the same time do no harm, since each row is locked by one of them."""
    ends = [_return_expired() for _ in range(_n_expired())]
    throttles.forget_old_counts()
    return Reaped(
        n_returned=ends.count(EvaluationState.QUEUED),
        n_failed=ends.count(EvaluationState.FAILED),
        n_cancelled=ends.count(EvaluationState.CANCELLED),
        n_messages_sent=dispatch.announce(_unannounced()),
        n_files_removed=blobs.remove_abandoned(),
        n_uploads_removed=uploads.sweep(),
        n_deaf=_tell_of_deaf(),
        n_timed_again=unreliable_times.repeat_due(),
    )


def sweep() -> int:
    """Remove what is dear to look for: once an hour will do. Returns how much it was.

    Bytes of output files that no evaluation names, frame errors that no board needs, messages of
    the local broker that were read, answers to idempotent requests and deliveries of webhooks that
    are old, stamps and stored boards that are old, reference sets that nobody has confirmed.
    """
    if blobs.close_to_others():
        logger.warning("The folder of blobs could be read by every user of this host; now closed.")
    return (
        output_files.sweep()
        + frame_error_tables.sweep()
        + local_broker.prune(settings.CELERY_BROKER_URL)
        + idempotency.forget_old()
        + webhooks.forget_old()
        + stamps.forget_old_changes()
        + snapshots.forget_old_snapshots()
        + reference_uploads.sweep()
    )


def _tell_of_deaf() -> int:
    """How many workers do not hear of work; each starts anew by itself, if it still can."""
    deaf = deaf_workers()
    for worker in deaf:
        logger.error(
            "%s is free and has not heard for %d s that work is due. It should start anew by "
            "itself; if it does not, restart it.",
            worker,
            settings.DEAF_AFTER_S,
        )
    return len(deaf)


def _expired() -> QuerySet[Evaluation]:
    return Evaluation.objects.filter(
        state=EvaluationState.RUNNING, lease_expires_at__lt=Now()
    ).order_by("lease_expires_at")


def _n_expired() -> int:
    return int(_expired().count())


def _return_expired() -> str | None:
    """Deal with one expired lease; returns the row's new state, None when another took it."""
    with transaction.atomic():
        evaluation = _expired().select_for_update(skip_locked=True).first()
        if evaluation is None:
            return None
        reason = (
            f"Its worker was not heard of for {settings.LEASE_S} s: "
            "it was killed, lost power or the network."
        )
        failures.retry_or_fail(evaluation, Verdict.INFRASTRUCTURE_LOST, reason)
        return str(evaluation.state)


def _unannounced() -> list[UUID]:
    """Due rows whose message is missing or old, the most urgent first.

    Only as many as the workers could soon take: a long queue must not fill the broker with
    repeated messages, and any message leads a worker to the most urgent row.
    """
    n_wanted = 2 * max(1, len(live_workers()))
    old = Now() - timedelta(seconds=settings.REAPER_INTERVAL_S * 2)
    first = due().order_by(*QUEUE_ORDER).values("pk")[:n_wanted]
    unheard = Evaluation.objects.filter(
        Q(message_sent_at__isnull=True) | Q(message_sent_at__lt=old), pk__in=first
    )
    return list(unheard.order_by(*QUEUE_ORDER).values_list("pk", flat=True))
