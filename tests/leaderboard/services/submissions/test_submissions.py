from __future__ import annotations

import hashlib
import io
import threading
from typing import Any
from unittest import mock

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection

from leaderboard import models
from leaderboard.enums import EvaluationState, VersionState, Visibility
from leaderboard.exceptions import AlreadyThereError, ConflictError, SubmissionError
from leaderboard.services.accounts.teams import create_team
from leaderboard.services.evaluations import lifecycle
from leaderboard.services.submissions import artifacts, submissions
from tests.leaderboard import factories

EMT = b'{"calculator": "emt"}'
SHA256 = hashlib.sha256(EMT).hexdigest()


def submit_emt(potential: models.Potential, **changes: Any) -> models.Submission:
    """A good submission, but for ``changes``."""
    content = changes.pop("content", EMT)
    arguments: dict[str, Any] = {
        "version": "1",
        "upload": io.BytesIO(content),
        "filename": "emt.json",
        "sha256": hashlib.sha256(content).hexdigest(),
        "calculator_kind": "ase",
        "settings": {},
    }
    user = changes.pop("user", potential.owner)
    return submissions.submit(user, potential, **{**arguments, **changes})


@pytest.mark.django_db
def test_a_submission_is_stored_with_its_bytes_and_one_evaluation_for_each_task() -> None:
    first, second = factories.task_version(), factories.task_version()
    factories.benchmark_version((first, "A"), (second, "B"))

    submission = submit_emt(factories.potential(), supported_elements=["Cu", "Al", "Cu"])

    submission.refresh_from_db()
    assert artifacts.artifact_path(submission.artifact).read_bytes() == EMT
    assert submission.artifact.sha256 == SHA256
    assert submission.supported_elements == ["Al", "Cu"]
    assert {e.task_version for e in submission.evaluations.all()} == {first, second}
    assert {e.state for e in submission.evaluations.all()} == {EvaluationState.QUEUED}
    kinds = models.Event.objects.values_list("kind", flat=True)
    assert list(kinds) == ["queued", "queued"]


