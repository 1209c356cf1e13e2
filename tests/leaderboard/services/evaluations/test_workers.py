from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from leaderboard.models import Worker
from leaderboard.services.evaluations.workers import (
    live_workers,
    record_heartbeat,
    register_worker,
)

pytestmark = pytest.mark.django_db


def register(**changes: Any) -> Worker:
    described: dict[str, Any] = {
        "device": "cpu",
        "hardware": {"n_cores": 2},
        "sandbox_level": "cgroup2",
        "versions": {"ase": "3.29"},
    }
    return register_worker("first@host", **{**described, **changes})


def test_a_restarted_worker_keeps_its_row_and_stays_disabled() -> None:
    Worker.objects.filter(pk=register().pk).update(is_enabled=False)

    again = register(sandbox_level="none")

    assert Worker.objects.get() == again
    assert (again.sandbox_level, again.is_enabled) == ("none", False)


def test_a_worker_lives_as_long_as_it_is_heard_of() -> None:
    worker = register()
    assert live_workers() == [worker]

    Worker.objects.update(last_seen_at=timezone.now() - timedelta(hours=1))
    assert live_workers() == []
    record_heartbeat(worker.name)
    assert live_workers() == [worker]
    Worker.objects.update(is_enabled=False)
    assert live_workers() == []
