from __future__ import annotations

import dataclasses
import math
import threading
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.forms.models import model_to_dict
from django.utils import timezone

from evaluator.contract import (
    INFRASTRUCTURE_VERDICTS,
    EvaluationReport,
    Phase,
    Progress,
    ScoreRecord,
    SystemRecord,
    SystemStatus,
    TaskScore,
    Verdict,
)
from leaderboard import models
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.exceptions import ConflictError, LostLeaseError, SubmissionError
from leaderboard.services.boards.replicates import of_evaluations
from leaderboard.services.evaluations import lifecycle, metric_replicates
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

REPORT = EvaluationReport(
    verdict=Verdict.OK,
    scores=(
        ScoreRecord(
            metric="eos_delta_mean",
            value=3.0,
            low=2.0,
            high=4.0,
            score=0.9,
            n=2,
            n_failed=1,
            replicates=(2.0, 3.0, 4.0),
        ),
        ScoreRecord(
            metric="bulk_modulus_mae", value=9.0, low=8.0, high=11.0, score=None, n=2, n_failed=1
        ),
    ),
    task_score=TaskScore(value=0.9, low=0.8, high=0.95, replicates=(0.8, 0.9, 0.95)),
    systems=(
        SystemRecord(
            system_id="Al",
            status=SystemStatus.OK,
            values={"bulk_modulus_GPa": 70.0},
            reference={"bulk_modulus_GPa": 78.1},
            n_calls=9,
            wall_time_s=0.1,
        ),
        SystemRecord(system_id="Cu", status=SystemStatus.FAILED, message="No minimum."),
    ),
    coverage=1.0,
    n_systems=2,
    n_failed=1,
    summary={"energy_shift_eV_per_atom": {"Si": -5.4}},
    consistency={"rotation_force_error_eV_A": 1e-7},
    provenance={"seed": 0},
    stdout="hello",
    wall_time_s=1.5,
)


def claimed(**fields: Any) -> models.Evaluation:
    evaluation = lifecycle.claim_evaluation(factories.evaluation(**fields).pk, factories.worker())
    assert evaluation is not None
    return evaluation


def everything(evaluation: models.Evaluation) -> tuple[Any, ...]:
    """All that is stored of an evaluation, to show that nothing has changed."""
    row = models.Evaluation.objects.get(pk=evaluation.pk)
    return (
        model_to_dict(row),
        list(row.scores.values()),
        list(row.systems.values()),
        list(row.events.values()),
    )


def kinds_of_events(evaluation: models.Evaluation) -> list[str]:
    return list(evaluation.events.values_list("kind", flat=True))


def test_queueing_twice_leaves_one_evaluation_for_each_task() -> None:
    submission, first, second = (
        factories.submission(),
        factories.task_version(),
        factories.task_version(),
    )

    assert len(lifecycle.queue_evaluations(submission, [first], priority=3)) == 1
    new = lifecycle.queue_evaluations(submission, [first, second])

    assert [e.task_version for e in new] == [second]
    assert submission.evaluations.count() == 2
    assert models.Event.objects.filter(kind="queued").count() == 2


def test_quick_tasks_are_queued_first_and_timed_ones_last() -> None:
    def limited(hours: float, **fields: Any) -> models.TaskVersion:
        return factories.task_version(limits={"wall_time_s": 3600 * hours}, **fields)

    timed, long, short, slow, quick = (
        limited(0.1, protocol="efficiency"),
        limited(9),
        limited(2),
        limited(1),
        limited(5),
    )
    for version, seconds in ((slow, 900.0), (quick, 60.0)):
        factories.evaluation(on=version, score=0.5, wall_time_s=seconds)

    given = [timed, long, short, slow, quick]
    new = lifecycle.queue_evaluations(factories.submission(), given)

    in_order = sorted(new, key=lambda evaluation: evaluation.queued_at)
    assert [e.task_version for e in in_order] == [quick, slow, short, long, timed]


def test_a_claim_gives_a_lease_an_attempt_and_a_new_token() -> None:
    queued, worker = factories.evaluation(), factories.worker()

    evaluation = lifecycle.claim_evaluation(queued.pk, worker)

    assert evaluation is not None
    assert evaluation.state == EvaluationState.RUNNING
    assert (evaluation.attempt, evaluation.fencing_token) == (1, 1)
    assert evaluation.worker == worker
    assert evaluation.phase == Phase.LOADING
    assert evaluation.lease_expires_at is not None
    assert evaluation.lease_expires_at > timezone.now() + timedelta(seconds=50)
    assert kinds_of_events(evaluation) == ["claimed"]


