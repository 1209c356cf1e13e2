"""Potentials and submissions: who may submit what, and what happens when it is accepted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from evaluator.catalog import CALCULATOR_KINDS, CalculatorKind, ParameterError, check_parameters
from evaluator.catalog.elements import SYMBOLS
from leaderboard.enums import VersionState, Visibility
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.models import (
    Artifact,
    Benchmark,
    BenchmarkVersion,
    Potential,
    Submission,
    TaskVersion,
    Team,
)
from leaderboard.models.permissions import (
    check_may_manage,
    check_may_submit,
    check_may_submit_for_team,
)
from leaderboard.services.accounts import quotas
from leaderboard.services.accounts.parties import parties_of
from leaderboard.services.evaluations.lifecycle import cancel_all_of, queue_evaluations
from leaderboard.services.evaluations.smoke import smoke_version
from leaderboard.services.submissions import look_alikes
from leaderboard.services.submissions.artifacts import (
    Upload,
    check_sha256,
    clean_filename,
    remove_unused,
    store_artifact,
)

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
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")


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
    if team is not None:
        check_may_submit_for_team(user, team)
    _refuse_unknown(user, fields, allowed=(*POTENTIAL_FIELDS, "slug"))
    potential = Potential(owner=user, team=team, **fields)
    _check_fields(potential)
    with _slug_of_its_own(potential, is_new=True), quotas.one_more_potential(user, team):
        potential.save(force_insert=True)
    look_alikes.mark(potential)
    return potential


def update_potential(user: User, potential: Potential, **fields: Any) -> Potential:  # noqa: ANN401
    """Change what is said of a potential; its slug only until a version of it was public.

    ``team`` hands it to a team in which one may submit, or (None) to oneself.
    """
    check_may_manage(user, potential)
    _refuse_unknown(user, fields, allowed=(*POTENTIAL_FIELDS, "slug", "team"))
    if "team" in fields:
        fields |= _handed_over(user, potential, fields["team"])
    before = (potential.owner_id, potential.team_id)
    is_new_slug = fields.get("slug", potential.slug) != potential.slug
    if is_new_slug and potential.holds_slug:
        raise SubmissionError({"slug": "It stands in public addresses, and never changes."})
    for name, value in fields.items():
        setattr(potential, name, value)
    _check_fields(potential)
    is_new_holder = before != (potential.owner_id, potential.team_id)
    holder = quotas.one_more_potential(user, potential.team) if is_new_holder else nullcontext()
    with _slug_of_its_own(potential, is_new=is_new_slug), holder:
        potential.save(update_fields=[*fields])
    if "slug" in fields:
        potential.refresh_from_db(fields=["address"])
    if {"name", "slug", "team"} & set(fields):
        look_alikes.mark(potential)
    return potential


@dataclass(frozen=True)
class Submitted:
    submission: Submission
    #: False where the same artifact with the same settings was there already.
    is_new: bool


def submit(user: User, potential: Potential, **described: Any) -> Submission:  # noqa: ANN401
    """Submit as ``submit_or_find`` does; returns the submission alone."""
    return submit_or_find(user, potential, **described).submission


def submit_or_find(
    user: User,
    potential: Potential,
    *,
    version: str,
    upload: Upload | Artifact,
    filename: str,
    sha256: str,
    calculator_kind: str,
    settings: Mapping[str, object] | None = None,
    supported_elements: Sequence[str] | None = None,
    declares_non_conservative: bool = False,
    visibility: str = Visibility.PUBLIC,
    benchmark: BenchmarkVersion | None = None,
    tasks: Sequence[TaskVersion] | None = None,
) -> Submitted:
    """Accept one immutable version of a potential and queue its evaluations.

    They are those of ``tasks``, else of ``benchmark``, else of the default benchmark. ``upload``
    is a file, or what came of an upload in parts. The same artifact with the same settings gives
    the submission that is there, with whatever tasks it lacks queued. What can be refused without
    the file is refused before the file is read. Raises SubmissionError with every bad field,
    ConflictError for what exists already, PermissionDenied for a stranger.
    """
    check_may_submit(user, potential)
    submission = Submission(
        potential=potential,
        version=version.strip(),
        artifact_filename=clean_filename(filename),
        calculator_kind=calculator_kind,
        declares_non_conservative=declares_non_conservative,
        visibility=visibility,
        submitted_by=user,
        published_at=timezone.now() if visibility == Visibility.PUBLIC else None,
    )
    _describe(submission, settings or {}, supported_elements, sha256)
    task_versions = _choose_tasks(benchmark, tasks)
    same = _find_same(submission, check_sha256(sha256))
    if same is None:
        _refuse_version_twice(submission)
        if submission.visibility == Visibility.PUBLIC:
            _refuse_public_under_anothers_slug(potential)
    # Before the file is read; counted again, under a lock, once it is there.
    quotas.check(user, potential, _n_missing(same, task_versions))
    quotas.check_room(user, quotas.payer_of(user, potential))
    if isinstance(upload, Artifact):
        return _accept(submission, upload, task_versions)
    artifact = store_artifact(upload, expected_sha256=sha256)
    try:
        return _accept(submission, artifact, task_versions)
    except SubmissionError:
        remove_unused(artifact)  # else refused files would fill the disk, counted for nobody
        raise


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
            with _public_slug(submission.potential):
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
    """The published version of the one that the settings name, or of the only one there is."""
    published = Benchmark.objects.all().published()
    benchmark = published.filter(slug=settings.DEFAULT_BENCHMARK).first()
    if benchmark is None and published.count() == 1:
        benchmark = published.get()
    return benchmark.current_version() if benchmark else None


def _accept(
    submission: Submission, artifact: Artifact, task_versions: Sequence[TaskVersion]
) -> Submitted:
    """Store the submission with its evaluations, both or neither."""
    submission.artifact = artifact
    user = submission.submitted_by
    with transaction.atomic():
        # The lock makes two equal requests at the same time wait for each other here.
        Potential.objects.select_for_update().get(pk=submission.potential_id)
        same = _find_same(submission, artifact.sha256)
        if same is None:
            _refuse_version_twice(submission)
            _refuse_same_bytes_twice(submission)
            # An upload that expires at this moment takes its file along, or finds it in use.
            if not Artifact.objects.select_for_update().filter(pk=artifact.pk):
                raise ConflictError({"upload": "It has expired. Upload the file again."})
            payer = quotas.payer_of(user, submission.potential)
            room = quotas.room_for(user, payer, quotas.bytes_new_to(payer, artifact))
            with _public_slug(submission.potential), room:
                submission.save(force_insert=True)
            if submission.visibility == Visibility.PUBLIC:
                look_alikes.mark(submission.potential)
        chosen = same or submission
        queued = queue_evaluations(
            chosen, task_versions, parties=parties_of(user, chosen.potential)
        )
        quotas.charge(user, chosen.potential, queued)
    return Submitted(chosen, is_new=same is None)


def _find_same(submission: Submission, sha256: str) -> Submission | None:
    """What stands already and would be evaluated alike in every respect."""
    return Submission.objects.filter(
        potential=submission.potential,
        artifact__sha256=sha256,
        calculator_kind=submission.calculator_kind,
        settings=submission.settings,
        supported_elements=submission.supported_elements,
        declares_non_conservative=submission.declares_non_conservative,
        withdrawn_at__isnull=True,
    ).first()


def _n_missing(existing: Submission | None, task_versions: Sequence[TaskVersion]) -> int:
    """The smoke test counts with the others."""
    smoke = smoke_version() if task_versions else None
    wanted = {*task_versions, smoke} - {None}
    if existing is None:
        return len(wanted)
    return (
        len(wanted) - existing.evaluations.filter(is_current=True, task_version__in=wanted).count()
    )


def _describe(
    submission: Submission,
    settings: Mapping[str, object],
    supported_elements: Sequence[str] | None,
    sha256: str,
) -> None:
    """Fill in what was checked; raise one SubmissionError that names every bad field."""
    errors: dict[str, str] = {}
    if not _VERSION.fullmatch(submission.version):
        errors["version"] = (
            "Give 1 to 64 letters, digits, dots, hyphens, underscores or plus signs, "
            "beginning with a letter or digit."
        )
    if submission.visibility not in Visibility.values:
        errors["visibility"] = f"must be one of {', '.join(Visibility.values)}."
    kind = CALCULATOR_KINDS.get(submission.calculator_kind)
    if kind is None:
        errors["calculator_kind"] = (
            f"{submission.calculator_kind!r} is unknown; known are {', '.join(CALCULATOR_KINDS)}."
        )
    else:
        errors |= _check_kind(submission, kind, settings)
    try:
        submission.supported_elements = _check_elements(supported_elements)
        check_sha256(sha256)
    except SubmissionError as error:
        errors |= error.errors
    if errors:
        raise SubmissionError(errors)


def _check_kind(
    submission: Submission, kind: CalculatorKind, settings: Mapping[str, object]
) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not submission.artifact_filename.lower().endswith(kind.suffixes):
        errors["artifact"] = (
            f"{submission.artifact_filename} must end in {' or '.join(kind.suffixes)}: "
            f"{kind.label} takes {kind.artifact}."
        )
    try:
        submission.settings = check_parameters(kind.settings, settings)
    except ParameterError as error:
        errors |= {f"settings.{name}": text for name, text in error.errors.items()}
    return errors


def _check_elements(symbols: Sequence[str] | None) -> list[str] | None:
    if symbols is None:
        return None
    unknown = sorted({str(s) for s in symbols} - set(SYMBOLS))
    if unknown:
        sentence = f"{', '.join(unknown)}: no such chemical symbol. Write Si, not si or silicon."
        raise SubmissionError({"supported_elements": sentence})
    if not symbols:
        sentence = "Name at least one element, or leave the field out to let the checkpoint tell."
        raise SubmissionError({"supported_elements": sentence})
    return sorted(set(symbols), key=SYMBOLS.index)


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


def _refuse_version_twice(submission: Submission) -> None:
    existing = Submission.objects.filter(
        potential=submission.potential, version=submission.version
    ).first()
    if existing is not None:
        raise ConflictError(
            {
                "version": f"Version {submission.version} of {submission.potential} is there "
                f"already, as submission {existing.pk}. A submission never changes: give the "
                "new one another version."
            }
        )


def _refuse_same_bytes_twice(submission: Submission) -> None:
    existing = Submission.objects.filter(
        potential=submission.potential,
        artifact=submission.artifact,
        calculator_kind=submission.calculator_kind,
        settings=submission.settings,
        withdrawn_at__isnull=True,
    ).first()
    if existing is not None:
        raise ConflictError(
            {
                "artifact": f"The same file with the same settings is there already, as version "
                f"{existing.version}, submission {existing.pk}. Its scores would be the same."
            }
        )


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


@contextmanager
def _slug_of_its_own(potential: Potential, *, is_new: bool) -> Iterator[None]:
    """Around a save under a slug that ``is_new``, or as before. Raises ConflictError.

    The reason is asked for before; of a race the constraints tell.
    """
    same_slug = Potential.objects.filter(slug=potential.slug).exclude(pk=potential.pk)
    if is_new and same_slug.filter(holds_slug=True).exists():
        raise ConflictError(
            {"slug": f"A potential named {potential.slug} is there already. Choose another slug."}
        )
    again = ConflictError(
        {"slug": f"{_holder(potential)} has a potential {potential.slug} already."}
    )
    if same_slug.filter(_held_as(potential)).exists():
        raise again
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "_per_slug" not in str(error):
            raise
        raise again from error


@contextmanager
def _public_slug(potential: Potential) -> Iterator[None]:
    """Around what makes a version public: a trigger then gives the slug to its potential."""
    _refuse_public_under_anothers_slug(potential)
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "address" not in str(error):
            raise
        raise _slug_is_anothers(potential) from error


def _refuse_public_under_anothers_slug(potential: Potential) -> None:
    holder = Potential.objects.filter(slug=potential.slug, holds_slug=True)
    if holder.exclude(pk=potential.pk).exists():
        raise _slug_is_anothers(potential)


def _slug_is_anothers(potential: Potential) -> ConflictError:
    return ConflictError(
        {
            "potential": f"Another potential was public as {potential.slug} before this one. Give "
            f'yours another slug, with "Edit the card" on its page or a PATCH of "slug" at '
            f"/api/v1/potentials/{potential.address}/, and repeat this."
        }
    )


def _held_as(potential: Potential) -> Q:
    if potential.team_id:
        return Q(team=potential.team_id)
    return Q(owner=potential.owner_id, team__isnull=True)


def _holder(potential: Potential) -> str:
    return f"The team {potential.team.slug}" if potential.team else potential.owner.username
