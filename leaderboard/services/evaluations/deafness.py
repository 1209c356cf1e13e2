"""Workers that live and are free and do not hear that work is due.

A worker may be deaf for many reasons: a child process that hangs, a broker's connection that died
in silence, a queue that it does not read. It says that it lives all the same. What gives it away is
in the database: it has had a free slot for some time and has claimed nothing, though something that
it may evaluate was due all that time. The worker itself asks this at each heartbeat and starts
anew; the reaper, the pages and the API ask it too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from leaderboard.models import Event, Worker
from leaderboard.models.evaluation import QUEUE_ORDER
from leaderboard.services.evaluations.fair_share import without_smoke_after
from leaderboard.services.evaluations.lifecycle import due
from leaderboard.services.evaluations.workers import kinds_of, live_workers


def deaf_workers(workers: Iterable[Worker] | None = None) -> list[Worker]:
    """Those of the live ones, or of ``workers``, that have not heard of due work for too long."""
    asked = live_workers() if workers is None else workers
    after = timedelta(seconds=settings.DEAF_AFTER_S)
    return [worker for worker in asked if unheard(worker, after) is not None]


def unheard(worker: Worker, after: timedelta) -> UUID | None:
    """What the worker could have claimed for longer than ``after``, and has not."""
    before = timezone.now() - after
    if not worker.is_enabled or worker.free_since is None or worker.free_since > before:
        return None
    return _due_since(before, kinds_of(worker))


def messages_may_end_elsewhere(worker: Worker) -> bool:
    """Whether a live worker beside it hears of work that it may not claim.

    One that is drained, or has no confinement, or not the runtime, takes a message without the
    work. A worker that has not heard of something is then no deaf one for certain.
    """
    seen_since = timezone.now() - timedelta(seconds=settings.LEASE_S)
    beside = Worker.objects.exclude(pk=worker.pk).filter(last_seen_at__gt=seen_since)
    return any(not other.is_enabled or _lacks(other, kinds_of(worker)) for other in beside)


def _lacks(worker: Worker, kinds: frozenset[str] | None) -> bool:
    """Whether there is a kind of these, None for all, that a worker may not take."""
    its = kinds_of(worker)
    return its is not None and (kinds is None or not kinds <= its)


def _due_since(before: datetime, kinds: frozenset[str] | None) -> UUID | None:
    """The most urgent evaluation that was due before a moment, and has been ever since."""
    # Whatever makes a row due (queued, released, given back) is an event of it.
    happened_since = Event.objects.filter(evaluation=OuterRef("pk"), at__gt=before)
    waiting = due(kinds).filter(
        Q(not_before__isnull=True) | Q(not_before__lt=before),
        ~Exists(happened_since),
        queued_at__lt=before,
    )
    # A smoke test is due only once that of its party has ended, which is no event of its own.
    waiting = without_smoke_after(waiting, before)
    first: UUID | None = waiting.order_by(*QUEUE_ORDER).values_list("pk", flat=True).first()
    return first
