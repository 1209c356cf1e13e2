"""Who may use this host's processor and accelerator: many evaluations at once, or one timed alone.

Two lock files and the kernel's ``flock``. Whoever evaluates holds ``device`` in common with others;
whoever times holds it alone. To get there both pass ``turnstile``: one that times keeps it while it
waits, so that those who come later cannot starve it. The kernel drops the locks of a process that
dies. The files lie below TOUCHSTONE_LOCK_DIR, else in a folder for each user below /run/lock or the
temporary folder: users of one host who do not share a folder do not see each other.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from evaluator.exceptions import InfrastructureError

LOCK_DIR_VARIABLE = "TOUCHSTONE_LOCK_DIR"
_POLL_S = 0.2


class DeviceLock(Protocol):
    """Whoever evaluates holds it; yields the seconds that were waited."""

    def __call__(
        self, *, is_exclusive: bool, while_waiting: Callable[[], None]
    ) -> AbstractContextManager[float]: ...


@contextmanager
def device_lock(*, is_exclusive: bool, while_waiting: Callable[[], None]) -> Iterator[float]:
    """Hold the device, alone or in common; yields the seconds that were waited.

    ``while_waiting`` is called several times a second for as long as somebody else holds it; what
    it raises ends the wait. Raises InfrastructureError where the lock files cannot be had.
    """
    started = time.monotonic()
    with ExitStack() as held:
        folder = _folder()
        turnstile = _open(folder / "turnstile", held)
        device = _open(folder / "device", held)
        acquire = _acquire_alone if is_exclusive else _acquire_in_common
        acquire(turnstile, device, while_waiting)
        yield time.monotonic() - started


def _acquire_alone(turnstile: int, device: int, while_waiting: Callable[[], None]) -> None:
    while not _take(turnstile, fcntl.LOCK_EX):
        _wait(while_waiting)
    while not _take(device, fcntl.LOCK_EX):
        _wait(while_waiting)
    fcntl.flock(turnstile, fcntl.LOCK_UN)


def _acquire_in_common(turnstile: int, device: int, while_waiting: Callable[[], None]) -> None:
    while True:
        if _take(turnstile, fcntl.LOCK_SH):
            has_device = _take(device, fcntl.LOCK_SH)
            fcntl.flock(turnstile, fcntl.LOCK_UN)
            if has_device:
                return
        _wait(while_waiting)


def _take(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(while_waiting: Callable[[], None]) -> None:
    while_waiting()
    time.sleep(_POLL_S)


def _open(path: Path, held: ExitStack) -> int:
    """Closing gives the lock back; a child process does not inherit it (O_CLOEXEC)."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InfrastructureError(
            f"The lock of this host's device cannot be opened ({error}); name a folder that the "
            f"worker may write in {LOCK_DIR_VARIABLE}."
        ) from error
    held.callback(os.close, descriptor)
    return descriptor


def _folder() -> Path:
    given = os.environ.get(LOCK_DIR_VARIABLE)
    run = Path("/run/lock")
    base = run if os.access(run, os.W_OK) else Path(tempfile.gettempdir())
    folder = Path(given) if given else base / f"touchstone-device-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise InfrastructureError(
            f"The folder of the device's lock, {folder}, cannot be made ({error}); name another in "
            f"{LOCK_DIR_VARIABLE}."
        ) from error
    # Somebody else's folder below /tmp could be a trap; one that was named is the host's own care.
    if not given and (status.st_uid != os.getuid() or folder.is_symlink()):
        raise InfrastructureError(f"{folder} must be a folder of this user alone; remove it.")
    return folder
