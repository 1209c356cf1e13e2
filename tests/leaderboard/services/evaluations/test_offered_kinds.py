"""Which calculator kinds a worker may take, by its sandbox and the runtimes that it offers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from leaderboard.models import Evaluation
from leaderboard.services.evaluations import lifecycle
from leaderboard.services.evaluations.deafness import deaf_workers, messages_may_end_elsewhere
from leaderboard.services.evaluations.workers import (
    BUILT_IN,
    kinds_of,
    may_take,
    record_runtimes,
    register_worker,
)
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

OFFER: dict[str, Any] = {
    "classical": {"state": "ready", "kinds": ["ase", "dummy"]},
    "mace": {"state": "ready", "kinds": ["mace"]},
    "chgnet": {"state": "faulty", "kinds": ["chgnet"], "message": "no wheel"},
}


def test_worker_takes_the_kinds_of_the_runtimes_that_are_ready() -> None:
    worker = factories.worker(runtimes=OFFER)
    assert kinds_of(worker) == {"ase", "dummy", "mace"}
    assert may_take(worker, "mace") and not may_take(worker, "chgnet")
    worker.sandbox_level = "none"
    assert kinds_of(worker) == {"ase", "dummy"}


def test_worker_that_tells_no_runtimes_takes_what_its_sandbox_admits() -> None:
    assert kinds_of(factories.worker()) is None
    assert kinds_of(factories.worker(sandbox_level="none")) == BUILT_IN
    assert kinds_of(factories.worker(runtimes={})) == frozenset()


def test_what_a_worker_offers_is_told_anew_and_forgotten_when_it_starts() -> None:
    said = {"device": "cpu", "hardware": {}, "sandbox_level": "cgroup2", "versions": {}}
    worker = register_worker("w", **said, runtimes={})
    record_runtimes("w", OFFER)
    worker.refresh_from_db()
    assert worker.runtimes == OFFER
    assert register_worker("w", **said).runtimes is None


def test_what_is_due_is_asked_for_by_kind_the_longest_waiting_first() -> None:
    assert lifecycle.due_kinds() == []
    mace, *chgnets = (
        factories.evaluation(factories.submission(calculator_kind=kind))
        for kind in ("mace", "chgnet", "chgnet")
    )
    before = timezone.now() - timedelta(hours=1)
    Evaluation.objects.filter(pk=chgnets[1].pk).update(queued_at=before)
    assert lifecycle.due_kinds() == ["chgnet", "mace"]
    assert lifecycle.first_due(["mace"], 5) == [mace.pk]
    assert len(lifecycle.first_due(["mace", "chgnet"], 2)) == 2


def test_worker_without_the_runtime_is_not_called_deaf() -> None:
    evaluation = factories.evaluation(factories.submission(calculator_kind="chgnet"))
    hour_ago = timezone.now() - timedelta(hours=1)
    Evaluation.objects.filter(pk=evaluation.pk).update(queued_at=hour_ago)
    worker = factories.worker(free_since=hour_ago, runtimes=OFFER)
    assert deaf_workers() == []
    worker.runtimes = {"chgnet": {"state": "ready", "kinds": ["chgnet"]}}
    worker.save()
    assert deaf_workers() == [worker]


def test_message_may_end_at_a_worker_that_lacks_a_runtime() -> None:
    worker = factories.worker(runtimes={"mace": OFFER["mace"]})
    assert not messages_may_end_elsewhere(worker)
    other = factories.worker(runtimes=OFFER)
    assert not messages_may_end_elsewhere(worker)  # it serves all that this one does
    assert messages_may_end_elsewhere(other)