def test_a_second_message_for_the_same_evaluation_claims_nothing() -> None:
    evaluation = claimed()
    before = everything(evaluation)

    assert lifecycle.claim_evaluation(evaluation.pk, factories.worker()) is None
    assert lifecycle.claim_next(factories.worker()) is None
    assert everything(evaluation) == before


def test_an_ended_evaluation_is_not_claimed() -> None:
    ended = factories.evaluation(score=0.5)
    assert lifecycle.claim_evaluation(ended.pk, factories.worker()) is None


@pytest.mark.django_db(transaction=True)
def test_one_of_many_simultaneous_claims_wins() -> None:
    queued = factories.evaluation()
    workers = [factories.worker() for _ in range(6)]
    together, winners = threading.Barrier(6), []

    def claim(worker: models.Worker) -> None:
        together.wait()
        try:
            found = lifecycle.claim_evaluation(queued.pk, worker)
            if found is not None:
                winners.append(found)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=(w,)) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(winners) == 1
    queued.refresh_from_db()
    assert (queued.attempt, queued.fencing_token) == (1, 1)
    assert queued.worker == winners[0].worker


@pytest.mark.django_db(transaction=True)
def test_simultaneous_claims_of_the_next_get_different_evaluations() -> None:
    waiting = {factories.evaluation().pk for _ in range(4)}
    workers = [factories.worker() for _ in range(4)]
    together, found = threading.Barrier(4), []

    def claim(worker: models.Worker) -> None:
        together.wait()
        try:
            evaluation = lifecycle.claim_next(worker)
            # A row may be committed away between choosing and locking; then it is asked again.
            while evaluation is None and len(found) < 4:
                evaluation = lifecycle.claim_next(worker)
            if evaluation is not None:
                found.append(evaluation.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=(w,)) for w in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert set(found) == waiting


def test_the_most_urgent_and_then_the_oldest_is_claimed_next() -> None:
    worker = factories.worker()
    old, young, urgent = (
        factories.evaluation(),
        factories.evaluation(),
        factories.evaluation(priority=5),
    )
    factories.evaluation(not_before=timezone.now() + timedelta(hours=1), priority=9)

    order = [lifecycle.claim_next(worker) for _ in range(4)]

    assert order == [urgent, old, young, None]


def test_a_worker_without_a_sandbox_claims_the_kinds_it_may_run() -> None:
    worker = factories.worker()
    package = factories.evaluation(factories.submission(calculator_kind="package"))

    assert lifecycle.claim_next(worker, ["ase", "dummy"]) is None
    assert lifecycle.claim_next(worker, []) is None
    assert lifecycle.claim_evaluation(package.pk, worker, ["ase"]) is None
    assert lifecycle.claim_next(worker) == package


def test_renewing_prolongs_the_lease_and_tells_of_a_cancellation() -> None:
    evaluation = claimed()
    models.Evaluation.objects.filter(pk=evaluation.pk).update(lease_expires_at=timezone.now())

    assert lifecycle.renew_lease(evaluation.pk, 1) is False
    evaluation.refresh_from_db()
    assert evaluation.lease_expires_at is not None
    assert evaluation.lease_expires_at > timezone.now() + timedelta(seconds=50)

    lifecycle.cancel(evaluation.submission.potential.owner, evaluation)
    assert lifecycle.renew_lease(evaluation.pk, 1) is True


def test_progress_is_stored_and_each_phase_is_an_event() -> None:
    evaluation = claimed()

    for phase, done in ((Phase.LOADING, 0), (Phase.SIMULATING, 1), (Phase.SIMULATING, 2)):
        lifecycle.record_progress(
            evaluation.pk, 1, Progress(phase=phase, n_done=done, n_total=71, n_calls=9 * done)
        )

    evaluation.refresh_from_db()
    assert (evaluation.phase, evaluation.progress_done, evaluation.progress_total) == (
        "simulating",
        2,
        71,
    )
    assert (evaluation.progress_calls, evaluation.expected_at) == (18, None)
    assert kinds_of_events(evaluation) == ["claimed", "phase"]


