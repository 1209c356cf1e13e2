from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from leaderboard.enums import EvaluationState
from leaderboard.services.evaluations import progress, queue
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def test_what_is_urgent_and_then_what_came_first_is_next_in_the_queue() -> None:
    first, second, urgent = (factories.evaluation(priority=n) for n in (0, 0, 5))
    factories.evaluation(score=0.5)

    queued = progress.queued_evaluations()
    assert queue.first_of(queued, 2) == [urgent, first]
    held = factories.evaluation(held_by=urgent)
    assert queue.first_of(queued, 9) == [urgent, first, second, held]
    held.delete()
    assert progress.depth_of_queue() == {"depth": 3, "oldest": first.queued_at}


def test_workers_are_shown_with_what_they_run_as_long_as_they_are_heard_of() -> None:
    now = timezone.now()
    busy = factories.worker(name="busy")
    disabled = factories.worker(name="disabled", is_enabled=False)
    factories.worker(last_seen_at=now - timedelta(seconds=settings.LEASE_S + 60))
    running = factories.evaluation(
        state=EvaluationState.RUNNING, worker=busy, lease_expires_at=now, started_at=now
    )
    factories.evaluation(score=0.5, worker=busy)

    workers = {worker: worker.n_running for worker in progress.workers_heard_of()}
    assert workers == {busy: 1, disabled: 0}
    assert list(progress.running_evaluations()) == [running]
