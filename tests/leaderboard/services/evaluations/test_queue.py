from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from evaluator.contract import EvaluationReport, Verdict
from leaderboard import models
from leaderboard.services.evaluations import lifecycle, queue
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def task(db: None) -> models.TaskVersion:
    """Recent evaluations on it took 600 s, but for one that hung."""
    version = factories.task_version()
    for seconds in (500.0, 600.0, 9000.0):
        factories.evaluation(on=version, score=0.5, wall_time_s=seconds)
    return version


def minutes_until_start(evaluation: models.Evaluation) -> float | None:
    start = queue.standing(evaluation).estimated_start_at
    return None if start is None else (start - timezone.now()).total_seconds() / 60


def test_what_waits_behind_others_starts_when_a_worker_is_free(task: models.TaskVersion) -> None:
    waiting = [factories.evaluation(on=task) for _ in range(4)]
    factories.worker()
    factories.worker()
    for evaluation, minutes in zip(waiting, (0, 0, 10, 10), strict=True):
        found = minutes_until_start(evaluation)
        assert found is not None
        assert 0 <= found - minutes <= 1.01
    assert [queue.standing(e).position for e in waiting] == [1, 2, 3, 4]


def test_what_runs_counts_for_as_long_as_it_has_left(task: models.TaskVersion) -> None:
    worker = factories.worker()
    factories.evaluation(
        on=task,
        state="running",
        worker=worker,
        lease_expires_at=timezone.now(),
        started_at=timezone.now() - timedelta(minutes=4),
    )
    found = minutes_until_start(factories.evaluation(on=task))
    assert found is not None
    assert 6 <= found <= 7.01


def test_nothing_is_promised_without_workers_or_durations(task: models.TaskVersion) -> None:
    waiting = factories.evaluation(on=task)
    assert minutes_until_start(waiting) is None
    factories.worker()
    assert minutes_until_start(waiting) is not None
    factories.evaluation(priority=1)  # on a task that was never run: nobody knows how long
    assert minutes_until_start(waiting) is None
    assert queue.standing(waiting).position == 2


def test_what_is_held_or_has_ended_has_no_place(task: models.TaskVersion) -> None:
    factories.worker()
    gate = factories.evaluation()
    held = factories.evaluation(on=task, held_by=gate)
    assert queue.standing(held) == queue.QueueStanding()
    assert queue.standing(factories.evaluation(on=task, score=0.1)) == queue.QueueStanding()
    assert queue.standing(factories.evaluation(on=task)).position == 2, "the held one is not ahead"


def test_places_of_many_are_those_of_each_and_what_is_held_takes_none() -> None:
    gate = factories.evaluation()
    held = [factories.evaluation(held_by=gate) for _ in range(3)]
    others = [factories.evaluation(priority=n % 2) for n in range(4)]
    moment = gate.queued_at
    models.Evaluation.objects.filter(pk__in=[others[0].pk, others[2].pk]).update(queued_at=moment)
    rows = list(models.Evaluation.objects.all())

    found = queue.places(rows)

    assert found == {e.pk: p for e in rows if (p := queue.standing(e).position) is not None}
    assert sorted(found.values()) == [1, 2, 3, 4, 5]
    assert not {e.pk for e in held} & set(found)


def test_the_queue_is_not_read_for_what_has_no_place(django_assert_num_queries: Any) -> None:
    ended = factories.evaluation(score=0.5)
    held = factories.evaluation(held_by=factories.evaluation())

    with django_assert_num_queries(0):
        assert queue.places([ended, held]) == {}


def test_every_attempt_is_told_with_its_worker_and_what_became_of_it() -> None:
    evaluation = factories.evaluation()
    first, second = factories.worker(), factories.worker()
    claimed = lifecycle.claim_evaluation(evaluation.pk, first)
    assert claimed is not None
    lifecycle.release_for_retry(claimed.pk, claimed.fencing_token, "The disk was full.")
    models.Evaluation.objects.update(not_before=None)
    claimed = lifecycle.claim_evaluation(evaluation.pk, second)
    assert claimed is not None
    report = EvaluationReport(verdict=Verdict.NONFINITE, message="NaN")
    lifecycle.record_report(claimed.pk, claimed.fencing_token, report)

    found = queue.attempts(evaluation)

    assert [(a.number, a.worker, a.outcome, a.reason) for a in found] == [
        (1, first.name, "retried", "The disk was full."),
        (2, second.name, "failed", "nonfinite"),
    ]
    assert all(a.ended_at is not None and a.started_at <= a.ended_at for a in found)
