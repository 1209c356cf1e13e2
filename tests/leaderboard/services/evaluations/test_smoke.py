from __future__ import annotations

from typing import Any

import pytest

from evaluator.contract import EvaluationReport, Verdict
from leaderboard import models
from leaderboard.exceptions import ConflictError
from leaderboard.services.definitions import backfill
from leaderboard.services.definitions.tasks import evaluate_everyone
from leaderboard.services.evaluations import lifecycle
from leaderboard.services.submissions import submissions
from tests.leaderboard import factories
from tests.leaderboard.services.submissions.test_submissions import submit_emt

pytestmark = pytest.mark.django_db


@pytest.fixture
def smoke(db: None) -> models.TaskVersion:
    task = models.Task.objects.create(slug="smoke", name="Smoke test", summary="Does it load?")
    return factories.task_version(task)


@pytest.fixture
def tasks(db: None) -> list[models.TaskVersion]:
    versions = [factories.task_version(), factories.task_version()]
    factories.benchmark_version(*((version, "A") for version in versions))
    return versions


def of(submission: models.Submission, version: models.TaskVersion) -> models.Evaluation:
    return submission.evaluations.get(task_version=version, is_current=True)


def run_next(
    verdict: Verdict = Verdict.OK, message: str = "", coverage: float | None = None
) -> models.Evaluation:
    claimed = lifecycle.claim_next(factories.worker())
    assert claimed is not None
    report = EvaluationReport(verdict=verdict, message=message, coverage=coverage)
    return lifecycle.record_report(claimed.pk, claimed.fencing_token, report)


def states(submission: models.Submission) -> list[str]:
    rows = submission.evaluations.filter(is_current=True).order_by("task_version__task__slug")
    return [row.state for row in rows]


def test_nothing_is_held_without_a_smoke_task(tasks: list[models.TaskVersion]) -> None:
    submission = submit_emt(factories.potential())
    assert {e.held_by for e in submission.evaluations.all()} == {None}
    assert lifecycle.due().count() == 2


def test_all_else_waits_for_the_smoke_evaluation(smoke: Any, tasks: Any) -> None:
    submission = submit_emt(factories.potential())

    gate = of(submission, smoke)
    assert list(lifecycle.due()) == [gate]
    assert {of(submission, v).held_by for v in tasks} == {gate}
    held = of(submission, tasks[0])
    assert lifecycle.claim_evaluation(held.pk, factories.worker()) is None

    run_next()
    assert {e.task_version for e in lifecycle.due()} == set(tasks)
    assert [e.kind for e in held.events.all()] == ["queued", "released"]
    run_next()
    run_next()
    assert states(submission) == ["succeeded"] * 3


def test_a_smoke_evaluation_that_fails_cancels_the_rest_and_says_why(
    smoke: Any, tasks: Any
) -> None:
    submission = submit_emt(factories.potential())
    gate = run_next(Verdict.LOAD_ERROR, "It is no checkpoint.")

    for version in tasks:
        evaluation = of(submission, version)
        assert evaluation.state == "cancelled"
        assert "the task smoke did not succeed (load error): It is no checkpoint." in (
            evaluation.message
        )
        assert str(gate.pk) in evaluation.message
    assert lifecycle.claim_next(factories.worker()) is None


def test_a_potential_that_covers_none_of_the_smoke_structures_is_tried_by_the_other_tasks(
    smoke: Any, tasks: Any
) -> None:
    submission = submit_emt(factories.potential())
    gate = run_next(Verdict.UNSUPPORTED, coverage=0.0)
    assert gate.is_not_covered
    assert {e.task_version for e in lifecycle.due()} == set(tasks)
    later = factories.task_version()
    assert [e.task_version for e in lifecycle.queue_evaluations(submission, [later])] == [later]


def test_a_calculator_that_refuses_every_smoke_structure_has_failed(smoke: Any, tasks: Any) -> None:
    submission = submit_emt(factories.potential())
    gate = run_next(Verdict.UNSUPPORTED, coverage=1.0)
    assert not gate.is_not_covered
    assert states(submission).count("cancelled") == 2


