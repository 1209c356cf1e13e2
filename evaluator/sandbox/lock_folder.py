"""Lock files in a folder that the workers of one user on one host share."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

from evaluator.exceptions import InfrastructureError


def lock_folder(name: str) -> Path:
    """Make the folder where need be. Raises InfrastructureError for one that is another user's."""
    run = Path("/run/lock")
    is_root = os.getuid() == 0
    base = run if run.is_dir() and os.access(run, os.W_OK) else Path(tempfile.gettempdir())
    folder = base / (name if is_root else f"{name}-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise InfrastructureError(f"{folder} must be a folder of this user alone; remove it.")
    return folder


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the file's lock until it is closed or its holder dies.

    None where another has it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
