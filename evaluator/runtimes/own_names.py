"""What the runtimes of locks that submissions bring are called, on workers and on pages."""

from __future__ import annotations

#: The beginning of each name.
PREFIX = "own-"
#: The calculator kind that may bring a lock.
KIND = "package"
LABEL = "Brought by a submission"
#: What settings call all of them together.
ALL_OWN = "own"


def own_name(lock_sha256: str) -> str:
    """The name of the runtime of a lock, in provenance and addresses."""
    return f"{PREFIX}{lock_sha256[:16]}"
