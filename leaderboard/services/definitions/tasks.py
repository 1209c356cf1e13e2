"""Reference sets, task versions and benchmark versions: stored, checked, published, evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from evaluator.catalog import PROTOCOLS, check_parameters
from leaderboard.enums import VersionState
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.lib import blobs
from leaderboard.models import BenchmarkVersion, Evaluation, ReferenceSet, Submission, TaskVersion
from leaderboard.models.evaluation import STAFF_PARTY
from leaderboard.services.definitions.benchmark_checks import check_benchmark_version
from leaderboard.services.definitions.task_checks import check_task_version
from leaderboard.services.evaluations.lifecycle import STAFF_PRIORITY, queue_evaluations
from leaderboard.services.submissions.artifacts import Upload

__all__ = [
    "ReferenceDescription",
    "check_reference_description",
    "check_task_version",
    "evaluate_everyone",
    "held_reference",
    "publish_benchmark_version",
    "publish_task_version",
    "reference_path",
    "retire_version",
    "store_reference_set",
]

_CHUNK_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class ReferenceDescription:
    """What is said of a reference set; the fields of the model of the same names."""

    slug: str
    version: str
    title: str
    n_systems: int
    elements: Sequence[str]
    properties: Sequence[str]
    level_of_theory: str
    licence: str
    citation: str
    url: str = ""
    is_public: bool = True


def store_reference_set(
    source: Path | Upload,
    description: ReferenceDescription,
    expected_sha256: str | None = None,
    summary: Mapping[str, Any] | None = None,
) -> ReferenceSet:
    """Store the canonical extended XYZ file and its description; the same again changes nothing.

    ``summary`` is what its check found. Raises SubmissionError for wrong bytes or a bad
    description, ConflictError when other bytes stand under this slug and version already: new data
    is a new version.
    """
    # Hidden reference values are nobody else's to read on this machine.
    blob = blobs.write(_chunks(source), mode=0o400)
    try:
        if blob.size_bytes == 0:
            raise SubmissionError({"file": "The file is empty."})
        if expected_sha256 not in (None, blob.sha256):
            sentence = f"The file has the SHA-256 {blob.sha256}, not {expected_sha256}."
            raise SubmissionError({"sha256": sentence})
        row = ReferenceSet(
            sha256=blob.sha256,
            size_bytes=blob.size_bytes,
            summary=dict(summary or {}),
            **_fields(description),
        )
        _check_description(row)
        blob.keep(row.storage_name)
    finally:
        blob.discard()
    return _get_or_create(row)


def check_reference_description(
    description: ReferenceDescription, summary: Mapping[str, Any]
) -> None:
    """Say now what ``store_reference_set`` would complain of: bad fields, a version with other
    bytes. ``found`` tells the canonical file's sha256 and size_bytes. Stores nothing.
    """
    row = ReferenceSet(
        sha256=summary["sha256"], size_bytes=summary["size_bytes"], **_fields(description)
    )
    _check_description(row)
    stored = ReferenceSet.objects.filter(slug=row.slug, version=row.version).first()
    if stored is not None:
        _check_same_bytes(stored, row)


def reference_path(reference: ReferenceSet) -> Path:
    """Where the bytes are, for the evaluator. Raises InfrastructureError where they are lost."""
    return blobs.existing_path_of(reference.storage_name)


def held_reference(reference: ReferenceSet) -> AbstractContextManager[Path]:
    """Where the bytes are, and stay for as long as they are evaluated on."""
    return blobs.held(reference.storage_name)


def publish_task_version(version: TaskVersion) -> TaskVersion:
    """Freeze a draft, with all parameters filled in. Raises SubmissionError by field."""
    with transaction.atomic():
        version = TaskVersion.objects.select_for_update().get(pk=version.pk)
        _check_is_draft(version.state, str(version))
        errors = check_task_version(version)
        if errors:
            raise SubmissionError(errors)
        version.parameters = check_parameters(
            PROTOCOLS[version.protocol].parameters, version.parameters
        )
        # Stored complete, so that a later default cannot change what a number meant.
        version.metrics = [metric.to_json() for metric in version.scored_metrics()]
        version.limits = version.spec().limits.to_json()
        version.state = VersionState.PUBLISHED
        version.published_at = timezone.now()
        version.save()
    return version


def retire_version(version: TaskVersion | BenchmarkVersion) -> None:
    """Shown as before, but no longer current. Raises ConflictError unless it is published."""
    model = type(version)
    retired = model._default_manager.filter(pk=version.pk, state=VersionState.PUBLISHED).update(
        state=VersionState.RETIRED
    )
    if not retired:
        raise ConflictError("Only a published version can be retired.")
    version.refresh_from_db(fields=["state"])


def publish_benchmark_version(version: BenchmarkVersion) -> BenchmarkVersion:
    """Freeze a draft collection of published task versions. Raises SubmissionError."""
    with transaction.atomic():
        version = BenchmarkVersion.objects.select_for_update().get(pk=version.pk)
        _check_is_draft(version.state, str(version))
        if errors := check_benchmark_version(version):
            raise SubmissionError(errors)
        version.state = VersionState.PUBLISHED
        version.published_at = timezone.now()
        version.save()
    return version


def evaluate_everyone(version: TaskVersion) -> list[Evaluation]:
    """Queue every submission that was not withdrawn and lacks an evaluation; returns the new.

    They come out of the staff's share, behind what somebody waits for.
    """
    if version.state != VersionState.PUBLISHED:
        raise ConflictError(f"{version} is not published, so nothing is evaluated on it.")
    return [
        evaluation
        for submission in Submission.objects.filter(withdrawn_at__isnull=True)
        for evaluation in queue_evaluations(submission, [version], STAFF_PRIORITY, [STAFF_PARTY])
    ]


def _chunks(source: Path | Upload) -> Iterator[bytes]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield from iter(lambda: file.read(_CHUNK_BYTES), b"")
    else:
        while chunk := source.read(_CHUNK_BYTES):
            yield chunk


def _fields(description: ReferenceDescription) -> dict[str, object]:
    fields = asdict(description)
    return fields | {name: list(fields[name]) for name in ("elements", "properties")}


def _check_description(row: ReferenceSet) -> None:
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        messages = {name: " ".join(complaints) for name, complaints in error.message_dict.items()}
        raise SubmissionError(messages) from error


def _get_or_create(row: ReferenceSet) -> ReferenceSet:
    fields = {f.name: getattr(row, f.name) for f in row._meta.concrete_fields if f.name != "id"}
    stored, _ = ReferenceSet.objects.get_or_create(
        slug=row.slug, version=row.version, defaults=fields
    )
    _check_same_bytes(stored, row)
    return stored


def _check_same_bytes(stored: ReferenceSet, row: ReferenceSet) -> None:
    if stored.sha256 != row.sha256:
        raise ConflictError(
            {
                "version": f"{stored} has other bytes already (SHA-256 {stored.sha256}). "
                "Give the new data a new version. Should it be the same data, it is read "
                "otherwise here: look at the names and units of energy, forces and stress."
            }
        )


def _check_is_draft(state: str, name: str) -> None:
    if state != VersionState.DRAFT:
        raise ConflictError(f"{name} is {state} already and never changes.")
