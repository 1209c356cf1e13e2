from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from leaderboard import models
from leaderboard.services.evaluations import lifecycle
from leaderboard.services.evaluations.deafness import (
    deaf_workers,
    messages_may_end_elsewhere,
    unheard,
)
from leaderboard.services.evaluations.queue import Summary, summary
from leaderboard.services.evaluations.workers import record_heartbeat
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

LONG = timedelta(minutes=5)


def waiting(since: timedelta = LONG, **fields: Any) -> models.Evaluation:
    """An evaluation that was queued some time ago."""
    evaluation = factories.evaluation(**fields)
    return aged(evaluation, since)


def aged(evaluation: models.Evaluation, since: timedelta) -> models.Evaluation:
    models.Evaluation.objects.filter(pk=evaluation.pk).update(queued_at=timezone.now() - since)
    return evaluation


def free(since: timedelta = LONG, **fields: Any) -> models.Worker:
    return factories.worker(free_since=timezone.now() - since, **fields)


def test_a_free_worker_that_leaves_due_work_waiting_is_deaf() -> None:
    evaluation, worker = waiting(), free()

    assert deaf_workers() == [worker]
    assert unheard(worker, timedelta(minutes=1)) == evaluation.pk
    assert summary().n_deaf == 1
    assert deaf_workers([worker]) == [worker]


@pytest.mark.parametrize(
    "worker",
    [
        {"since": timedelta(seconds=5)},
        {"is_enabled": False},
        {"last_seen_at": timezone.now() - timedelta(hours=1)},
    ],
    ids=["just free", "disabled", "silent"],
)
def test_who_could_not_have_taken_it_is_not_deaf(worker: dict[str, Any]) -> None:
    waiting()
    free(**worker)
    busy = factories.worker()  # no slot is free

    assert deaf_workers() == []
    assert not deaf_workers([busy])


def test_what_has_only_just_become_due_makes_nobody_deaf() -> None:
    free()
    waiting(timedelta(seconds=5))
    paused = waiting()
    models.Evaluation.objects.filter(pk=paused.pk).update(not_before=timezone.now())
    given_back = waiting()
    models.Event.objects.create(evaluation=given_back, kind="handed_back")
    held = waiting()
    models.Evaluation.objects.filter(pk=held.pk).update(held_by=given_back)

    assert deaf_workers() == []
    assert summary() == Summary(
        n_queued=4,
        n_held=1,
        n_running=0,
        oldest_at=summary().oldest_at,
        n_workers=1,
        n_deaf=0,
    )


def test_a_worker_without_a_sandbox_is_deaf_to_built_in_potentials_alone() -> None:
    worker = free(sandbox_level="none")
    aged(factories.evaluation(factories.submission(calculator_kind="package")), LONG)
    assert deaf_workers() == []

    waiting()
    assert deaf_workers() == [worker]


def test_the_heartbeat_tells_since_when_a_slot_is_free() -> None:
    worker = factories.worker(n_slots=2)

    def free_since() -> Any:
        record_heartbeat(worker.name)
        worker.refresh_from_db()
        return worker.free_since

    first = free_since()
    assert first is not None
    assert free_since() == first

    claimed = [factories.evaluation() for _ in range(2)]
    lifecycle.claim_evaluation(claimed[0].pk, worker)
    worker.refresh_from_db()
    assert worker.free_since is None  # a claim shows that it hears
    assert free_since() > first
    lifecycle.claim_evaluation(claimed[1].pk, worker)
    assert free_since() is None

    lifecycle.hand_back(claimed[1].pk, 1, "again")
    assert free_since() is not None
    record_heartbeat(worker.name, is_able=False)
    worker.refresh_from_db()
    assert worker.free_since is None
    models.Worker.objects.update(is_enabled=False)
    assert free_since() is None


@pytest.mark.parametrize(
    ("other", "may"),
    [
        ({}, False),
        ({"is_enabled": False}, True),
        ({"sandbox_level": "none"}, True),
        ({"is_enabled": False, "last_seen_at": timezone.now() - timedelta(hours=1)}, False),
    ],
    ids=["able", "drained", "unconfined", "drained and silent"],
)
def test_messages_end_at_live_workers_that_may_not_claim(other: dict[str, Any], may: bool) -> None:
    worker = factories.worker(sandbox_level="cgroup2")
    factories.worker(name="other", **{"sandbox_level": "cgroup2"} | other)

    assert messages_may_end_elsewhere(worker) is may