@pytest.mark.django_db
def test_settings_are_stored_complete_and_the_filename_is_cleaned() -> None:
    submission = submit_emt(
        factories.potential(),
        calculator_kind="chgnet",
        filename="/home/alice/my chgnet.pth.tar",
        visibility="private",
        declares_non_conservative=True,
    )

    assert submission.settings == {"dtype": "float32"}
    assert submission.artifact_filename == "my_chgnet.pth.tar"
    assert submission.visibility == "private"
    assert submission.declares_non_conservative


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"version": ""}, "version", "1 to 64 letters"),
        ({"version": "a" * 65}, "version", "1 to 64 letters"),
        ({"version": "1\n2"}, "version", "1 to 64 letters"),
        ({"version": "<b>"}, "version", "1 to 64 letters"),
        ({"visibility": "secret"}, "visibility", "must be one of private, public"),
        ({"calculator_kind": "vasp"}, "calculator_kind", "'vasp' is unknown; known are chgnet"),
        ({"filename": "emt.exe"}, "artifact", "emt.exe must end in .json"),
        ({"settings": {"dtype": "float32"}}, "settings.dtype", "is unknown"),
        ({"supported_elements": ["Si", "Xx"]}, "supported_elements", "Xx: no such"),
        ({"supported_elements": ["si"]}, "supported_elements", "si: no such"),
        ({"supported_elements": []}, "supported_elements", "at least one element"),
        ({"sha256": "123"}, "sha256", "64 hexadecimal digits"),
        ({"content": b""}, "artifact", "The file is empty"),
        ({"content": b'{"calculator":'}, "artifact", "emt.json: the file is not JSON"),
        (
            {"content": b'{"calculator": "emt", "asap_cutoff": true}'},
            "artifact",
            "emt.json: emt has no parameter asap_cutoff; it takes none.",
        ),
        ({"content": b" " * (2**20 + 1)}, "artifact", "is larger than 1 MiB"),
        ({"sha256": "0" * 64}, "sha256", "has the SHA-256"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_stored(
    changes: dict[str, Any], field: str, sentence: str
) -> None:
    factories.benchmark_version((factories.task_version(), "A"))

    with pytest.raises(SubmissionError) as refused:
        submit_emt(factories.potential(), **changes)

    assert set(refused.value.errors) == {field}
    assert sentence in refused.value.errors[field]
    assert not models.Submission.objects.exists()
    assert not models.Artifact.objects.exists()
    assert not models.Evaluation.objects.exists()


@pytest.mark.django_db
def test_all_bad_fields_are_named_at_once_before_the_file_is_read() -> None:
    upload = io.BytesIO(EMT)

    with pytest.raises(SubmissionError) as refused:
        submit_emt(
            factories.potential(),
            upload=upload,
            version="",
            sha256="",
            filename="emt.txt",
            settings={"x": 1},
        )

    assert set(refused.value.errors) == {"version", "sha256", "artifact", "settings.x"}
    assert upload.tell() == 0


@pytest.mark.django_db
def test_bob_cannot_submit_to_the_potential_of_alice_but_charlie_can() -> None:
    potential = factories.potential()

    with pytest.raises(PermissionDenied, match="Only the owner"):
        submit_emt(potential, user=factories.user("bob"))

    assert not models.Submission.objects.exists()
    assert submit_emt(potential, user=factories.charlie()).submitted_by == factories.charlie()


@pytest.mark.django_db
def test_a_version_that_exists_is_a_conflict() -> None:
    potential = factories.potential()
    first = submit_emt(potential)

    with pytest.raises(ConflictError, match=f"submission {first.pk}") as refused:
        submit_emt(potential, content=EMT + b" ")

    assert set(refused.value.errors) == {"version"}
    assert models.Submission.objects.get() == first


@pytest.mark.django_db
def test_the_same_version_again_is_the_submission_that_is_there() -> None:
    potential = factories.potential()
    first = submit_emt(potential)

    assert submit_emt(potential) == first
    assert submit_emt(potential, visibility="public") == first

    assert models.Submission.objects.get() == first
    assert submit_emt(factories.potential()).artifact == first.artifact


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"version": "2"}, "version", "This file is version 1 of .* nothing new was submitted"),
        ({"version": "2", "visibility": "private"}, "version", "This file is version 1 of"),
        ({"visibility": "private"}, "visibility", "public already, and cannot be made private"),
        ({"content": EMT + b" "}, "version", f"its file has the SHA-256 {SHA256[:12]}"),
        (
            {"calculator_kind": "mace", "filename": "emt.model"},
            "version",
            "the kind is ase there, mace here",
        ),
        (
            {"supported_elements": ["Cu"]},
            "version",
            "list of elements is left to the checkpoint there, Cu here.*withdraw that one",
        ),
        (
            {"declares_non_conservative": True},
            "version",
            "its forces are meant to be the gradient of the energy, here they are not",
        ),
        (
            {"version": "2", "supported_elements": ["Cu"]},
            "artifact",
            "only this differs: the list of elements .* withdraw that one",
        ),
    ],
)
def test_what_differs_from_what_is_there_is_refused_and_costs_nothing(
    changes: dict[str, Any], field: str, words: str
) -> None:
    first_task, second_task = factories.task_version(), factories.task_version()
    potential = factories.potential()
    first = submit_emt(potential, tasks=[first_task])

    with pytest.raises(AlreadyThereError, match=words) as refused:
        submit_emt(potential, tasks=[second_task], **changes)

    assert set(refused.value.errors) == {field}
    assert refused.value.submission_id == first.pk
    assert models.Submission.objects.get() == first
    assert [e.task_version for e in models.Evaluation.objects.all()] == [first_task]
    assert models.Charge.objects.count() == 1
    assert [a.sha256 for a in models.Artifact.objects.all()] == [SHA256]


@pytest.mark.django_db
def test_settings_that_differ_are_named() -> None:
    potential = factories.potential()
    weights = {"content": b"weights", "calculator_kind": "chgnet", "filename": "a.pth.tar"}
    submit_emt(potential, **weights)
    with pytest.raises(AlreadyThereError, match="setting dtype is 'float32' there, 'float64' here"):
        submit_emt(potential, **weights, settings={"dtype": "float64"})


@pytest.mark.django_db
def test_a_private_version_is_not_published_by_submitting_it_again() -> None:
    potential = factories.potential()
    first = submit_emt(potential, visibility="private")

    assert submit_emt(potential).visibility == "private"
    with pytest.raises(AlreadyThereError, match=f"touchstone publish {first.pk}"):
        submit_emt(potential, visibility="public")

    first.refresh_from_db()
    assert first.visibility == "private"


