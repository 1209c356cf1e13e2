"""A worker that is lost with one artifact alone is not to blame."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from evaluator.contract import Verdict
from leaderboard import models
from leaderboard.models.evaluation import STAFF_PARTY
from leaderboard.services import housekeeping
from leaderboard.services.evaluations import lifecycle
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _three_attempts(settings: Any) -> None:
    settings.MAX_ATTEMPTS = 3
    settings.RETRY_PAUSE_S = 0


def lose(evaluation: models.Evaluation, worker: models.Worker) -> models.Evaluation:
    claimed = lifecycle.claim_evaluation(evaluation.pk, worker)
    assert claimed is not None
    lifecycle.release_for_retry(
        evaluation.pk, claimed.fencing_token, "It was killed.", Verdict.INFRASTRUCTURE_LOST
    )
    evaluation.refresh_from_db()
    return evaluation


def end_another(worker: models.Worker) -> None:
    factories.evaluation(state="failed", verdict="nonfinite", worker=worker)


def ended(evaluation: models.Evaluation) -> tuple[str, str]:
    return evaluation.state, evaluation.verdict


def test_an_artifact_that_loses_workers_who_go_on_with_others_has_its_verdict() -> None:
    worker, evaluation = factories.worker(), factories.evaluation()
    assert ended(lose(evaluation, worker)) == ("queued", "")
    end_another(worker)
    assert ended(lose(evaluation, worker)) == ("queued", "")
    assert ended(lose(evaluation, worker)) == ("failed", "runtime_error")
    assert "was lost 3 times, while the same workers went on" in evaluation.message

    # It counts: no loss of ours.
    charge = models.Charge.objects.create(
        evaluation=evaluation, user=evaluation.submission.potential.owner
    )
    assert charge in models.Charge.objects.counted()


@pytest.mark.slow
def test_one_outage_that_takes_several_evaluations_of_an_artifact_counts_once() -> None:
    worker, first = factories.worker(), factories.evaluation()
    others = [factories.evaluation(first.submission, on=factories.task_version()) for _ in "12"]
    running = [lifecycle.claim_evaluation(row.pk, worker) for row in (first, *others)]
    end_another(worker)
    # As the reaper does in one round; one comes back within the round.
    for claimed in running:
        assert claimed is not None
        released = lifecycle.release_for_retry(
            claimed.pk, claimed.fencing_token, "Power cut.", Verdict.INFRASTRUCTURE_LOST
        )
        assert ended(released) == ("queued", "")
        end_another(worker)

    # Each time that all of them are lost again is one time more.
    assert [ended(lose(row, worker))[0] for row in (first, *others)] == ["queued"] * 3
    assert ended(lose(first, worker)) == ("failed", "runtime_error")
    assert "was lost 3 times" in first.message


def test_what_ended_before_the_first_loss_acquits_no_worker() -> None:
    worker, evaluation = factories.worker(), factories.evaluation()
    claimed = lifecycle.claim_evaluation(evaluation.pk, worker)
    assert claimed is not None
    end_another(worker)
    lifecycle.release_for_retry(
        evaluation.pk, claimed.fencing_token, "It was killed.", Verdict.INFRASTRUCTURE_LOST
    )
    for _ in range(2):
        lose(evaluation, worker)
    assert ended(evaluation) == ("failed", "infrastructure_lost")


def test_its_next_evaluation_is_not_tried_three_times_again(settings: Any) -> None:
    worker, evaluation = factories.worker(), factories.evaluation()
    for _ in range(3):
        end_another(worker)
        lose(evaluation, worker)
    settings.LEASE_S = settings.REAPER_INTERVAL_S = 0  # long after the last loss
    again = factories.evaluation(evaluation.submission, on=factories.task_version())
    end_another(worker)
    assert ended(lose(again, worker)) == ("failed", "runtime_error")


def test_losses_of_an_evaluation_that_was_given_up_count_to_the_last(settings: Any) -> None:
    """While nobody else evaluates nothing is proved; once somebody does, it is."""
    worker, evaluation = factories.worker(), factories.evaluation()
    for _ in range(3):
        lose(evaluation, worker)
    assert ended(evaluation) == ("failed", "infrastructure_lost")
    settings.MAX_ATTEMPTS = 4
    settings.LEASE_S = settings.REAPER_INTERVAL_S = 0  # long after the last loss
    again = factories.evaluation(evaluation.submission, on=factories.task_version())
    end_another(worker)
    assert ended(lose(again, worker)) == ("failed", "runtime_error")
    assert "was lost 4 times" in again.message


def test_a_child_that_is_killed_as_a_whole_is_counted_when_its_lease_runs_out() -> None:
    worker, evaluation = factories.worker(), factories.evaluation()
    for _ in range(3):
        end_another(worker)
        assert lifecycle.claim_evaluation(evaluation.pk, worker) is not None
        past = timezone.now() - timedelta(seconds=1)
        models.Evaluation.objects.filter(pk=evaluation.pk).update(lease_expires_at=past)
        end_another(worker)
        housekeeping.reap()
    evaluation.refresh_from_db()
    assert ended(evaluation) == ("failed", "runtime_error")
    assert "was lost 3 times" in evaluation.message


def test_a_worker_that_is_lost_with_everybody_is_to_blame() -> None:
    worker, elsewhere, evaluation = factories.worker(), factories.worker(), factories.evaluation()
    end_another(worker)  # before it was first claimed
    for _ in range(3):
        end_another(elsewhere)
        lose(evaluation, worker)
    assert ended(evaluation) == ("failed", "infrastructure_lost")


def test_what_goes_on_elsewhere_proves_nothing_of_the_host_that_goes_down() -> None:
    """Also where another evaluation of the same artifact was taken up elsewhere, and goes well."""
    worker, elsewhere, evaluation = factories.worker(), factories.worker(), factories.evaluation()
    other = factories.evaluation(evaluation.submission, on=factories.task_version())
    assert lifecycle.claim_evaluation(other.pk, elsewhere) is not None
    for _ in range(3):
        lose(evaluation, worker)
        end_another(elsewhere)
    assert ended(evaluation) == ("failed", "infrastructure_lost")


def test_workers_that_were_lost_with_it_before_and_went_on_tell_as_well() -> None:
    first, last, evaluation = factories.worker(), factories.worker(), factories.evaluation()
    for worker in (first, first, last):
        end_another(first)
        lose(evaluation, worker)
    assert ended(evaluation) == ("failed", "runtime_error")


@pytest.mark.parametrize(
    ("name", "parties", "state"), [("bob", [STAFF_PARTY], "queued"), ("eve", [], "failed")]
)
def test_a_host_that_goes_down_again_and_again_with_all_that_it_runs_counts_once(
    settings: Any, name: str, parties: list[str], state: str
) -> None:
    """But of files of the same people the one excuses not the other, whoever pays for it."""
    worker = factories.worker()
    potentials = [factories.potential(factories.user(owner)) for owner in ("eve", name)]
    # As in a back-fill, which comes out of the staff's share.
    evaluation, other = (
        factories.evaluation(factories.submission(potential), parties=[STAFF_PARTY])
        for potential in potentials
    )
    for _ in range(3):
        lose(other, worker)
        lose(evaluation, worker)
    assert ended(evaluation) == ("failed", "infrastructure_lost")

    settings.LEASE_S = settings.REAPER_INTERVAL_S = 0  # long after the outage
    again = factories.evaluation(
        evaluation.submission, on=factories.task_version(), parties=parties
    )
    end_another(worker)
    assert ended(lose(again, worker))[0] == state


def hours_ago(n: float) -> datetime:
    return timezone.now() - timedelta(hours=n)


def lose_after(evaluation: models.Evaluation, worker: models.Worker, hours: float) -> None:
    """Lost by now, after so many hours."""
    claimed = lifecycle.claim_evaluation(evaluation.pk, worker)
    assert claimed is not None
    with connection.cursor() as cursor:  # events are never edited, but by a test of long times
        cursor.execute("SET LOCAL session_replication_role = replica")
        models.Event.objects.filter(kind="claimed").update(at=hours_ago(hours))
        cursor.execute("SET LOCAL session_replication_role = origin")
    models.Evaluation.objects.filter(pk=evaluation.pk).update(started_at=hours_ago(hours))
    lifecycle.release_for_retry(
        evaluation.pk, claimed.fencing_token, "Power cut.", Verdict.INFRASTRUCTURE_LOST
    )
    evaluation.refresh_from_db()


@pytest.mark.parametrize(
    ("hours_of_others", "verdict"), [(1.9, "infrastructure_lost"), (2.1, "runtime_error")]
)
def test_a_host_that_now_and_then_goes_down_makes_no_long_artifact_guilty_by_short_ones(
    hours_of_others: float, verdict: str
) -> None:
    """Six hours are lost, in which others had the host for less, or for more."""
    worker, evaluation = factories.worker(), factories.evaluation()
    for _ in range(3):
        lose_after(evaluation, worker, 2)
        if evaluation.state == "queued":
            factories.evaluation(
                state="succeeded",
                verdict="ok",
                worker=worker,
                started_at=hours_ago(1.5 * hours_of_others),
            )
    assert ended(evaluation) == ("failed", verdict)


def test_losses_of_what_succeeded_in_the_end_were_the_host_s() -> None:
    worker, first = factories.worker(), factories.evaluation()
    for _ in range(2):
        end_another(worker)
        lose(first, worker)
    models.Evaluation.objects.filter(pk=first.pk).update(
        state="succeeded", verdict="ok", finished_at=timezone.now()
    )
    again = factories.evaluation(first.submission, on=factories.task_version())
    end_another(worker)
    assert ended(lose(again, worker)) == ("queued", "")


def test_other_faults_of_ours_are_never_the_artifact_s() -> None:
    worker, evaluation = factories.worker(), factories.evaluation()
    for _ in range(3):
        claimed = lifecycle.claim_evaluation(evaluation.pk, worker)
        assert claimed is not None
        end_another(worker)
        lifecycle.release_for_retry(evaluation.pk, claimed.fencing_token, "A full disk.")
    evaluation.refresh_from_db()
    assert ended(evaluation) == ("failed", "infrastructure_error")
