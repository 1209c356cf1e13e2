"""Copies of a remote storage's blobs on this machine: no more of them than a setting allows.

What was used least recently goes first. Who needs a copy for long holds it by a shared lock of the
kernel, which ends with his process, however it ends; who reads one at once is safe for as long as
no copy that was used in the last minutes goes.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Of a file whose time of use lies no further back nothing is removed.
JUST_USED_S = 600.0


def touch(path: Path) -> None:
    """Note that a copy is used now; of a file that somebody removed meanwhile, nothing."""
    with suppress(FileNotFoundError):
        os.utime(path)


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Keep a copy from being removed. Yields False where it was removed before it was locked."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield False
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield _is_at(file.fileno(), path)


def bound(root: Path, most_bytes: int) -> int:
    """Remove copies below ``root`` until they are no more than that; return how many went.

    Those that are held or were just used stay, so that more than ``most_bytes`` may be left.
    """
    copies = sorted(_copies(root))
    n_bytes, n_removed = sum(size for _, size, _ in copies), 0
    for used_at, size, path in copies:
        if n_bytes <= most_bytes or used_at > time.time() - JUST_USED_S:
            break
        if _remove(path):
            n_bytes, n_removed = n_bytes - size, n_removed + 1
    return n_removed


def _copies(root: Path) -> Iterator[tuple[float, int, Path]]:
    """When each was last used, its bytes, and where it is; not what is being fetched."""
    for path in root.rglob("*"):
        with suppress(FileNotFoundError):
            status = path.stat()
            if path.is_file() and path.parent.name != "temporary":
                yield status.st_mtime, status.st_size, path


def _remove(path: Path) -> bool:
    """Whether it could be removed: not where somebody holds it."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(file.fileno(), path):
                path.unlink()
            return True
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether what is open is what has this path now."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