@pytest.mark.django_db
def test_tasks_that_are_named_are_queued_or_refused() -> None:
    smoke_task = models.Task.objects.create(slug="smoke", name="Smoke", summary="Does it load?")
    smoke, other = factories.task_version(smoke_task), factories.task_version()
    potential = factories.potential()
    submission = submit_emt(potential, tasks=[smoke])
    lifecycle.cancel(potential.owner, submission.evaluations.get())

    with pytest.raises(
        AlreadyThereError, match="not queued, since the smoke evaluation"
    ) as refused:
        submit_emt(potential, tasks=[other])

    assert set(refused.value.errors) == {"tasks"}
    assert submission.evaluations.count() == 1
    assert submit_emt(potential, tasks=[smoke]) == submission, "asks for nothing that is left out"


@pytest.mark.django_db
def test_a_withdrawn_version_keeps_its_name() -> None:
    potential = factories.potential()
    submissions.withdraw(potential.owner, submit_emt(potential))
    with pytest.raises(AlreadyThereError, match="was withdrawn, and its name stays taken"):
        submit_emt(potential)


@pytest.mark.django_db
def test_what_a_submission_queued_is_told() -> None:
    first, second = factories.task_version(), factories.task_version()
    potential = factories.potential()
    described = {
        "version": "1",
        "filename": "emt.json",
        "sha256": SHA256,
        "calculator_kind": "ase",
    }

    def asked_for(*tasks: models.TaskVersion) -> tuple[bool, list[models.TaskVersion]]:
        outcome = submissions.submit_or_find(
            potential.owner, potential, upload=io.BytesIO(EMT), tasks=tasks, **described
        )
        return outcome.is_new, [e.task_version for e in outcome.queued]

    factories.benchmark_version((second, "A"))
    assert asked_for(first) == (True, [first])
    assert asked_for(first) == (False, [])
    plain = submissions.submit_or_find(
        potential.owner, potential, upload=io.BytesIO(EMT), **described
    )
    assert plain.queued == (), "nobody named the default benchmark"
    assert asked_for(first, second) == (False, [second])


@pytest.mark.django_db
def test_the_same_file_asked_for_on_another_task_is_evaluated_there_too() -> None:
    first, second = factories.task_version(), factories.task_version()
    potential = factories.potential()
    submission = submit_emt(potential, tasks=[first])

    assert submit_emt(potential, tasks=[first, second]) == submission

    assert {e.task_version for e in submission.evaluations.all()} == {first, second}
    assert submission.evaluations.count() == 2


@pytest.mark.django_db
def test_a_private_submission_is_published_once_and_for_all() -> None:
    potential = factories.potential()
    submission = submit_emt(potential, visibility="private")
    assert submission.published_at is None

    with pytest.raises(PermissionDenied):
        submissions.publish(factories.user("bob"), submission)
    published = submissions.publish(potential.owner, submission)

    assert published.visibility == "public"
    assert published.published_at is not None
    again = submissions.publish(potential.owner, submission)
    assert again.published_at == published.published_at

    submissions.withdraw(potential.owner, submission)
    with pytest.raises(ConflictError, match="withdrawn"):
        submissions.publish(potential.owner, submission)


@pytest.mark.django_db
def test_a_withdrawn_file_may_come_again() -> None:
    potential = factories.potential()
    submissions.withdraw(potential.owner, submit_emt(potential))

    assert submit_emt(potential, version="2").pk is not None


