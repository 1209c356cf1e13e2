"""Three families of error; anything else is a bug.

SubmissionError: the user's; its message is shown and says what to do.
InfrastructureError: ours; retried, then alarmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from evaluator.sentences import in_one_text


class SubmissionError(Exception):
    """Refused input. ``errors`` maps a field (or "" for the whole) to a sentence."""

    def __init__(self, errors: Mapping[str, str] | str) -> None:
        self.errors = {"": errors} if isinstance(errors, str) else dict(errors)
        super().__init__(in_one_text(self.errors.values()))


class ConflictError(SubmissionError):
    """The request is well formed but contradicts what exists or has ended (HTTP 409)."""


class AlreadyThereError(ConflictError):
    """What was sent is known, and not as it was said to be; ``submission_id`` is what is there."""

    def __init__(self, errors: Mapping[str, str], submission_id: UUID) -> None:
        super().__init__(errors)
        self.submission_id = submission_id


class KeyReusedError(SubmissionError):
    """An Idempotency-Key that has answered another request (HTTP 422)."""


class QuotaExceeded(SubmissionError):
    """More evaluations than the account has left (HTTP 429).

    ``limit`` is per_day, per_month, concurrent or hidden_per_month; ``resets_at`` None means: as
    evaluations end.
    """

    def __init__(self, detail: str, *, limit: str, resets_at: datetime | None) -> None:
        super().__init__(detail)
        self.limit, self.resets_at = limit, resets_at


class InfrastructureError(Exception):
    """A fault of the service itself."""


class LostLeaseError(InfrastructureError):
    """Another worker owns the evaluation by now; what this one found is thrown away."""
