"""The database itself protects what must never happen, whoever asks."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from leaderboard import models
from leaderboard.enums import EvaluationState, VersionState
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def refused() -> pytest.RaisesExc[IntegrityError]:
    return pytest.raises(IntegrityError)


def test_two_current_evaluations_of_one_submission_on_one_task_version_are_refused() -> None:
    first = factories.evaluation()
    with refused(), transaction.atomic():
        models.Evaluation.objects.create(
            submission=first.submission, task_version=first.task_version
        )
    assert models.Evaluation.objects.count() == 1


def test_a_score_cannot_be_edited() -> None:
    evaluation = factories.evaluation(score=0.5)
    score = evaluation.scores.create(metric="eos_delta_mean", value=3.0, n=2, n_failed=0)
    with refused(), transaction.atomic():
        models.Score.objects.filter(pk=score.pk).update(value=1.0)
    score.refresh_from_db()
    assert score.value == 3.0


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_an_ended_evaluation_cannot_change(state: str) -> None:
    evaluation = factories.evaluation(state=state, verdict="ok")
    with refused(), transaction.atomic():
        models.Evaluation.objects.filter(pk=evaluation.pk).update(state=EvaluationState.QUEUED)
    with refused(), transaction.atomic():
        models.Evaluation.objects.filter(pk=evaluation.pk).update(message="better")


def test_an_ended_evaluation_can_only_be_superseded() -> None:
    evaluation = factories.evaluation(score=0.5)
    models.Evaluation.objects.filter(pk=evaluation.pk).update(is_current=False)
    evaluation.refresh_from_db()
    assert not evaluation.is_current


def test_a_fencing_token_cannot_go_back() -> None:
    evaluation = factories.evaluation(fencing_token=3)
    with refused(), transaction.atomic():
        models.Evaluation.objects.filter(pk=evaluation.pk).update(fencing_token=2)


def test_a_published_task_version_can_only_be_retired() -> None:
    version = factories.task_version()
    with refused(), transaction.atomic():
        models.TaskVersion.objects.filter(pk=version.pk).update(parameters={"n_volumes": 9})
    with refused(), transaction.atomic():
        models.TaskVersion.objects.filter(pk=version.pk).delete()
    models.TaskVersion.objects.filter(pk=version.pk).update(state=VersionState.RETIRED)
    with refused(), transaction.atomic():
        models.TaskVersion.objects.filter(pk=version.pk).update(state=VersionState.PUBLISHED)


def test_a_draft_task_version_can_be_changed_and_deleted() -> None:
    version = factories.task_version(state=VersionState.DRAFT)
    models.TaskVersion.objects.filter(pk=version.pk).update(parameters={"n_volumes": 9})
    models.TaskVersion.objects.filter(pk=version.pk).delete()
    assert not models.TaskVersion.objects.exists()


def test_the_entries_of_a_published_benchmark_are_frozen() -> None:
    version = factories.benchmark_version((factories.task_version(), "Mechanics"))
    with refused(), transaction.atomic():
        models.BenchmarkTask.objects.filter(benchmark_version=version).update(weight=2.0)
    with refused(), transaction.atomic():
        models.BenchmarkTask.objects.filter(benchmark_version=version).delete()
    with refused(), transaction.atomic():
        models.BenchmarkTask.objects.create(
            benchmark_version=version, task_version=factories.task_version(), category="x"
        )


def test_a_submission_can_be_withdrawn_but_not_altered() -> None:
    submission = factories.submission()
    with refused(), transaction.atomic():
        models.Submission.objects.filter(pk=submission.pk).update(settings={"dtype": "float32"})
    models.Submission.objects.filter(pk=submission.pk).update(withdrawn_at=timezone.now())


def test_a_reference_set_in_use_by_a_published_task_is_frozen() -> None:
    version = factories.task_version()
    with refused(), transaction.atomic():
        models.ReferenceSet.objects.filter(pk=version.reference_set_id).update(title="other")
    models.ReferenceSet.objects.filter(pk=version.reference_set_id).update(is_public=False)


def test_only_a_success_can_carry_a_score() -> None:
    with refused(), transaction.atomic():
        factories.evaluation(state="failed", verdict="load_error", score=0.5)


def test_a_running_evaluation_needs_a_lease_and_a_worker() -> None:
    with refused(), transaction.atomic():
        factories.evaluation(state="running")
