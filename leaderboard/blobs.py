"""Files that are named by the sha256 of their bytes: artifacts and reference sets.

Nothing here opens or parses what it stores. A blob appears under its name complete or not at all,
and the same bytes are stored once, however many upload them at the same time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.core.files.storage import default_storage

from leaderboard.exceptions import InfrastructureError

_TEMPORARY = "temporary"
_ABANDONED_AFTER_S = 24 * 3600


class TooLargeError(Exception):
    """More bytes came than are allowed."""


@dataclass(frozen=True)
class Blob:
    """Bytes that lie in a temporary file, hashed, before somebody decides to keep them."""

    sha256: str
    size_bytes: int
    temporary: Path

    def keep(self, name: str) -> None:
        """Move it to its name within the storage. A blob that is there already stays."""
        target = path_of(name)
        _make_folder(target.parent)
        # rename() is atomic, and whoever comes second replaces the file by the same bytes.
        self.temporary.replace(target)
        _sync_folder(target.parent)

    def discard(self) -> None:
        self.temporary.unlink(missing_ok=True)


def path_of(name: str) -> Path:
    """Where the storage keeps what has this name."""
    return Path(default_storage.path(name))


def existing_path_of(name: str) -> Path:
    """The same, but raises InfrastructureError where no file is."""
    path = path_of(name)
    if not path.is_file():
        raise InfrastructureError(f"{name} is missing from the storage.")
    return path


def write(chunks: Iterable[bytes], *, max_bytes: int | None = None, mode: int = 0o444) -> Blob:
    """Write and hash at once; raises TooLargeError as soon as ``max_bytes`` are passed."""
    folder = path_of(_TEMPORARY)
    _make_folder(folder)
    descriptor, name = tempfile.mkstemp(dir=folder)
    temporary, digest, size = Path(name), hashlib.sha256(), 0
    try:
        with os.fdopen(descriptor, "wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if max_bytes is not None and size > max_bytes:
                    raise TooLargeError(f"more than {max_bytes} bytes")
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Blob(digest.hexdigest(), size, temporary)


def remove_abandoned() -> int:
    """Delete temporary files that a killed process left behind; return how many."""
    n_removed, oldest = 0, time.time() - _ABANDONED_AFTER_S
    for file in path_of(_TEMPORARY).glob("*"):
        with suppress(FileNotFoundError):  # its owner may have renamed it meanwhile
            if file.stat().st_mtime < oldest:
                file.unlink()
                n_removed += 1
    return n_removed


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    # Without it a crash of the machine may forget the name although the bytes are on disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
