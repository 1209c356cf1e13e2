"""A dry run is like an evaluation, but nobody outside hears of it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from evaluator.contract import EvaluationReport, ScoreRecord, TaskScore, Verdict
from leaderboard import models
from leaderboard.enums import VersionState
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.services.boards.task_reader import task_view
from leaderboard.services.definitions import dry_runs
from leaderboard.services.definitions.tasks import evaluate_everyone, publish_task_version
from leaderboard.services.evaluations.events import record
from leaderboard.services.evaluations.lifecycle import claim_next, record_report, reevaluate
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
EVERYBODY = AnonymousUser()


def draft() -> models.TaskVersion:
    return factories.task_version(state=VersionState.DRAFT)


def finish(run: models.Evaluation) -> models.Evaluation:
    claimed = claim_next(factories.worker())
    assert claimed is not None
    assert claimed.pk == run.pk
    report = EvaluationReport(
        verdict=Verdict.OK,
        scores=(
            ScoreRecord(
                metric="eos_delta_mean", value=1.0, low=0.9, high=1.1, score=0.5, n=2, n_failed=0
            ),
        ),
        task_score=TaskScore(value=0.5, low=0.4, high=0.6),
        coverage=1.0,
        n_systems=2,
        wall_time_s=3.0,
    )
    record_report(run.pk, claimed.fencing_token, report)
    run.refresh_from_db()
    return run


def test_a_dry_run_goes_through_a_worker_and_stands_on_no_board() -> None:
    submission, version, charlie = factories.submission(), draft(), factories.charlie()
    factories.webhook(submission.submitted_by, events=["queued", "succeeded"])

    run = finish(dry_runs.start(charlie, version, submission))

    assert (run.score, run.state, run.is_current) == (0.5, "succeeded", False)
    assert not models.WebhookDelivery.objects.exists()
    assert not models.Charge.objects.exists()
    publish_task_version(version)
    version.refresh_from_db()
    for as_of in (None, timezone.now()):
        board = task_view(version, EVERYBODY, as_of)
        assert (board.rows, board.pending) == ([], [])
    # It is in nobody's way: the real one is queued beside it.
    assert [e.submission for e in evaluate_everyone(version)] == [submission]


def test_it_is_seen_by_the_staff_alone() -> None:
    run = dry_runs.start(factories.charlie(), draft(), factories.submission())
    owner, bob = run.submission.submitted_by, factories.user("bob")
    for user in (EVERYBODY, bob, owner):
        assert not models.Evaluation.objects.all().visible_to(user).exists()
    assert models.Evaluation.objects.all().visible_to(factories.charlie()).get() == run


def test_it_says_whether_the_draft_is_still_what_was_tried() -> None:
    version = draft()
    run = dry_runs.start(factories.charlie(), version, factories.submission())
    assert dry_runs.tells_of_present(models.Evaluation.objects.get(pk=run.pk))
    assert "disguise_secret" not in run.events.get().data["spec"], "as releases without it stored"
    version.seed = 7
    version.save()
    assert not dry_runs.tells_of_present(models.Evaluation.objects.get(pk=run.pk))


@pytest.mark.parametrize("stored", [{}, {"disguise_secret": ""}], ids=["before", "with the key"])
def test_a_dry_run_of_an_earlier_release_stays_up_to_date(stored: dict[str, str]) -> None:
    version = draft()
    run = factories.evaluation(on=version, is_dry_run=True, is_current=False)
    spec = version.spec().to_json()
    del spec["disguise_secret"]
    record(run, "queued", spec=spec | stored)
    assert dry_runs.tells_of_present(models.Evaluation.objects.get(pk=run.pk))


def test_what_could_not_be_published_or_is_withdrawn_is_not_tried() -> None:
    charlie, submission = factories.charlie(), factories.submission()
    with pytest.raises(ConflictError, match="is published: evaluate"):
        dry_runs.start(charlie, factories.task_version(), submission)
    vague = factories.task_version(state=VersionState.DRAFT, limitations=" ")
    with pytest.raises(SubmissionError, match="Write at least a sentence"):
        dry_runs.start(charlie, vague, submission)
    gone = factories.submission(withdrawn_at=timezone.now())
    with pytest.raises(ConflictError, match="was withdrawn"):
        dry_runs.start(charlie, draft(), gone)
    assert not models.Evaluation.objects.exists()


def test_it_is_not_repeated_as_an_evaluation_and_never_becomes_one() -> None:
    run = finish(dry_runs.start(factories.charlie(), draft(), factories.submission()))
    with pytest.raises(ConflictError, match="It was a dry run"):
        reevaluate(factories.charlie(), run, "again")
    with pytest.raises(IntegrityError, match="dry_run_is_never_current"), transaction.atomic():
        factories.evaluation(is_dry_run=True)
