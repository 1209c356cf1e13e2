"""One unprivileged uid for each sandbox that runs at the same time on this host.

Two sandboxes with one uid could signal and trace each other's processes were they ever to meet,
and would share the kernel's count of processes per user.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from evaluator.exceptions import InfrastructureError
from evaluator.sandbox.lock_folder import lock_folder, try_lock

FIRST_UID = 60_000
N_SLOTS = 1_000
_LOCK_FOLDER = "touchstone-sandbox-slots"


@dataclass(frozen=True)
class Slot:
    """A uid (and gid of the same number) held by a lock until released or this process ends."""

    uid: int
    descriptor: int

    def release(self) -> None:
        os.close(self.descriptor)


def take_slot() -> Slot:
    """The lowest free uid; the kernel drops the lock when its holder dies.

    Only root calls this. Raises InfrastructureError when all are taken.
    """
    folder = lock_folder(_LOCK_FOLDER)
    for uid in range(FIRST_UID, FIRST_UID + N_SLOTS):
        descriptor = try_lock(folder / str(uid))
        if descriptor is not None:
            return Slot(uid, descriptor)
    raise InfrastructureError(f"All {N_SLOTS} sandbox uids are taken on this host.")