def test_the_expected_end_is_kept_while_it_is_known() -> None:
    evaluation = claimed()
    known = Progress(phase=Phase.SIMULATING, n_done=10, n_total=71, remaining_s=600.0)

    lifecycle.record_progress(evaluation.pk, 1, known)

    evaluation.refresh_from_db()
    assert evaluation.expected_at is not None
    left = evaluation.expected_at - timezone.now()
    assert timedelta(seconds=590) < left <= timedelta(seconds=600)
    lifecycle.record_progress(evaluation.pk, 1, Progress(phase=Phase.SCORING, n_total=1))
    evaluation.refresh_from_db()
    assert evaluation.expected_at is None


def test_a_report_is_stored_whole() -> None:
    evaluation = claimed()

    lifecycle.record_report(evaluation.pk, 1, REPORT)

    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.verdict) == ("succeeded", "ok")
    assert (evaluation.score, evaluation.score_low, evaluation.score_high) == (0.9, 0.8, 0.95)
    assert of_evaluations([evaluation.pk])[evaluation.pk].tolist() == [0.8, 0.9, 0.95]
    assert (evaluation.n_systems, evaluation.n_failed, evaluation.coverage) == (2, 1, 1.0)
    assert evaluation.summary == {"energy_shift_eV_per_atom": {"Si": -5.4}}
    assert evaluation.consistency == {"rotation_force_error_eV_A": 1e-7}
    assert evaluation.finished_at is not None
    assert evaluation.lease_expires_at is None
    assert list(evaluation.scores.values_list("metric", "value", "score", "n", "n_failed")) == [
        ("eos_delta_mean", 3.0, 0.9, 2, 1),
        ("bulk_modulus_mae", 9.0, None, 2, 1),
    ]
    (kept,) = metric_replicates.of_evaluations([evaluation.pk]).items()
    assert (kept[0][1], kept[1].tolist()) == ("eos_delta_mean", [2.0, 3.0, 4.0])
    assert list(evaluation.systems.values_list("position", "system_id", "status", "message")) == [
        (0, "Al", "ok", ""),
        (1, "Cu", "failed", "No minimum."),
    ]
    assert evaluation.systems.get(system_id="Al").values == {"bulk_modulus_GPa": 70.0}
    assert kinds_of_events(evaluation) == ["claimed", "succeeded"]


@pytest.mark.parametrize(
    "act",
    [
        lambda pk, token: lifecycle.renew_lease(pk, token),
        lambda pk, token: lifecycle.record_progress(
            pk, token, Progress(phase=Phase.SCORING, n_done=1, n_total=2)
        ),
        lambda pk, token: lifecycle.record_report(pk, token, REPORT),
        lambda pk, token: lifecycle.release_for_retry(pk, token, "a fault"),
        lambda pk, token: lifecycle.hand_back(pk, token, "shut down"),
    ],
    ids=["renew", "progress", "report", "release", "hand_back"],
)
def test_a_stale_token_is_refused_and_nothing_has_changed(act: Any) -> None:
    evaluation = claimed()
    lifecycle.hand_back(evaluation.pk, 1, "shut down")
    lifecycle.claim_evaluation(evaluation.pk, factories.worker())
    before = everything(evaluation)

    with pytest.raises(LostLeaseError, match="no longer run under token 1"):
        act(evaluation.pk, 1)
    assert everything(evaluation) == before

    ended = factories.evaluation(score=0.5)
    with pytest.raises(LostLeaseError):
        act(ended.pk, ended.fencing_token)


def test_a_report_delivered_twice_is_stored_once() -> None:
    evaluation = claimed()
    lifecycle.record_report(evaluation.pk, 1, REPORT)
    before = everything(evaluation)

    with pytest.raises(LostLeaseError):
        lifecycle.record_report(evaluation.pk, 1, REPORT)
    assert everything(evaluation) == before


def test_a_report_that_cannot_be_stored_leaves_nothing_of_itself() -> None:
    evaluation = claimed()
    before = everything(evaluation)
    twice = dataclasses.replace(REPORT, systems=REPORT.systems * 2)

    with pytest.raises(Exception, match="one_result_per_system"), transaction_of_its_own():
        lifecycle.record_report(evaluation.pk, 1, twice)

    assert everything(evaluation) == before


def transaction_of_its_own() -> Any:
    from django.db import transaction

    return transaction.atomic()