@pytest.mark.django_db(transaction=True)
def test_of_simultaneous_equal_submissions_one_is_accepted() -> None:
    potential = factories.potential()
    together, accepted, refused = threading.Barrier(4), [], []

    def send(version: str) -> None:
        together.wait()
        try:
            accepted.append(submit_emt(potential, version=version))
        except ConflictError as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(v,)) for v in ("1", "1", "2", "3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(accepted)) == 1
    assert models.Submission.objects.get() == accepted[0]
    n_of_that_version = 2 if accepted[0].version == "1" else 1
    assert (len(accepted), len(refused)) == (n_of_that_version, 4 - n_of_that_version)


@pytest.mark.django_db
def test_who_has_read_a_potential_before_it_was_public_or_deleted_changes_no_slug() -> None:
    potential = factories.potential(slug="emt")
    read_before = models.Potential.objects.get()
    factories.submission(potential)
    with pytest.raises(SubmissionError, match="never changes"):
        submissions.update_potential(potential.owner, read_before, slug="other")
    assert models.Potential.objects.get().address == "emt"

    gone = factories.potential(slug="gone")
    submissions.delete_potential(gone.owner, models.Potential.objects.get(slug="gone"))
    with pytest.raises(ConflictError, match="deleted in the meantime"):
        submissions.update_potential(gone.owner, gone, licence="MIT")


@pytest.mark.django_db
def test_who_has_read_a_potential_before_it_was_handed_over_changes_nothing_of_it() -> None:
    potential = factories.potential(licence="MIT")
    read_before = models.Potential.objects.get()
    others = models.Team.objects.create(slug="others", name="O", created_by=factories.user())
    models.Potential.objects.update(team=others)
    with pytest.raises(PermissionDenied):
        submissions.update_potential(potential.owner, read_before, licence="GPL-3.0")
    assert models.Potential.objects.get().licence == "MIT"


@pytest.mark.django_db
def test_a_slug_that_becomes_public_while_a_new_potential_is_submitted_is_told() -> None:
    alice = factories.user("alice")
    new = submissions.new_potential(alice, slug="emt", name="EMT")
    factories.submission(factories.potential(factories.user("bob"), slug="emt"))
    with pytest.raises(ConflictError, match="emt is there already"):
        submit_emt(new)


@pytest.mark.django_db
def test_tasks_may_be_chosen_or_a_benchmark_or_neither() -> None:
    chosen, other = factories.task_version(), factories.task_version()
    small = factories.benchmark_version((chosen, "A"))
    assert submissions.default_benchmark() == small
    factories.benchmark_version((chosen, "A"), (other, "A"))
    assert submissions.default_benchmark() is None

    by_task = submit_emt(factories.potential(), tasks=[other])
    by_benchmark = submit_emt(factories.potential(), benchmark=small)
    neither = submit_emt(factories.potential())

    assert [e.task_version for e in by_task.evaluations.all()] == [other]
    assert [e.task_version for e in by_benchmark.evaluations.all()] == [chosen]
    assert list(neither.evaluations.all()) == []


@pytest.mark.django_db
def test_core_is_the_default_among_several_benchmarks() -> None:
    factories.benchmark_version((factories.task_version(), "A"))
    core = factories.benchmark_version((factories.task_version(), "A"))
    models.Benchmark.objects.filter(pk=core.benchmark_id).update(slug="core-small")

    assert submissions.default_benchmark() == core


@pytest.mark.django_db
def test_drafts_are_not_evaluated() -> None:
    draft = factories.task_version(state=VersionState.DRAFT)
    with pytest.raises(SubmissionError, match="not published"):
        submit_emt(factories.potential(), tasks=[draft])
    benchmark = models.Benchmark.objects.create(slug="new", name="New", summary="New.")
    version = models.BenchmarkVersion.objects.create(benchmark=benchmark, number=1)
    with pytest.raises(SubmissionError, match="not published"):
        submit_emt(factories.potential(), benchmark=version)


@pytest.mark.django_db
def test_a_fault_while_queueing_leaves_no_submission() -> None:
    factories.benchmark_version((factories.task_version(), "A"))
    fault = mock.patch.object(submissions, "queue_evaluations", side_effect=RuntimeError("fault"))

    with fault, pytest.raises(RuntimeError, match="fault"):
        submit_emt(factories.potential())

    assert not models.Submission.objects.exists()


@pytest.mark.django_db
def test_withdrawing_cancels_what_waits_and_keeps_what_ended() -> None:
    submission = factories.submission()
    ended = factories.evaluation(submission, score=0.5)
    waiting = factories.evaluation(submission)

    with pytest.raises(PermissionDenied):
        submissions.withdraw(factories.user("bob"), submission)
    submissions.withdraw(submission.potential.owner, submission)
    withdrawn = submissions.withdraw(submission.potential.owner, submission)

    ended.refresh_from_db()
    waiting.refresh_from_db()
    assert withdrawn.withdrawn_at is not None
    assert (ended.state, waiting.state) == (EvaluationState.SUCCEEDED, EvaluationState.CANCELLED)


@pytest.mark.django_db
def test_a_potential_is_registered_and_described_by_its_owner_alone() -> None:
    alice = factories.user()
    potential = submissions.create_potential(alice, slug="mace-mp-0", name="MACE-MP-0")
    assert potential.owner == alice

    submissions.update_potential(alice, potential, licence="MIT", training_sets=["MPtrj"])
    potential.refresh_from_db()
    assert (potential.licence, potential.training_sets) == ("MIT", ["MPtrj"])
    with pytest.raises(PermissionDenied):
        submissions.update_potential(factories.user("bob"), potential, licence="none")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"slug": "Not A Slug", "name": "X"}, "slug"),
        ({"slug": "x", "name": ""}, "name"),
        ({"slug": "x", "name": "X", "paper_url": "javascript:alert(1)"}, "paper_url"),
        ({"slug": "x", "name": "X", "is_baseline": True}, "is_baseline"),
        ({"slug": "x", "name": "X", "owner_id": 7}, "owner_id"),
    ],
)
def test_a_bad_description_of_a_potential_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(SubmissionError) as refused:
        submissions.create_potential(factories.user(), **fields)
    assert set(refused.value.errors) == {field}
    assert not models.Potential.objects.exists()


