"""Files that are named by the sha256 of their bytes: artifacts and reference sets.

Nothing here opens or parses what it stores. A blob appears under its name complete or not at all,
and the same bytes are stored once, however many upload them at the same time. In Django's storage
on a file system a blob is moved into place; in another one (S3) it is handed over, and fetched into
a local cache of bounded size for those who need a path (``blob_cache``).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, default_storage

from leaderboard.exceptions import InfrastructureError
from leaderboard.lib import blob_cache

_TEMPORARY = "temporary"
_ABANDONED_AFTER_S = 24 * 3600
_CHUNK_BYTES = 2**20
#: How often a copy is fetched that others remove between its arrival and its use.
_N_FETCHES = 3


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
        if not _is_local():
            self._hand_over(name)
            return
        target = path_of(name)
        _make_folder(target.parent)
        # rename() is atomic, and whoever comes second replaces the file by the same bytes.
        self.temporary.replace(target)
        _sync_folder(target.parent)

    def discard(self) -> None:
        self.temporary.unlink(missing_ok=True)

    def _hand_over(self, name: str) -> None:
        if not default_storage.exists(name):
            with self.temporary.open("rb") as file:
                stored = default_storage.save(name, File(file))
            if stored != name:  # somebody was faster, with the same bytes
                default_storage.delete(stored)
        self.discard()


def path_of(name: str) -> Path:
    """Where this machine keeps what has this name: the storage, or the cache of a remote one."""
    if _is_local():
        return Path(default_storage.path(name))
    return Path(settings.DATA_DIR) / "blob-cache" / name


def existing_path_of(name: str) -> Path:
    """The path of a blob, fetched where need be.

    Raises InfrastructureError where the storage has none. A copy of a remote storage may be removed
    some minutes later: who needs it for longer takes ``held``.
    """
    path = path_of(name)
    if not path.is_file():
        if not exists(name):
            raise InfrastructureError(f"{name} is missing from the storage.")
        _fetch(name, path)
    elif not _is_local():
        blob_cache.touch(path)
    return path


@contextmanager
def held(name: str) -> Iterator[Path]:
    """The path of a blob, fetched where need be, that stays for as long as it is held.

    Raises InfrastructureError where the storage has none.
    """
    if _is_local():
        yield existing_path_of(name)
        return
    for _ in range(_N_FETCHES):
        path = existing_path_of(name)
        with blob_cache.lock(path) as is_there:
            if is_there:
                yield path
                return
    raise InfrastructureError(f"{name} was removed from the cache as often as it was fetched.")


def exists(name: str) -> bool:
    """Whether the storage holds it; what is merely cached here does not count."""
    return bool(default_storage.exists(name))


def open_stored(name: str) -> IO[Any]:
    """Read it from the storage. Raises InfrastructureError where it has none."""
    try:
        file: IO[Any] = default_storage.open(name, "rb")
    except FileNotFoundError as error:
        raise InfrastructureError(f"{name} is missing from the storage.") from error
    return file


def remove(name: str) -> None:
    """Delete it, here and in the storage. Nothing happens where it is gone already."""
    default_storage.delete(name)
    path_of(name).unlink(missing_ok=True)


def names_below(folder: str) -> list[str]:
    """Names of the folders and files in a folder of the storage; none where there is no such."""
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return []
    return [*folders, *files]


def modified_at(name: str) -> datetime | None:
    """When it was last written; None where it is gone."""
    try:
        return default_storage.get_modified_time(name)
    except FileNotFoundError:
        return None


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file, a MiB at a time."""
    while chunk := file.read(_CHUNK_BYTES):
        yield chunk


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
            _give_to_owner(temporary)
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


def _is_local() -> bool:
    return isinstance(default_storage, FileSystemStorage)


def _fetch(name: str, path: Path) -> None:
    """Copy from a remote storage; several processes may do so at the same time."""
    # Only what the sandbox must read may be read by everybody; see close_to_others.
    mode = 0o444 if name.startswith("artifacts/") else 0o400
    with open_stored(name) as file:
        blob = write(chunks_of(file), mode=mode)
    _make_folder(path.parent)
    blob.temporary.replace(path)
    blob_cache.bound(_root(), settings.BLOB_CACHE_BYTES)


def close_to_others() -> bool:
    """Let no other user of this host into the folder of all blobs; whether it was open to some.

    The user of a sandbox must be able to read an artifact that is bound for it, so that the file
    is open to all; it is the folder above that keeps weights private, whoever stored them when.
    """
    root = _root()
    if not root.is_dir():
        return False
    status = root.stat()
    if not status.st_mode & 0o077 or os.geteuid() not in (0, status.st_uid):
        return False
    root.chmod(0o700)
    return True


def _root() -> Path:
    """The folder on this machine below which all blobs lie."""
    return Path(default_storage.path("")) if _is_local() else Path(settings.DATA_DIR) / "blob-cache"


def _make_folder(folder: Path) -> None:
    """Make a folder of blobs, and those above it, closed to others."""
    if folder.is_dir():
        return
    if folder == _root():
        folder.parent.mkdir(parents=True, exist_ok=True)
    else:
        _make_folder(folder.parent)
    with suppress(FileExistsError):  # somebody was faster
        folder.mkdir(mode=0o700)
        _give_to_owner(folder)
        _sync_folder(folder.parent)


def _give_to_owner(path: Path) -> None:
    """A worker that is root makes what the web server, who owns the folder above, must read."""
    if os.geteuid() == 0:
        above = path.parent.stat()
        os.chown(path, above.st_uid, above.st_gid)


def _sync_folder(folder: Path) -> None:
    # Without it a crash of the machine may forget the name although the bytes are on disk.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