def test_nan_and_nul_do_not_break_the_storage() -> None:
    evaluation = claimed()
    report = dataclasses.replace(
        REPORT,
        message="a\x00b",
        scores=(
            dataclasses.replace(
                REPORT.scores[0], value=math.nan, high=math.inf, replicates=(1.0, math.nan, 1e300)
            ),
        ),
        task_score=TaskScore(value=0.5, low=math.nan, high=0.6, replicates=(0.5, math.nan)),
        systems=(
            SystemRecord(
                system_id="Al",
                status=SystemStatus.OK,
                message="\ud800",
                values={"x": math.nan, "y": [math.inf, np.float32(1.5), np.int64(3), True]},
            ),
        ),
        consistency={"a": {"b": -math.inf}},
        stdout="\x00\x1b[31m",
    )

    lifecycle.record_report(evaluation.pk, 1, report)

    evaluation.refresh_from_db()
    assert (evaluation.score, evaluation.score_low, evaluation.replicates) == (0.5, None, b"")
    assert evaluation.consistency == {"a": {"b": None}}
    assert "\x00" not in evaluation.stdout + evaluation.message
    assert evaluation.systems.get().values == {"x": None, "y": [None, 1.5, 3, True]}
    assert evaluation.scores.get().value is None
    assert evaluation.scores.get().high is None
    assert metric_replicates.of_evaluations([evaluation.pk]) == {}


def test_a_success_in_which_nothing_could_be_judged_has_no_score() -> None:
    evaluation = claimed()
    nothing = TaskScore(value=None, low=None, high=None)

    lifecycle.record_report(
        evaluation.pk, 1, dataclasses.replace(REPORT, task_score=nothing, coverage=0.0)
    )

    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.score, evaluation.coverage) == ("succeeded", None, 0.0)


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - INFRASTRUCTURE_VERDICTS))
def test_a_verdict_on_the_submission_ends_the_evaluation(verdict: Verdict) -> None:
    evaluation = claimed()

    lifecycle.record_report(
        evaluation.pk, 1, dataclasses.replace(REPORT, verdict=verdict, message="Because.")
    )

    evaluation.refresh_from_db()
    states = {Verdict.OK: "succeeded", Verdict.CANCELLED: "cancelled"}
    assert evaluation.state == states.get(verdict, "failed")
    assert (evaluation.verdict, evaluation.message) == (verdict, "Because.")
    assert evaluation.systems.count() == 2
    assert evaluation.scores.count() == (2 if verdict is Verdict.OK else 0)
    assert (evaluation.score is None) == (verdict is not Verdict.OK)
    assert evaluation.finished_at is not None


@pytest.mark.slow
@pytest.mark.parametrize("verdict", sorted(INFRASTRUCTURE_VERDICTS))
def test_our_own_faults_are_tried_again_after_growing_pauses_and_then_fail(
    verdict: Verdict,
    settings: Any,
) -> None:
    settings.MAX_ATTEMPTS, settings.RETRY_PAUSE_S = 3, 10
    evaluation, worker = factories.evaluation(), factories.worker()
    report = EvaluationReport(verdict=verdict, message="The disk is full.")

    for attempt, pause_s in ((1, 10), (2, 40)):
        assert lifecycle.claim_evaluation(evaluation.pk, worker) is not None
        now = timezone.now()
        lifecycle.record_report(evaluation.pk, attempt, report)
        evaluation.refresh_from_db()
        assert (evaluation.state, evaluation.verdict) == ("queued", "")
        assert evaluation.message == "The disk is full."
        assert evaluation.not_before is not None
        assert 0 <= (evaluation.not_before - now).total_seconds() - pause_s < 1
        assert lifecycle.claim_evaluation(evaluation.pk, worker) is None
        models.Evaluation.objects.filter(pk=evaluation.pk).update(not_before=timezone.now())

    lifecycle.claim_evaluation(evaluation.pk, worker)
    lifecycle.record_report(evaluation.pk, 3, report)
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.verdict) == ("failed", verdict)
    assert evaluation.message == "Given up after 3 attempts. The disk is full."
    assert kinds_of_events(evaluation) == [
        *("claimed", "retried") * 2,
        "claimed",
        "failed",
    ]


def test_a_released_evaluation_is_tried_again() -> None:
    evaluation = claimed()

    lifecycle.release_for_retry(evaluation.pk, 1, "The artifact is missing.")

    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.message) == ("queued", "The artifact is missing.")


def test_what_a_worker_hands_back_is_due_at_once_and_uncounted() -> None:
    evaluation = claimed()

    lifecycle.hand_back(evaluation.pk, 1, "Shut down.")
    again = lifecycle.claim_next(factories.worker())

    assert again == evaluation
    assert again is not None
    assert (again.attempt, again.fencing_token) == (1, 2)
    assert kinds_of_events(evaluation) == ["claimed", "handed_back", "claimed"]


