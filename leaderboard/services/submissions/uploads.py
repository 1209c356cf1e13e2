"""Uploads in parts: announced, filled in any order, completed, or swept once they expire.

Each part is written to disk as it comes, hashed, synced and moved to its name before its row says
that it is there. Whatever breaks in between leaves the parts that arrived, and the client asks
which those are and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.lib import blobs
from leaderboard.models import Upload, UploadPart
from leaderboard.services.accounts import quotas
from leaderboard.services.submissions import artifacts


def announce_upload(user: User, *, filename: str, size_bytes: int, sha256: str) -> Upload:
    """Make room for a file of this size and hash. Raises SubmissionError, ConflictError."""
    errors: dict[str, str] = {}
    limit: int = settings.MAX_UPLOAD_BYTES
    if size_bytes < 1:
        errors["size_bytes"] = "The file is empty."
    elif size_bytes > limit:
        errors["size_bytes"] = f"At most {limit // 2**20} MiB are accepted."
    try:
        sha256 = artifacts.check_sha256(sha256)
    except SubmissionError as error:
        errors |= error.errors
    if errors:
        raise SubmissionError(errors)
    # The lock makes two requests at the same time count each other's upload.
    with transaction.atomic(), quotas.room_for(user, user, size_bytes):
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if Upload.objects.standing().filter(user=user).count() >= settings.MAX_OPEN_UPLOADS:
            raise ConflictError(
                f"You have {settings.MAX_OPEN_UPLOADS} uploads. Delete one that is not needed any "
                "more, or wait until one expires."
            )
        return Upload.objects.create(
            user=user,
            filename=artifacts.clean_filename(filename),
            size_bytes=size_bytes,
            sha256=sha256,
            expires_at=_expiry(),
        )


def store_part(
    upload: Upload, number: int, chunks: Iterable[bytes], *, expected_sha256: str
) -> UploadPart:
    """Store one part; the same again changes nothing, other bytes replace what was there.

    Raises SubmissionError when number, length or hash are wrong, ConflictError when the upload
    is complete or gone. Then nothing has changed.
    """
    expected = artifacts.check_sha256(expected_sha256)
    if not 1 <= number <= upload.n_parts:
        raise SubmissionError({"number": f"The upload has the parts 1 to {upload.n_parts}."})
    length = upload.length_of(number)
    _refuse_complete(upload)
    blob = _receive(chunks, number, length)
    try:
        _check_part(blob, number, length, expected)
        part = UploadPart(upload=upload, number=number, sha256=expected, size_bytes=length)
        with transaction.atomic():
            _refuse_complete(_locked(upload))
            _replace(part, blob)
            Upload.objects.filter(pk=upload.pk).update(expires_at=_expiry())
    finally:
        blob.discard()
    return part


def complete_upload(upload: Upload) -> Upload:
    """Join the parts, check the whole and store it under its hash; again, it changes nothing.

    Raises ConflictError that names missing parts, SubmissionError for a wrong hash: then the parts
    stay, and those that are wrong can be sent again.
    """
    with transaction.atomic():
        upload = _locked(upload)
        if upload.artifact_id is not None:
            return upload
        parts = list(upload.parts.order_by("number"))
        _check_none_is_missing(upload, parts)
        blob = blobs.write(_joined(parts))
        try:
            if blob.sha256 != upload.sha256:
                raise SubmissionError(
                    {
                        "sha256": f"The parts make a file with the SHA-256 {blob.sha256}, not "
                        f"{upload.sha256}. Send the parts that differ again, or begin anew."
                    }
                )
            upload.artifact = artifacts.keep(blob)
        finally:
            blob.discard()
        upload.completed_at = timezone.now()
        upload.expires_at = _expiry()
        upload.save(update_fields=["artifact", "completed_at", "expires_at"])
        _forget(parts)
    return upload


def delete_upload(upload: Upload) -> None:
    """Give its room back. A submission that was made of it keeps the file."""
    with transaction.atomic():
        upload = _locked(upload)
        _forget(list(upload.parts.all()))
        artifact = upload.artifact
        upload.delete()
    if artifact is not None:
        artifacts.remove_unused(artifact)


def sweep() -> int:
    """Delete uploads that have expired; return how many."""
    expired = Upload.objects.filter(expires_at__lte=timezone.now())
    n_deleted = 0
    for upload in expired.order_by("expires_at")[:100]:
        try:
            delete_upload(upload)
        except ConflictError:
            continue  # another reaper took it
        n_deleted += 1
    return n_deleted


def _expiry() -> datetime:
    return timezone.now() + timedelta(hours=settings.UPLOAD_EXPIRY_HOURS)


def _locked(upload: Upload) -> Upload:
    row = Upload.objects.select_for_update(of=("self",)).filter(pk=upload.pk).first()
    if row is None:
        raise ConflictError("The upload was deleted or has expired. Begin a new one.")
    return row


def _refuse_complete(upload: Upload) -> None:
    if upload.artifact_id is not None:
        raise ConflictError("The upload is complete and takes no more parts.")


def _receive(chunks: Iterable[bytes], number: int, length: int) -> blobs.Blob:
    try:
        return blobs.write(chunks, max_bytes=length, mode=0o400)
    except blobs.TooLargeError as error:
        raise _wrong_length(number, length, f"more than {length}") from error


def _check_part(blob: blobs.Blob, number: int, length: int, expected: str) -> None:
    if blob.size_bytes != length:
        raise _wrong_length(number, length, str(blob.size_bytes))
    if blob.sha256 != expected:
        raise SubmissionError(
            {
                "sha256": f"The received part has the SHA-256 {blob.sha256}, not {expected}. "
                "Send it again."
            }
        )


def _wrong_length(number: int, length: int, actual: str) -> SubmissionError:
    return SubmissionError({"body": f"Part {number} must have {length} bytes; {actual} came."})


def _replace(part: UploadPart, blob: blobs.Blob) -> None:
    """Keep the bytes, then the row; what was there before goes once that is certain."""
    old = UploadPart.objects.filter(upload_id=part.upload_id, number=part.number).first()
    if old is not None and old.sha256 == part.sha256:
        return
    blob.keep(part.storage_name)
    UploadPart.objects.update_or_create(
        upload_id=part.upload_id,
        number=part.number,
        defaults={"sha256": part.sha256, "size_bytes": part.size_bytes},
    )
    if old is not None:
        transaction.on_commit(lambda: blobs.remove(old.storage_name))


def _check_none_is_missing(upload: Upload, parts: list[UploadPart]) -> None:
    missing = sorted(set(range(1, upload.n_parts + 1)) - {part.number for part in parts})
    if missing:
        named = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        raise ConflictError({"parts": f"{len(missing)} of {upload.n_parts} are missing: {named}."})


def _joined(parts: list[UploadPart]) -> Iterator[bytes]:
    for part in parts:
        with blobs.open_stored(part.storage_name) as file:
            yield from blobs.chunks_of(file)


def _forget(parts: list[UploadPart]) -> None:
    """Delete the parts' rows now, their bytes once that is certain."""
    names = [part.storage_name for part in parts]
    UploadPart.objects.filter(pk__in=[part.pk for part in parts]).delete()
    transaction.on_commit(lambda: _remove(names))


def _remove(names: list[str]) -> None:
    for name in names:
        blobs.remove(name)
