"""What of a submission is checked before its file is read: fields, what is there, what is left.

A draft is a submission without potential and file, whose own fields are right; it becomes a
prepared one, of which all has been checked that goes without the bytes. Nothing is changed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from evaluator.catalog import CALCULATOR_KINDS, CalculatorKind, ParameterError, check_parameters
from evaluator.catalog.elements import SYMBOLS
from evaluator.json_artifacts import fault_of
from leaderboard.enums import Visibility
from leaderboard.exceptions import AlreadyThereError, SubmissionError
from leaderboard.models import Potential, Submission, TaskVersion
from leaderboard.models.permissions import check_may_submit
from leaderboard.services.accounts import quotas
from leaderboard.services.evaluations.smoke import smoke_has_failed, smoke_version
from leaderboard.services.submissions import known, slug_rights
from leaderboard.services.submissions.artifacts import check_sha256, clean_filename
from leaderboard.services.submissions.runtime_locks import lock_of

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A submission of which all has been checked that goes without its file."""

    submission: Submission
    sha256: str
    task_versions: tuple[TaskVersion, ...]
    #: Which field named them; empty where the service chose.
    chosen_by: str
    #: None where nothing was said of it.
    visibility: str | None
    same: Submission | None

    @property
    def wanted(self) -> set[TaskVersion]:
        """The smoke test is one of them."""
        smoke = smoke_version() if self.task_versions else None
        return {*self.task_versions, *([] if smoke is None else [smoke])}

    def missing(self, existing: Submission | None) -> set[TaskVersion]:
        """Of what is wanted, what the submission that is there has no evaluation of."""
        wanted = self.wanted
        if existing is None:
            return wanted
        there = existing.evaluations.filter(is_current=True, task_version__in=wanted)
        numbers = set(there.values_list("task_version_id", flat=True))
        return {version for version in wanted if version.pk not in numbers}


def prepare(
    user: User,
    potential: Potential,
    task_versions: Sequence[TaskVersion],
    *,
    chosen_by: str,
    visibility: str | None = None,
    **described: Any,  # noqa: ANN401  (see draft)
) -> Prepared:
    """Check all that goes without the file.

    Raises SubmissionError with every bad field, ConflictError for what is there already and
    differs, QuotaExceeded, PermissionDenied for a stranger.
    """
    if potential.pk is not None:
        check_may_submit(user, potential)
    submission = draft(user, visibility=visibility, **described)
    submission.potential = potential
    sha256 = check_sha256(described["sha256"])
    same = known.same_or_refuse(submission, sha256, visibility=visibility)
    # What is there already gets what is named and nothing that nobody asked for.
    wanted = task_versions if same is None or chosen_by else ()
    prepared = Prepared(
        submission=submission,
        sha256=sha256,
        task_versions=tuple(wanted),
        chosen_by=chosen_by,
        visibility=visibility,
        same=same,
    )
    if same is None and submission.visibility == Visibility.PUBLIC:
        slug_rights.refuse_public(potential)
    refuse_left_out(prepared, same)
    # Counted again, under a lock, once the file is there.
    if potential.pk is None:
        quotas.check_potentials(user, potential.team)
    quotas.check(user, potential, len(prepared.missing(prepared.same)))
    quotas.check_room(user, quotas.payer_of(user, potential))
    return prepared


def refuse_left_out(prepared: Prepared, there: Submission | None) -> None:
    """Tasks that are named are queued or refused: none is left out in silence.

    What is there already is queued for nothing more once its smoke evaluation has failed.
    """
    if there is None or not prepared.chosen_by or not smoke_has_failed(there):
        return
    if missing := prepared.missing(there):
        slugs = ", ".join(sorted(version.task.slug for version in missing))
        raise AlreadyThereError(
            {
                prepared.chosen_by: f"{slugs}: not queued, since the smoke evaluation of {there} "
                "did not succeed. Submit a mended file as a new version."
            },
            there.pk,
        )


def draft(
    user: User,
    *,
    version: str,
    filename: str,
    sha256: str,
    calculator_kind: str,
    settings: Mapping[str, object] | None = None,
    supported_elements: Sequence[str] | None = None,
    declares_non_conservative: bool = False,
    visibility: str | None = None,
    content: bytes | None = None,
    lock: str = "",
) -> Submission:
    """A version without its potential and file. Raises SubmissionError with every bad field.

    ``content`` is the file's where it is a JSON file of a few numbers and at hand: what it says is
    known without any code of the submitter. ``lock`` is the text of the lock that it brings.
    """
    visibility = Visibility.PUBLIC if visibility is None else visibility
    submission = Submission(
        version=version.strip(),
        artifact_filename=clean_filename(filename),
        calculator_kind=calculator_kind,
        declares_non_conservative=declares_non_conservative,
        visibility=visibility,
        submitted_by=user,
        published_at=timezone.now() if visibility == Visibility.PUBLIC else None,
    )
    errors = _errors_of(submission, settings or {}, supported_elements, sha256)
    try:
        submission.runtime_lock = lock_of(calculator_kind, lock)
    except SubmissionError as error:
        errors = {**error.errors, **errors}
    if content and (fault := fault_of(calculator_kind, content, SYMBOLS)):
        errors.setdefault("artifact", f"{submission.artifact_filename}: {fault}.")
    if errors:
        raise SubmissionError(errors)
    return submission


def _errors_of(
    submission: Submission,
    settings: Mapping[str, object],
    supported_elements: Sequence[str] | None,
    sha256: str,
) -> dict[str, str]:
    """Fill in what was checked; a sentence for every bad field."""
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
    return errors


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