def test_what_the_smoke_evaluation_stopped_follows_when_it_is_repeated(
    smoke: Any, tasks: Any
) -> None:
    submission = submit_emt(factories.potential())
    gate = run_next(Verdict.LOAD_ERROR)
    owner = submission.submitted_by
    with pytest.raises(ConflictError, match=f"smoke evaluation {gate.pk}"):
        lifecycle.reevaluate(owner, of(submission, tasks[0]), "again")

    new = lifecycle.reevaluate(owner, gate, "mended")

    assert {of(submission, v).held_by for v in tasks} == {new}
    assert {of(submission, v).state for v in tasks} == {"queued"}
    run_next()
    assert {e.task_version for e in lifecycle.due()} == set(tasks)


def test_what_was_cancelled_while_it_was_held_is_repeated_once_the_smoke_evaluation_has_passed(
    smoke: Any, tasks: Any
) -> None:
    submission = submit_emt(factories.potential())
    owner, held = submission.submitted_by, of(submission, tasks[0])
    lifecycle.cancel(owner, held)
    with pytest.raises(ConflictError, match=r"has not ended yet\. Ask again once"):
        lifecycle.reevaluate(owner, held, "again")
    run_next()
    assert lifecycle.reevaluate(owner, held, "again").state == "queued"


def test_a_fault_of_ours_in_the_smoke_evaluation_keeps_the_rest_waiting(
    smoke: Any, tasks: Any
) -> None:
    submission = submit_emt(factories.potential())
    run_next(Verdict.INFRASTRUCTURE_ERROR)
    assert {of(submission, v).state for v in tasks} == {"queued"}
    assert {of(submission, v).held_by for v in tasks} == {of(submission, smoke)}


def test_withdrawing_cancels_the_smoke_evaluation_and_what_it_holds(smoke: Any, tasks: Any) -> None:
    submission = submit_emt(factories.potential())
    submissions.withdraw(submission.submitted_by, submission)
    assert states(submission) == ["cancelled"] * 3
    messages = {e.message for e in submission.evaluations.all()}
    assert messages == {"Cancelled by alice before it began."}


def test_a_back_fill_waits_for_the_smoke_evaluation_and_skips_those_it_failed(
    tasks: Any, smoke: Any
) -> None:
    good, bad = submit_emt(factories.potential()), submit_emt(factories.potential())
    few_elements = submit_emt(factories.potential())
    for submission, verdict, coverage in (
        (good, Verdict.OK, None),
        (bad, Verdict.LOAD_ERROR, None),
        (few_elements, Verdict.UNSUPPORTED, 0.0),
    ):
        gate = of(submission, smoke)
        claimed = lifecycle.claim_evaluation(gate.pk, factories.worker())
        assert claimed is not None
        report = EvaluationReport(verdict=verdict, coverage=coverage)
        lifecycle.record_report(gate.pk, claimed.fencing_token, report)
    third = factories.task_version()
    # What is told beforehand is what is then queued.
    assert set(backfill.lacking(third)) == {good, few_elements}
    assert {e.submission for e in evaluate_everyone(third)} == {good, few_elements}
    assert not backfill.lacking(third).exists()
    assert of(good, third).held_by is None


def test_the_smoke_task_alone_can_be_asked_for(smoke: Any, tasks: Any) -> None:
    submission = submit_emt(factories.potential(), tasks=[smoke])
    assert states(submission) == ["queued"]
    assert of(submission, smoke).held_by is None


def test_the_smoke_evaluation_is_charged_and_what_it_stops_is_given_back(
    smoke: Any, tasks: Any
) -> None:
    submission = submit_emt(factories.potential())
    charged = models.Charge.objects.values_list("evaluation__task_version", flat=True)
    assert set(charged) == {v.pk for v in (smoke, *tasks)}
    run_next(Verdict.LOAD_ERROR)
    (counted,) = models.Charge.objects.all().counted()  # type: ignore[attr-defined]
    assert counted.evaluation.task_version == smoke
    assert states(submission) == ["failed", "cancelled", "cancelled"]
