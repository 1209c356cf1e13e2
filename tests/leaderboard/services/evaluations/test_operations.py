"""The queue as its administrators see it, and what they can do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from leaderboard import models
from leaderboard.enums import EvaluationState
from leaderboard.exceptions import ConflictError, LostLeaseError
from leaderboard.services.evaluations import operations
from leaderboard.services.evaluations.lifecycle import claim_next, release_for_retry, renew_lease
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def running() -> models.Evaluation:
    factories.evaluation()
    claimed = claim_next(factories.worker())
    assert claimed is not None
    return claimed


def test_what_was_retried_waits_long_or_is_silent_is_told_with_its_reason() -> None:
    retried = running()
    release_for_retry(retried.pk, retried.fencing_token, "The disk was full.")
    long_ago = timezone.now() - timedelta(hours=2)
    silent = running()
    models.Evaluation.objects.filter(pk=silent.pk).update(heartbeat_at=long_ago)
    old, fresh = factories.evaluation(), factories.evaluation()
    models.Evaluation.objects.filter(pk=old.pk).update(queued_at=long_ago)

    found = {c.evaluation.pk: c.why for c in operations.overview().concerns}

    assert "The disk was full." in found[retried.pk]
    assert "Nothing was heard of" in found[silent.pk]
    assert found[old.pk] == "It waits for its turn."
    assert fresh.pk not in found
    told = operations.overview()
    assert told.oldest_at is not None
    assert (told.n_queued, told.n_running) == (3, 1)


def test_a_set_that_is_at_fault_is_told_until_the_newest_evaluation_on_it_finds_none() -> None:
    version = factories.task_version()
    left_out = {"twins": "It has two atoms in one place: 1 and 2."}
    faulty = factories.evaluation(
        on=version, state="succeeded", verdict="ok", provenance={"left_out": left_out}
    )
    (concern,) = operations.overview().concerns
    assert concern.evaluation.pk == faulty.pk
    assert "is at fault: twins: It has two atoms in one place: 1 and 2." in concern.why
    factories.evaluation(on=version, state="succeeded", verdict="ok")
    assert operations.overview().concerns == []


def test_a_running_evaluation_is_taken_from_its_worker() -> None:
    evaluation = running()
    operations.requeue(factories.charlie(), evaluation)
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.attempt) == (EvaluationState.QUEUED, 0)
    with pytest.raises(LostLeaseError):
        renew_lease(evaluation.pk, evaluation.fencing_token)


def test_the_pause_of_a_retried_one_is_ended() -> None:
    evaluation = running()
    release_for_retry(evaluation.pk, evaluation.fencing_token, "The disk was full.")
    operations.requeue(factories.charlie(), evaluation)
    evaluation.refresh_from_db()
    assert evaluation.not_before is None
    assert claim_next(factories.worker()) == evaluation


def test_an_ended_one_is_repeated_and_a_held_one_is_not() -> None:
    ended = factories.evaluation(state="failed", verdict="infrastructure_lost")
    new = operations.requeue(factories.charlie(), ended)
    assert new.supersedes == ended
    held = factories.evaluation(held_by=new)
    with pytest.raises(ConflictError, match="smoke evaluation"):
        operations.requeue(factories.charlie(), held)
    with pytest.raises(PermissionDenied):
        operations.requeue(new.submission.submitted_by, new)


def test_a_worker_is_drained_taken_out_and_enabled() -> None:
    evaluation = running()
    worker, charlie = evaluation.worker, factories.charlie()
    assert worker is not None
    operations.drain(charlie, worker)
    evaluation.refresh_from_db()
    assert evaluation.state == EvaluationState.RUNNING
    assert operations.take_out(charlie, worker) == 1
    evaluation.refresh_from_db()
    worker.refresh_from_db()
    assert (evaluation.state, worker.is_enabled) == (EvaluationState.QUEUED, False)
    operations.enable(charlie, worker)
    worker.refresh_from_db()
    assert worker.is_enabled
    actions = [e.action for e in models.AuditEntry.objects.order_by("pk")]
    assert actions == ["drained", "drained", "requeued", "enabled"]


def test_what_a_worker_runs_is_taken_from_it_in_transactions_of_their_own() -> None:
    first, worker = running(), factories.worker()
    models.Evaluation.objects.filter(pk=first.pk).update(worker=worker)
    factories.evaluation()
    assert claim_next(worker) is not None

    with CaptureQueriesContext(connection) as asked:
        assert operations.take_out(factories.charlie(), worker) == 2

    # Within the test's transaction, one of its own is a savepoint.
    n_open, n_begun, taken_in = 0, 0, []
    for query in asked.captured_queries:
        words = query["sql"]
        n_begun += words.startswith("SAVEPOINT") and n_open == 0
        n_open += words.startswith("SAVEPOINT") - words.startswith("RELEASE")
        if words.startswith('UPDATE "leaderboard_evaluation"'):
            taken_in.append(n_begun)
    assert len(taken_in) == len(set(taken_in)) == 2


def test_the_last_verdicts_of_a_worker_and_who_asks_for_most_are_told() -> None:
    worker = factories.worker()
    ended = factories.evaluation(score=0.5, worker=worker)
    models.Charge.objects.create(evaluation=ended, user=ended.submission.submitted_by)
    factories.submission(withdrawn_at=timezone.now())
    told = operations.overview()
    (state,) = told.workers
    assert (state.is_live, [e.verdict for e in state.last]) == (True, ["ok"])
    assert [(u.name, u.n_month, u.n_active) for u in told.usage] == [("alice", 1, 0)]
    assert len(told.withdrawn) == 1
