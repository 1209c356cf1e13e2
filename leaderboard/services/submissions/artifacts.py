"""Uploaded files: received, hashed, stored under their sha256. Never parsed here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from django.conf import settings
from django.core.files.base import File
from django.db import connection, transaction

from leaderboard.exceptions import SubmissionError
from leaderboard.lib import blobs
from leaderboard.models import Artifact

Upload: TypeAlias = "File[Any] | BinaryIO"

_CHUNK_BYTES = 2**20
_MAX_NAME = 200
_SHA256 = re.compile(r"[0-9a-f]{64}")


def store_artifact(file: Upload, *, expected_sha256: str) -> Artifact:
    """Store an upload unless the same bytes are there already; return its row.

    Safe where several upload the same bytes at once: the file's name is its hash, renaming is
    atomic, and the row's uniqueness is the database's to decide. Raises SubmissionError.
    """
    expected = check_sha256(expected_sha256)
    blob = _receive(file)
    try:
        _check(blob, expected)
        return keep(blob)
    finally:
        blob.discard()


def keep(blob: blobs.Blob) -> Artifact:
    """Store checked bytes under their hash; return their row."""
    artifact = Artifact(sha256=blob.sha256, size_bytes=blob.size_bytes)
    with transaction.atomic():
        _lock(artifact)
        # The file comes first: a row without its file must not exist.
        blob.keep(artifact.storage_name)
        return Artifact.objects.get_or_create(
            sha256=artifact.sha256, defaults={"size_bytes": artifact.size_bytes}
        )[0]


def beginning_of(file: Upload | Artifact, n_bytes: int) -> bytes:
    """The first bytes of a file that has come, in a request or in parts; it stays unread."""
    if isinstance(file, Artifact):
        with blobs.open_stored(file.storage_name) as stored:
            return bytes(stored.read(n_bytes))
    content = bytes(file.read(n_bytes))
    file.seek(0)
    return content


def remove_unused(artifact: Artifact) -> bool:
    """Delete row and file unless a submission or an upload holds them; return whether it did."""
    with transaction.atomic():
        _lock(artifact)
        # Who is making a submission of it has locked the row, and has not committed yet.
        row = Artifact.objects.select_for_update(skip_locked=True).filter(pk=artifact.pk).first()
        if row is None or row.submissions.exists() or row.uploads.exists():
            return False
        row.delete()
        # Before the commit, which lets go of the lock: who stores the same bytes waits for it.
        blobs.remove(artifact.storage_name)
    return True


def _lock(artifact: Artifact) -> None:
    """Until the end of the transaction nobody else stores or removes these bytes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(artifact.sha256[:15], 16)])


def artifact_path(artifact: Artifact) -> Path:
    """Where the bytes are, for the evaluator. Raises InfrastructureError where they are lost."""
    return blobs.existing_path_of(artifact.storage_name)


def held_artifact(artifact: Artifact) -> AbstractContextManager[Path]:
    """Where the bytes are, and stay for as long as they are evaluated."""
    return blobs.held(artifact.storage_name)


def check_sha256(value: str) -> str:
    """Return the hash in small letters; raises SubmissionError for what is none."""
    value = value.strip().lower()
    if not _SHA256.fullmatch(value):
        raise SubmissionError(
            {"sha256": "Give the file's SHA-256 as 64 hexadecimal digits, as sha256sum prints it."}
        )
    return value


def clean_filename(name: str) -> str:
    """A harmless name that keeps its suffix: no folders, control or invisible characters.

    >>> clean_filename("../../etc/my model.pt")
    'my_model.pt'
    """
    name = unicodedata.normalize("NFKC", name).replace("\\", "/").rsplit("/", 1)[-1]
    # Categories C* hold control characters and the marks that turn the writing direction.
    visible = "".join(c for c in name if not unicodedata.category(c).startswith("C"))
    safe = re.sub(r"[^A-Za-z0-9._+-]+", "_", visible).lstrip(".-")
    # The end is what tells the format.
    return safe[-_MAX_NAME:].lstrip(".-") or "artifact"


def _receive(file: Upload) -> blobs.Blob:
    limit: int = settings.MAX_ARTIFACT_BYTES
    try:
        return blobs.write(_chunks(file), max_bytes=limit)
    except blobs.TooLargeError as error:
        raise SubmissionError(
            {"artifact": f"The file is too large: at most {limit // 2**20} MiB are accepted."}
        ) from error


def _chunks(file: Upload) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


def _check(blob: blobs.Blob, expected_sha256: str) -> None:
    if blob.size_bytes == 0:
        raise SubmissionError({"artifact": "The file is empty."})
    if blob.sha256 != expected_sha256:
        raise SubmissionError(
            {
                "sha256": f"The received file has the SHA-256 {blob.sha256}, not "
                f"{expected_sha256}: it was damaged on the way, or another file was meant."
            }
        )
