from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from evaluator.contract import EvaluationReport, Verdict
from leaderboard import models
from leaderboard.models import Evaluation
from leaderboard.services.evaluations import lifecycle
from leaderboard.services.evaluations.waiting import waiting_reason
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def test_why_something_waits_is_told() -> None:
    evaluation = factories.evaluation(factories.submission(calculator_kind="package"))
    assert waiting_reason(evaluation).startswith("No worker is running.")
    factories.worker(sandbox_level="none")
    assert waiting_reason(evaluation).startswith("No running worker has a sandbox")
    assert waiting_reason(factories.evaluation()) == "It waits for its turn."
    factories.worker()
    assert waiting_reason(evaluation) == "It waits for its turn."

    evaluation.not_before = timezone.now() + timedelta(hours=1)
    evaluation.message = "The disk was full."
    assert waiting_reason(evaluation).startswith("It is tried again at ")
    assert waiting_reason(evaluation).endswith("UTC. The disk was full.")
    assert waiting_reason(factories.evaluation(score=0.1)) == ""


def _offering(state: str, kind: str = "package") -> dict[str, Any]:
    return {"torch": {"state": state, "kinds": [kind]}}


@pytest.mark.parametrize(
    ("runtimes", "reason"),
    [
        ({}, "No running worker serves potentials of the kind package (Python package)."),
        (_offering("ready", "mace"), "No running worker serves potentials of the kind package"),
        (_offering("absent"), "The environment that a Python package runs in is not ready on a"),
        (_offering("building"), "The environment that a Python package runs in is not ready on a"),
        (_offering("faulty"), "The environment that a Python package runs in cannot be used on"),
        (_offering("ready"), "It waits for its turn."),
        (None, "It waits for its turn."),
    ],
)
def test_what_waits_for_a_runtime_is_told_so(runtimes: Any, reason: str) -> None:
    evaluation = factories.evaluation(factories.submission(calculator_kind="package"))
    factories.worker(runtimes=runtimes)
    # It could run the kind, and may not: what it says of its runtimes is of no interest.
    factories.worker(sandbox_level="none", runtimes=_offering("building"))
    assert waiting_reason(evaluation).startswith(reason)


def test_a_deaf_worker_is_named_as_the_reason_and_not_a_missing_one() -> None:
    evaluation = factories.evaluation()
    hour_ago = timezone.now() - timedelta(hours=1)
    Evaluation.objects.filter(pk=evaluation.pk).update(queued_at=hour_ago)
    worker = factories.worker(free_since=hour_ago)

    reason = waiting_reason(evaluation)
    assert reason.startswith("A worker is online and free (1 of 1 that may take it) without")

    worker.free_since = None  # it has taken something
    worker.save()
    assert waiting_reason(evaluation) == "It waits for its turn."


def test_workers_are_busy_where_those_that_may_take_it_have_no_slot_free() -> None:
    evaluation = factories.evaluation(factories.submission(calculator_kind="package"))
    hour_ago = timezone.now() - timedelta(hours=1)
    Evaluation.objects.filter(pk=evaluation.pk).update(queued_at=hour_ago)
    runs = {"state": "running", "lease_expires_at": timezone.now()}
    factories.evaluation(worker=factories.worker(last_seen_at=hour_ago), **runs)  # it was lost
    worker = factories.worker(free_since=hour_ago)
    assert waiting_reason(evaluation).startswith("A worker is online and free")

    factories.worker(sandbox_level="none")  # free, and may not take it
    factories.evaluation(worker=worker, **runs)
    worker.free_since = None
    worker.save()
    assert waiting_reason(evaluation).startswith("All workers that may take it are busy")


def test_a_smoke_test_waits_for_another_of_its_party_and_the_staffs_for_none() -> None:
    smoke_task = models.Task.objects.create(slug="smoke", name="Smoke test", summary="Loads?")
    version = factories.task_version(smoke_task)
    worker = factories.worker(n_slots=4)
    runs = {"state": "running", "worker": worker, "lease_expires_at": timezone.now()}

    def of(name: str, **fields: Any) -> Evaluation:
        potential = factories.potential(factories.user(name))
        row = factories.evaluation(factories.submission(potential), **fields)
        return Evaluation.objects.get(pk=row.pk)  # with the parties that a trigger fills in

    first, second = (of("alice", on=version) for _ in range(2))
    others = [of("bob", on=version), of("alice"), of("alice", on=version, parties=["staff"])]
    of("dora", on=version, parties=["staff"], **runs)
    assert waiting_reason(second) == "It waits for its turn."

    lifecycle.claim_evaluation(first.pk, worker)
    assert waiting_reason(second) == (
        "One smoke test of an account or team runs at a time: it waits for that one to end."
    )
    assert [waiting_reason(row) for row in others] == ["It waits for its turn."] * 3

    first.refresh_from_db()
    report = EvaluationReport(verdict=Verdict.OK)
    lifecycle.record_report(first.pk, first.fencing_token, report)
    assert waiting_reason(second) == "It waits for its turn."
