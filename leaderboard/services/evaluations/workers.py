"""Hosts that evaluate: their registration, their heartbeat, and why something waits."""

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
from leaderboard.services.evaluations import fair_share

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


def waiting_reason(evaluation: Evaluation) -> str:
    """Why a queued evaluation is not running, in a sentence; empty when it is not queued."""
    if evaluation.state != EvaluationState.QUEUED:
        return ""
    if evaluation.held_by_id is not None:
        return "It waits for the smoke task, which runs first, to succeed."
    if evaluation.not_before is not None and evaluation.not_before > timezone.now():
        return f"It is tried again at {evaluation.not_before:%H:%M:%S} UTC. {evaluation.message}"
    workers = live_workers()
    if not workers:
        return "No worker is running. It starts as soon as one does."
    kind = CALCULATOR_KINDS[evaluation.submission.calculator_kind]
    if not kind.is_built_in and all(w.sandbox_level == UNCONFINED for w in workers):
        return "No running worker has a sandbox, so potentials from outside wait."
    if fair_share.is_blocked(evaluation):
        return "One smoke test of an account or team runs at a time: it waits for that one to end."
    running = Evaluation.objects.filter(state=EvaluationState.RUNNING).count()
    if running >= sum(worker.n_slots for worker in workers):
        return "All workers are busy, and nothing is stopped for another: it waits for its turn."
    return "It waits for its turn."
