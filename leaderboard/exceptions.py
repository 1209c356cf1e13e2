"""Three families of error; anything else is a bug.

SubmissionError: the user's; its message is shown and says what to do.
InfrastructureError: ours; retried, then alarmed.
"""

from __future__ import annotations

from collections.abc import Mapping


class SubmissionError(Exception):
    """Refused input. ``errors`` maps a field (or "" for the whole) to a sentence."""

    def __init__(self, errors: Mapping[str, str] | str) -> None:
        self.errors = {"": errors} if isinstance(errors, str) else dict(errors)
        super().__init__("; ".join(self.errors.values()))


class ConflictError(SubmissionError):
    """The request is well formed but contradicts what exists or has ended (HTTP 409)."""


class InfrastructureError(Exception):
    """A fault of the service itself."""


class LostLeaseError(InfrastructureError):
    """Another worker owns the evaluation by now; what this one found is thrown away."""
