"""Hosts that evaluate: their registration and their heartbeat."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db.models import Case, Count, OuterRef, Q, Subquery, When
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from evaluator.catalog import CALCULATOR_KINDS
from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, Worker

UNCONFINED = "none"
#: Kinds that a worker without a sandbox may run.
BUILT_IN = frozenset(name for name, kind in CALCULATOR_KINDS.items() if kind.is_built_in)


def register_worker(
    name: str,
    *,
    device: str,
    hardware: Mapping[str, object],
    sandbox_level: str,
    versions: Mapping[str, object],
    n_slots: int = 1,
    runtimes: Mapping[str, object] | None = None,
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
        "runtimes": None if runtimes is None else dict(runtimes),
    }
    return Worker.objects.update_or_create(name=name, defaults=described)[0]


def record_runtimes(name: str, runtimes: Mapping[str, object]) -> None:
    """Say which runtimes a worker offers by now, and what keeps it from the others."""
    Worker.objects.filter(name=name).update(runtimes=dict(runtimes))


def kinds_of(worker: Worker) -> frozenset[str] | None:
    """Calculator kinds that a worker may take now; None for all.

    By its sandbox, and by the runtimes that it offers where it tells them.
    """
    by_sandbox = BUILT_IN if worker.sandbox_level == UNCONFINED else None
    if worker.runtimes is None:
        return by_sandbox
    offered = frozenset(
        kind
        for runtime in worker.runtimes.values()
        if runtime["state"] == "ready"
        for kind in runtime["kinds"]
    )
    return offered if by_sandbox is None else offered & by_sandbox


def may_take(worker: Worker, kind: str) -> bool:
    """Whether a worker may take evaluations of a calculator kind now."""
    kinds = kinds_of(worker)
    return kinds is None or kind in kinds


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