@pytest.mark.django_db
def test_a_public_slug_is_given_once_and_never_changes() -> None:
    potential = factories.submission().potential
    potential.refresh_from_db()
    with pytest.raises(ConflictError, match=f"named {potential.slug} is there already"):
        submissions.create_potential(factories.user(), slug=potential.slug, name="Y")
    with pytest.raises(SubmissionError, match="public addresses, and never changes"):
        submissions.update_potential(factories.charlie(), potential, slug="y")
    submissions.update_potential(factories.charlie(), potential, slug=potential.slug, name="Z")


@pytest.mark.django_db
def test_nobody_is_told_that_a_private_potential_has_a_slug() -> None:
    """Whoever is public first holds it, and the other one is told how to go on."""
    alice, bob = factories.user("alice"), factories.user("bob")
    hers = submissions.create_potential(alice, slug="x", name="X")
    private = factories.submission(hers, visibility=Visibility.PRIVATE)
    his = submissions.create_potential(bob, slug="x", name="X")
    assert len({"x", hers.address, his.address}) == 3
    assert (his.resembles, hers.resembles) == ("", "")
    factories.submission(his)
    his.refresh_from_db()
    assert (his.address, his.holds_slug) == ("x", True)
    with pytest.raises(ConflictError, match="was public as x before this one"):
        submissions.publish(alice, private)
    submissions.update_potential(alice, hers, slug="y")
    assert hers.address == f"y~{hers.tail}"
    submissions.publish(alice, private)
    hers.refresh_from_db()
    assert hers.address == "y"


@pytest.mark.django_db
def test_one_holder_has_one_potential_of_a_slug() -> None:
    alice = factories.user("alice")
    team = create_team(alice, "labs", "Labs")
    hers = submissions.create_potential(alice, slug="x", name="X")
    submissions.create_potential(alice, team=team, slug="x", name="X")
    with pytest.raises(ConflictError, match="alice has a potential x already"):
        submissions.create_potential(alice, slug="x", name="Another")
    with pytest.raises(ConflictError, match="has a potential x already"):
        submissions.update_potential(alice, hers, team=team)


@pytest.mark.django_db
def test_the_database_gives_a_slug_to_one_alone_whatever_code_asks() -> None:
    hers = factories.potential(slug="x")
    private = factories.submission(hers, visibility=Visibility.PRIVATE)
    other = factories.potential(factories.user("bob"), slug="x")
    factories.submission(other)
    with pytest.raises(IntegrityError, match="address"):
        models.Submission.objects.filter(pk=private.pk).update(visibility=Visibility.PUBLIC)


@pytest.mark.django_db
def test_staff_may_mark_a_baseline() -> None:
    potential = submissions.create_potential(
        factories.charlie(), slug="emt", name="EMT", is_baseline=True
    )
    assert potential.is_baseline


@pytest.mark.django_db
def test_a_new_potential_is_registered_with_its_first_version_or_not_at_all() -> None:
    factories.benchmark_version((factories.task_version(), "A"))
    alice = factories.user()
    new = submissions.new_potential(alice, slug="emt", name="EMT", licence="MIT")
    assert not models.Potential.objects.exists()

    with pytest.raises(SubmissionError, match="The file is empty"):
        submit_emt(new, content=b"")
    assert not models.Potential.objects.exists()

    submission = submit_emt(submissions.new_potential(alice, slug="emt", name="EMT"))
    assert (submission.potential.slug, submission.evaluations.count()) == ("emt", 1)


@pytest.mark.django_db
def test_a_potential_goes_while_it_has_no_version() -> None:
    potential = factories.potential()
    with pytest.raises(PermissionDenied):
        submissions.delete_potential(factories.user("bob"), potential)
    submissions.withdraw(potential.owner, submit_emt(potential))
    with pytest.raises(ConflictError, match="has a version, whose results stay in the record"):
        submissions.delete_potential(potential.owner, potential)

    empty = factories.potential()
    submissions.delete_potential(empty.owner, empty)
    assert models.Potential.objects.get() == potential
    with pytest.raises(ConflictError, match="was deleted in the meantime"):
        submit_emt(models.Potential(pk=10**6, owner=potential.owner, slug="gone", name="Gone"))
