"""Output files of evaluations: bytes first, under their hash; rows with the report.

A worker that dies between the two leaves bytes that no row names. They harm nobody, and are swept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import IO, Any

from django.db import connection
from django.db.transaction import atomic
from django.utils import timezone

from evaluator.contract import FileRecord
from leaderboard.exceptions import InfrastructureError
from leaderboard.lib import blobs
from leaderboard.lib.json_values import clean_text
from leaderboard.models import Evaluation, EvaluationFile
from leaderboard.models.output import storage_name

#: Of the advisory lock between those who bind files and who sweeps what is bound by nobody.
_LOCK = 0x746F7563
_SWEPT_AFTER = timedelta(hours=24)


def write(record: FileRecord, content: bytes) -> None:
    """Keep the bytes; they belong to nobody before ``bind``. Raises InfrastructureError."""
    blob = blobs.write([content], mode=0o400)
    try:
        if blob.sha256 != record.sha256:
            raise InfrastructureError(f"{record.name} has another hash than its record.")
        blob.keep(storage_name(blob.sha256))
    finally:
        blob.discard()


def bind(evaluation: Evaluation, records: Sequence[FileRecord]) -> None:
    """Make the rows, in the caller's transaction. Raises InfrastructureError for missing bytes."""
    if not records:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [_LOCK])
    for sha256 in {record.sha256 for record in records if not record.left_out}:
        if not blobs.exists(storage_name(sha256)):
            raise InfrastructureError(f"{storage_name(sha256)} is missing from the storage.")
    EvaluationFile.objects.bulk_create(
        (
            EvaluationFile(
                evaluation=evaluation,
                position=position,
                system_id=clean_text(record.system_id),
                name=record.name,
                sha256=record.sha256,
                size_bytes=record.size_bytes,
                media_type=record.media_type,
                left_out=record.left_out,
            )
            for position, record in enumerate(records)
        ),
        batch_size=1000,
    )


def open_file(file: EvaluationFile) -> IO[Any]:
    """Its bytes, to be closed by the caller. Raises InfrastructureError where they are lost."""
    return blobs.open_stored(file.storage_name)


def sweep() -> int:
    """Delete old bytes that no row names; return how many files. Walks all of them: seldom."""
    n_swept = 0
    for folder in blobs.names_below("outputs"):
        old = [
            sha256
            for sha256 in blobs.names_below(f"outputs/{folder}")
            if _is_old(storage_name(sha256))
        ]
        bound = set(EvaluationFile.objects.filter(sha256__in=old).values_list("sha256", flat=True))
        n_swept += sum(_remove_unbound(sha256) for sha256 in old if sha256 not in bound)
    return n_swept


def _remove_unbound(sha256: str) -> bool:
    """Look again with the lock, since somebody may have bound or written them meanwhile."""
    name = storage_name(sha256)
    with atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if EvaluationFile.objects.filter(sha256=sha256).exists() or not _is_old(name):
            return False
        # Who writes the same bytes in this very moment misses them in ``bind``, and tries again.
        blobs.remove(name)
        return True


def _is_old(name: str) -> bool:
    modified_at = blobs.modified_at(name)
    return modified_at is not None and modified_at < timezone.now() - _SWEPT_AFTER
