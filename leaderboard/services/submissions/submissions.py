"""Potentials and submissions: who may submit what, and what happens when it is accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from evaluator.json_artifacts import MOST_BYTES, is_json_kind
from leaderboard.enums import VersionState, Visibility
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.models import (
    Artifact,
    Benchmark,
    BenchmarkVersion,
    Evaluation,
    Potential,
    Submission,
    TaskVersion,
    Team,
)
from leaderboard.models.permissions import (
    check_may_manage,
    check_may_submit_for_team,
)
from leaderboard.services.accounts import quotas
from leaderboard.services.accounts.parties import parties_of
from leaderboard.services.evaluations.lifecycle import cancel_all_of, queue_evaluations
from leaderboard.services.submissions import known, look_alikes, runtime_locks, slug_rights
from leaderboard.services.submissions.artifacts import (
    Upload,
    beginning_of,
    remove_unused,
    store_artifact,
)
from leaderboard.services.submissions.preparation import Prepared, prepare, refuse_left_out

#: What the owner of a potential may say of it; ``is_baseline`` is the staff's to set.
POTENTIAL_FIELDS = (
    "name",
    "description",
    "architecture",
    "authors",
    "paper_url",
    "code_url",
    "licence",
    "training_sets",
    "level_of_theory",
    "n_parameters",
)


def create_potential(
    user: User,
    *,
    team: Team | None = None,
    **fields: Any,  # noqa: ANN401  (model fields)
) -> Potential:
    """Register a potential under ``slug``; its creator, or the team, owns it.

    The slug is its own for everybody only once a version is public: nobody is told that somebody
    else's private potential has it. Raises SubmissionError, ConflictError for a slug that a public
    potential has or another of the same holder, and PermissionDenied for who may not submit for
    the team.
    """
    potential = new_potential(user, team=team, **fields)
    _register(user, potential)
    return potential


def new_potential(
    user: User,
    *,
    team: Team | None = None,
    **fields: Any,  # noqa: ANN401  (model fields)
) -> Potential:
    """One that may be registered and is not yet: ``create_potential`` does, or its first version.

    Raises what ``create_potential`` raises.
    """
    if team is not None:
        check_may_submit_for_team(user, team)
    _refuse_unknown(user, fields, allowed=(*POTENTIAL_FIELDS, "slug"))
    potential = Potential(owner=user, team=team, **fields)
    _check_fields(potential)
    slug_rights.refuse_taken(potential)
    return potential


def update_potential(user: User, potential: Potential, **fields: Any) -> Potential:  # noqa: ANN401
    """Change what is said of a potential; its slug only until a version of it was public.

    ``team`` hands it to a team in which one may submit, or (None) to oneself.
    """
    check_may_manage(user, potential)
    _refuse_unknown(user, fields, allowed=(*POTENTIAL_FIELDS, "slug", "team"))
    with transaction.atomic():
        # Locked as by what makes a version public: whoever has read the row before may be late.
        _reread(potential)
        check_may_manage(user, potential)
        if "team" in fields:
            fields |= _handed_over(user, potential, fields["team"])
        is_new_slug = fields.get("slug", potential.slug) != potential.slug
        if is_new_slug and potential.holds_slug:
            raise SubmissionError({"slug": "It stands in public addresses, and never changes."})
        before = (potential.owner_id, potential.team_id)
        for name, value in fields.items():
            setattr(potential, name, value)
        _check_fields(potential)
        is_new_holder = before != (potential.owner_id, potential.team_id)
        holder = quotas.one_more_potential(user, potential.team) if is_new_holder else nullcontext()
        with slug_rights.saved(potential, is_new=is_new_slug), holder:
            potential.save(update_fields=[*fields])
    if "slug" in fields:
        potential.refresh_from_db(fields=["address"])
    if {"name", "slug", "team"} & set(fields):
        look_alikes.mark(potential)
    return potential


def delete_potential(user: User, potential: Potential) -> None:
    """Remove a potential that has no versions; what has been judged stays in the record.

    Raises PermissionDenied for a stranger, ConflictError where there are versions.
    """
    check_may_manage(user, potential)
    with transaction.atomic():
        row = Potential.objects.select_for_update().filter(pk=potential.pk).first()
        if row is None:
            return
        if n := row.submissions.count():
            versions = "a version" if n == 1 else f"{n} versions"
            raise ConflictError(
                f"{row} has {versions}, whose results stay in the record. Withdraw what should "
                "not be seen; the potential stays."
            )
        row.delete()


@dataclass(frozen=True)
class Submitted:
    submission: Submission
    #: False where this version was there already.
    is_new: bool
    #: Evaluations that were asked for by this, the smoke test among them.
    queued: tuple[Evaluation, ...] = ()


def submit(user: User, potential: Potential, **described: Any) -> Submission:  # noqa: ANN401
    """Submit as ``submit_or_find`` does; returns the submission alone."""
    return submit_or_find(user, potential, **described).submission


def submit_or_find(
    user: User,
    potential: Potential,
    *,
    upload: Upload | Artifact,
    **described: Any,  # noqa: ANN401  (see prepare_submission)
) -> Submitted:
    """Accept one immutable version of a potential and queue its evaluations.

    They are those of ``tasks``, else of ``benchmark``, else of the default benchmark. ``upload``
    is a file, or what came of an upload in parts. A version that is there gives the submission
    that is there, if nothing differs from what is asked, and is queued for what is named alone. A
    potential that is not registered yet (``new_potential``) is, both or neither. What can be
    refused without the file is refused before the file is stored. Raises what ``prepare``
    raises.
    """
    prepared = prepare_submission(user, potential, **with_content(described, upload))
    if isinstance(upload, Artifact):
        return _accept(prepared, upload)
    artifact = store_artifact(upload, expected_sha256=prepared.sha256)
    try:
        return _accept(prepared, artifact)
    except SubmissionError:
        remove_unused(artifact)  # else refused files would fill the disk, counted for nobody
        raise


def with_content(described: Mapping[str, Any], upload: Upload | Artifact) -> dict[str, Any]:
    """The description with what a JSON file of a few numbers says; other files stay unopened."""
    if "content" in described or not is_json_kind(described["calculator_kind"]):
        return dict(described)
    # One byte more than is taken, so that what is too large is told from what is not.
    return {**described, "content": beginning_of(upload, MOST_BYTES + 1)}


def prepare_submission(
    user: User,
    potential: Potential,
    *,
    benchmark: BenchmarkVersion | None = None,
    tasks: Sequence[TaskVersion] | None = None,
    **described: Any,  # noqa: ANN401  (see draft)
) -> Prepared:
    """Check all that goes without the file, as ``prepare`` does, for these tasks."""
    versions = _choose_tasks(benchmark, tasks)
    chosen_by = "" if benchmark is None else "benchmark"
    if tasks is not None:
        chosen_by = "tasks"
    return prepare(user, potential, versions, chosen_by=chosen_by, **described)


def publish(user: User, submission: Submission) -> Submission:
    """Show a private submission to everybody, and rank it. It cannot be made private again.

    Raises ConflictError where another potential was public under this slug first.
    """
    check_may_manage(user, submission.potential)
    with transaction.atomic():
        # In the order in which a submission is accepted: the trigger writes to the potential.
        Potential.objects.select_for_update().get(pk=submission.potential_id)
        submission = Submission.objects.select_for_update().get(pk=submission.pk)
        if submission.withdrawn_at is not None:
            raise ConflictError("It was withdrawn, and cannot be published any more.")
        if submission.visibility != Visibility.PUBLIC:
            submission.visibility = Visibility.PUBLIC
            submission.published_at = timezone.now()
            with slug_rights.made_public(submission.potential):
                submission.save(update_fields=["visibility", "published_at"])
            look_alikes.mark(submission.potential)
    return submission


def withdraw(user: User, submission: Submission) -> Submission:
    """Take a submission off the boards. Its ended evaluations stay in the record."""
    check_may_manage(user, submission.potential)
    with transaction.atomic():
        submission = Submission.objects.select_for_update().get(pk=submission.pk)
        if submission.withdrawn_at is None:
            submission.withdrawn_at = timezone.now()
            submission.save(update_fields=["withdrawn_at"])
            cancel_all_of(submission, by=user.username)
    return submission


def tasks_named(slugs: Sequence[str]) -> list[TaskVersion]:
    """The published versions of tasks. Raises SubmissionError that names those that are none."""
    published = TaskVersion.objects.filter(state=VersionState.PUBLISHED, task__slug__in=slugs)
    newest = {v.task.slug: v for v in published.select_related("task").order_by("number")}
    if unknown := sorted(set(slugs) - set(newest)):
        raise SubmissionError({"tasks": f"{', '.join(unknown)[:200]}: no such published task."})
    if not newest:
        raise SubmissionError({"tasks": "Name at least one task, or leave the field out."})
    return list(newest.values())


def default_benchmark() -> BenchmarkVersion | None:
    """The published version of the benchmark that is meant where none is named. Two queries."""
    slug = default_benchmark_slug()
    if slug is None:
        return None
    published = BenchmarkVersion.objects.filter(state=VersionState.PUBLISHED, benchmark__slug=slug)
    return published.select_related("benchmark").order_by("-number").first()


def default_benchmark_slug() -> str | None:
    """The one that the settings name, else the only one that is published. One query."""
    slugs = list(Benchmark.objects.all().published().values_list("slug", flat=True))
    if settings.DEFAULT_BENCHMARK in slugs:
        return str(settings.DEFAULT_BENCHMARK)
    return slugs[0] if len(slugs) == 1 else None


def _accept(prepared: Prepared, artifact: Artifact) -> Submitted:
    """Store the submission with its evaluations, and its potential if new: all or nothing."""
    submission = prepared.submission
    submission.artifact = artifact
    user, potential = submission.submitted_by, submission.potential
    with transaction.atomic():
        _hold(user, potential)
        same = known.same_or_refuse(submission, artifact.sha256, visibility=prepared.visibility)
        if same is None:
            # An upload that expires at this moment takes its file along, or finds it in use.
            if not Artifact.objects.select_for_update().filter(pk=artifact.pk):
                raise ConflictError({"upload": "It has expired. Upload the file again."})
            payer = quotas.payer_of(user, potential)
            room = quotas.room_for(user, payer, quotas.bytes_new_to(payer, artifact))
            is_public = submission.visibility == Visibility.PUBLIC
            slug = slug_rights.made_public(potential) if is_public else nullcontext()
            if submission.runtime_lock is not None:
                submission.runtime_lock = runtime_locks.keep(submission.runtime_lock)
            with slug, room:
                submission.save(force_insert=True)
            if is_public:
                look_alikes.mark(potential)
        chosen = same or submission
        queued = queue_evaluations(
            chosen, prepared.task_versions, parties=parties_of(user, potential)
        )
        refuse_left_out(prepared, same)
        quotas.charge(user, potential, queued)
    return Submitted(chosen, is_new=same is None, queued=tuple(queued))


def _hold(user: User, potential: Potential) -> None:
    """Register a new potential; else lock it, so that two equal requests wait for each other."""
    if potential.pk is None:
        _register(user, potential)
    elif not Potential.objects.select_for_update().filter(pk=potential.pk):
        raise ConflictError({"potential": f"{potential} was deleted in the meantime."})


def _choose_tasks(
    benchmark: BenchmarkVersion | None, tasks: Sequence[TaskVersion] | None
) -> list[TaskVersion]:
    if tasks is not None:
        drafts = [str(v) for v in tasks if v.state != VersionState.PUBLISHED]
        if drafts:
            raise SubmissionError({"tasks": f"{', '.join(drafts)}: not published."})
        return list(tasks)
    if benchmark is not None and benchmark.state != VersionState.PUBLISHED:
        raise SubmissionError({"benchmark": f"{benchmark} is not published."})
    chosen = benchmark or default_benchmark()
    if chosen is None:
        return []  # a young site: evaluate_everyone() queues it when a task is published
    published = TaskVersion.objects.filter(state=VersionState.PUBLISHED)
    return list(published.filter(benchmark_entries__benchmark_version=chosen))


def _reread(potential: Potential) -> None:
    """As it is by now, locked. Raises ConflictError where it is gone."""
    try:
        potential.refresh_from_db(from_queryset=Potential.objects.select_for_update())
    except Potential.DoesNotExist:
        text = f"{potential} was deleted in the meantime."
        raise ConflictError({"potential": text}) from None


def _handed_over(user: User, potential: Potential, team: Team | None) -> dict[str, object]:
    if team is not None:
        check_may_submit_for_team(user, team)
    elif potential.team is not None and not user.is_staff:
        return {"team": None, "owner": user}
    return {"team": team}


def _refuse_unknown(user: User, fields: Mapping[str, object], *, allowed: tuple[str, ...]) -> None:
    if user.is_staff:
        allowed += ("is_baseline",)
    unknown = {name: "cannot be set." for name in fields if name not in allowed}
    if unknown:
        raise SubmissionError(unknown)


def _check_fields(potential: Potential) -> None:
    try:
        potential.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        messages = {name: " ".join(complaints) for name, complaints in error.message_dict.items()}
        raise SubmissionError(messages) from error


def _register(user: User, potential: Potential) -> None:
    saved = slug_rights.saved(potential, is_new=True)
    with saved, quotas.one_more_potential(user, potential.team):
        potential.save(force_insert=True)
    look_alikes.mark(potential)
