"""What a back-fill costs, and how far it has come."""

from __future__ import annotations

from datetime import timedelta

import pytest

from leaderboard import models
from leaderboard.enums import VersionState
from leaderboard.services.definitions import backfill
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def test_the_cost_is_what_is_missing_times_what_recent_ones_took() -> None:
    version, unknown = factories.task_version(), factories.task_version()
    first, *_ = [factories.submission() for _ in range(3)]
    factories.evaluation(first, version, score=0.5, wall_time_s=60.0)
    factories.worker()
    factories.worker()

    cost = backfill.estimate([version, unknown])

    assert [(c.n_missing, c.each) for c in cost.tasks] == [(2, timedelta(minutes=1)), (3, None)]
    # How long all of it takes is not known.
    assert (cost.total, cost.elapsed) == (timedelta(minutes=2), None)
    assert (cost.is_complete, cost.is_unknown) == (False, False)
    assert backfill.estimate([version]).elapsed == timedelta(minutes=1)
    assert backfill.estimate([unknown]).is_unknown


def test_a_dry_run_or_the_version_before_tells_how_long_it_takes() -> None:
    old = factories.task_version()
    submission = factories.submission()
    factories.evaluation(submission, old, score=0.5, wall_time_s=30.0)
    new = factories.task_version(old.task, state=VersionState.DRAFT)
    (cost,) = backfill.estimate([new]).tasks
    assert (cost.total, cost.source) == (timedelta(seconds=30), "as version 1 took")
    factories.evaluation(
        submission, new, score=0.5, wall_time_s=9.0, is_dry_run=True, is_current=False
    )
    (cost,) = backfill.estimate([new]).tasks
    assert (cost.total, cost.source) == (timedelta(seconds=9), "")


def test_a_backfill_waits_behind_what_somebody_asked_for_and_is_told_until_it_ends() -> None:
    task = factories.task_version()
    benchmark = factories.benchmark_version((task, "A"))
    waiting = factories.evaluation()

    assert backfill.filling(benchmark) is None
    created = backfill.start(factories.charlie(), [task])

    assert {e.submission for e in created} == {waiting.submission}
    assert all(e.priority < waiting.priority for e in created)
    told = backfill.filling(benchmark)
    assert told is not None
    assert (told.n_pending, told.n_ended, told.earlier) == (1, 0, None)
    assert backfill.start(factories.charlie(), [task]) == []
    entry = models.AuditEntry.objects.last()
    assert entry is not None
    assert (entry.action, entry.detail) == ("back-fill", "1 evaluations queued.")
