from __future__ import annotations

import pytest

from evaluator.contract import EvaluationReport, Verdict
from leaderboard import models
from leaderboard.exceptions import LostLeaseError
from leaderboard.services.evaluations import checkpoints, lifecycle
from leaderboard.services.evaluations.checkpoints import KeptSystems
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def running(name: str = "first@host") -> models.Evaluation:
    worker = factories.worker(name=name, hardware={"cpu": "Xeon"})
    found = lifecycle.claim_evaluation(factories.evaluation().pk, worker)
    assert found is not None
    return found


def test_the_next_attempt_finds_what_was_kept_and_by_whom() -> None:
    evaluation = running()

    checkpoints.keep(evaluation.pk, 1, {"Si": b"1", "Al": b"2"})
    lifecycle.release_for_retry(evaluation.pk, 1, "The worker was lost.")

    assert checkpoints.kept_of(evaluation) == {
        "Si": KeptSystems(content=b"1", origin="claim 1 by first@host (Xeon)"),
        "Al": KeptSystems(content=b"2", origin="claim 1 by first@host (Xeon)"),
    }


def test_a_system_that_was_simulated_again_replaces_the_older() -> None:
    evaluation = running()
    checkpoints.keep(evaluation.pk, 1, {"Si": b"old"})
    lifecycle.hand_back(evaluation.pk, 1, "shut down")
    second = factories.worker(name="second@host", hardware={"gpus": ["H200"], "cpu": "Xeon"})
    assert lifecycle.claim_evaluation(evaluation.pk, second) is not None

    checkpoints.keep(evaluation.pk, 2, {"Si": b"new"})

    assert checkpoints.kept_of(evaluation) == {
        "Si": KeptSystems(content=b"new", origin="claim 2 by second@host (H200)")
    }


def test_who_has_lost_the_lease_keeps_nothing() -> None:
    evaluation = running()
    lifecycle.hand_back(evaluation.pk, 1, "shut down")
    assert lifecycle.claim_evaluation(evaluation.pk, factories.worker()) is not None

    with pytest.raises(LostLeaseError):
        checkpoints.keep(evaluation.pk, 1, {"Si": b"stale"})

    assert checkpoints.kept_of(evaluation) == {}


def test_what_was_kept_goes_when_the_evaluation_ends() -> None:
    evaluation, other = running(), running("second@host")
    for row in (evaluation, other):
        checkpoints.keep(row.pk, 1, {"Si": b"1"})

    lifecycle.record_report(evaluation.pk, 1, EvaluationReport(verdict=Verdict.OK))

    assert models.KeptSystem.objects.get().evaluation == other
    lifecycle.cancel(other.submission.potential.owner, other)
    lifecycle.release_for_retry(other.pk, 1, "lost")
    other.refresh_from_db()
    assert other.state == "cancelled"
    assert models.KeptSystem.objects.count() == 0
