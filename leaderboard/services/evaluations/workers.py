"""Hosts that evaluate: their registration and their heartbeat."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db.models import Case, Count, OuterRef, Q, Subquery, When
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, Worker

UNCONFINED = "none"


def register_worker(
    name: str,
    *,
    device: str,
    hardware: Mapping[str, object],
    sandbox_level: str,
    versions: Mapping[str, object],
    n_slots: int = 1,
) -> Worker:
    """Make or refresh the row of this host's worker. Whether it is enabled is the staff's."""
    described = {
        "device": device,
        "hardware": dict(hardware),
        "sandbox_level": sandbox_level,
        "versions": dict(versions),
        "last_seen_at": timezone.now(),
        "n_slots": n_slots,
        "free_since": None,
    }
    return Worker.objects.update_or_create(name=name, defaults=described)[0]


def record_heartbeat(name: str, *, is_able: bool = True) -> None:
    """Say that the worker lives, and since when it could take work. A claim begins that anew."""
    running = Evaluation.objects.filter(worker=OuterRef("pk"), state=EvaluationState.RUNNING)
    n_running = Coalesce(
        Subquery(running.order_by().values("worker").annotate(n=Count("pk")).values("n")), 0
    )
    is_free = Q(n_slots__gt=n_running, is_enabled=True) if is_able else Q(pk__in=[])
    Worker.objects.filter(name=name).update(
        last_seen_at=Now(),
        free_since=Case(When(is_free, then=Coalesce("free_since", Now())), default=None),
    )


def live_workers() -> list[Worker]:
    """Workers that are enabled and were heard of within a lease's time."""
    return list(
        Worker.objects.filter(
            is_enabled=True, last_seen_at__gt=Now() - timedelta(seconds=settings.LEASE_S)
        )
    )