@pytest.mark.parametrize(
    "give_up",
    [
        lambda pk: lifecycle.hand_back(pk, 1, "shut down"),
        lambda pk: lifecycle.release_for_retry(pk, 1, "a fault"),
        lambda pk: lifecycle.record_report(
            pk, 1, EvaluationReport(verdict=Verdict.INFRASTRUCTURE_ERROR)
        ),
    ],
    ids=["hand_back", "release", "report"],
)
def test_a_cancelled_evaluation_is_not_tried_again(give_up: Any) -> None:
    evaluation = claimed()
    lifecycle.cancel(factories.charlie(), evaluation)

    give_up(evaluation.pk)

    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.verdict) == ("cancelled", "cancelled")


def test_a_waiting_evaluation_is_cancelled_at_once() -> None:
    evaluation = factories.evaluation()

    lifecycle.cancel(evaluation.submission.potential.owner, evaluation)

    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.verdict) == ("cancelled", "cancelled")
    assert evaluation.message == "Cancelled by alice before it began."
    assert lifecycle.claim_next(factories.worker()) is None
    with pytest.raises(ConflictError, match="has ended already"):
        lifecycle.cancel(factories.charlie(), evaluation)


def test_a_running_evaluation_is_asked_to_stop_once() -> None:
    evaluation = claimed()

    lifecycle.cancel(factories.charlie(), evaluation)
    lifecycle.cancel(factories.charlie(), evaluation)

    evaluation.refresh_from_db()
    assert evaluation.state == EvaluationState.RUNNING
    assert evaluation.cancel_requested_at is not None
    assert kinds_of_events(evaluation) == ["claimed", "cancel_requested"]


def test_bob_can_neither_cancel_nor_repeat_what_is_of_alice() -> None:
    waiting, ended = factories.evaluation(), factories.evaluation(score=0.1)
    bob = factories.user("bob")

    with pytest.raises(PermissionDenied, match="Only the owner"):
        lifecycle.cancel(bob, waiting)
    with pytest.raises(PermissionDenied, match="Only the owner"):
        lifecycle.reevaluate(bob, ended, "I want to")
    assert models.Evaluation.objects.count() == 2


@pytest.mark.parametrize(
    ("name", "priority", "parties"), [("alice", 2, ["user"]), ("charlie", -10, ["staff"])]
)
def test_a_repetition_supersedes_and_the_old_stays_in_the_record(
    name: str, priority: int, parties: list[str]
) -> None:
    old = factories.evaluation(score=0.1)
    factories.charlie()

    new = lifecycle.reevaluate(factories.user(name), old, " A new driver. ", priority=2)

    old.refresh_from_db()
    assert (old.is_current, old.state, old.score) == (False, "succeeded", 0.1)
    assert (new.is_current, new.state, new.supersedes, new.reason, new.priority) == (
        True,
        "queued",
        old,
        "A new driver.",
        priority,
    )
    assert [party.split()[0] for party in new.parties] == parties
    with pytest.raises(ConflictError, match="repeated already"):
        lifecycle.reevaluate(factories.charlie(), old, "again")
    with pytest.raises(ConflictError, match="not ended yet"):
        lifecycle.reevaluate(factories.charlie(), new, "again")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_a_repetition_needs_a_reason(reason: str) -> None:
    ended = factories.evaluation(score=0.1)
    with pytest.raises(SubmissionError, match="1 to 300 characters"):
        lifecycle.reevaluate(factories.charlie(), ended, reason)


def test_what_is_withdrawn_or_retired_is_not_repeated() -> None:
    withdrawn = factories.evaluation(score=0.1)
    models.Submission.objects.update(withdrawn_at=timezone.now())
    retired = factories.evaluation(on=factories.task_version(state=VersionState.RETIRED), score=0.1)

    with pytest.raises(ConflictError, match="withdrawn"):
        lifecycle.reevaluate(factories.charlie(), withdrawn, "why not")
    with pytest.raises(ConflictError, match="no longer evaluated"):
        lifecycle.reevaluate(factories.charlie(), retired, "why not")


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_repetitions_one_is_made() -> None:
    old, charlie = factories.evaluation(score=0.1), factories.charlie()
    together, made, refused = threading.Barrier(4), [], []

    def repeat() -> None:
        together.wait()
        try:
            made.append(lifecycle.reevaluate(charlie, old, "again"))
        except ConflictError as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=repeat) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(made), len(refused)) == (1, 3)
    assert models.Evaluation.objects.filter(is_current=True).count() == 1
