"""Files to the service in parts, so that a broken connection costs one part and not the file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from evaluator.client.errors import ClientError
from evaluator.client.records import Upload
from evaluator.client.transport import Transport

#: Bytes sent and bytes in all.
Progress = Callable[[int, int], None]

_CHUNK_BYTES = 2**20


def sha256_of_file(path: Path) -> str:
    """Hexadecimal digits. Raises ClientError when the file cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def upload_in_parts(
    transport: Transport,
    path: Path,
    *,
    sha256: str,
    filename: str | None = None,
    progress: Progress | None = None,
) -> Upload:
    """Bring a file to the service; what an earlier, broken attempt has brought is not sent again.

    The service remembers which parts have arrived, so that nothing is kept here.
    """
    show = progress or (lambda done, total: None)
    size_bytes = path.stat().st_size
    upload = _begun_earlier(transport, sha256, size_bytes) or _announce(
        transport, filename or path.name, size_bytes, sha256
    )
    arrived = {part.number: part.size_bytes for part in upload.parts}
    done = size_bytes if upload.is_complete else sum(arrived.values())
    show(done, size_bytes)
    if upload.is_complete:
        return upload
    with path.open("rb") as file:
        for number in range(1, upload.n_parts + 1):
            if number in arrived:
                continue
            file.seek((number - 1) * upload.part_size_bytes)
            content = file.read(upload.part_size_bytes)
            _send(transport, upload, number, content)
            done += len(content)
            show(done, size_bytes)
    return Upload.from_json(transport.json("POST", f"/uploads/{upload.id}/complete/"))


def _begun_earlier(transport: Transport, sha256: str, size_bytes: int) -> Upload | None:
    for entry in transport.pages("/uploads/"):
        upload = Upload.from_json(entry)
        if (upload.sha256, upload.size_bytes) == (sha256, size_bytes):
            return upload
    return None


def _announce(transport: Transport, filename: str, size_bytes: int, sha256: str) -> Upload:
    content = {"filename": filename, "size_bytes": size_bytes, "sha256": sha256}
    return Upload.from_json(transport.json("POST", "/uploads/", json=content))


def _send(transport: Transport, upload: Upload, number: int, content: bytes) -> None:
    transport.call(
        "PUT",
        f"/uploads/{upload.id}/parts/{number}/",
        data=content,
        headers={
            "Content-Type": "application/octet-stream",
            "X-Part-SHA256": hashlib.sha256(content).hexdigest(),
        },
    )
