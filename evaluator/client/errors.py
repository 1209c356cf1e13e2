"""What goes wrong between a client and the service."""

from __future__ import annotations

from collections.abc import Callable

from evaluator.client.records import Problem
from evaluator.sentences import in_one_text


class ClientError(Exception):
    """The root of them all; its text can be shown to a user as it is."""


class Unreachable(ClientError):
    """No answer: no connection, or none in time, after all attempts."""


class UnexpectedAnswer(ClientError):
    """Something answers that is not the service's API: another site, a proxy, a redirect."""


class Refused(ClientError):
    """The service answered with a problem (RFC 9457)."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(words_of(problem))

    @property
    def status(self) -> int:
        return self.problem.status


class Invalid(Refused):
    """400 and its like: ``problem.errors`` names each bad field."""


class NotAuthenticated(Refused):
    """401: no token, or one that is wrong, expired or revoked."""


class Forbidden(Refused):
    """403: not for this user, or not for a token of this scope."""


class NotFound(Refused):
    """404: it is not there, or not for this user to see."""


class Conflict(Refused):
    """409: it exists already or has ended; ``problem.existing`` may be its address."""


class TooLarge(Refused):
    """413: the text tells the limit."""


class Throttled(Refused):
    """429, and the wait is too long to be sat out: ``retry_after_s``."""

    def __init__(self, problem: Problem, retry_after_s: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


class QuotaExceeded(Refused):
    """429 that no short wait mends: the account has no evaluations left for now."""


class ServiceFault(Refused):
    """500 and up: a fault of the service, which has logged it under the request id."""


_BY_STATUS: dict[int, type[Refused]] = {
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
}


def refusal(problem: Problem, retry_after_s: float | None = None) -> Refused:
    """The exception that tells a problem."""
    if problem.type.endswith(":quota_exceeded"):
        return QuotaExceeded(problem)
    if problem.status == 429:
        return Throttled(problem, retry_after_s)
    if problem.status >= 500:
        return ServiceFault(problem)
    return _BY_STATUS.get(problem.status, Invalid)(problem)


def words_of(problem: Problem, *, name_of: Callable[[str], str] = str) -> str:
    """The service's sentences, each field's with its name, or with what ``name_of`` makes of it."""
    text = problem.detail or problem.title
    fields = [
        (error.pointer.removeprefix("#/").removeprefix("#"), error) for error in problem.errors
    ]
    named = [f"{name_of(name)}: {e.detail}" if name else e.detail for name, e in fields]
    # Where the detail only repeats what is said of the fields, it would be said twice.
    is_repeated = all(error.detail in text for error in problem.errors)
    text = in_one_text(named if named and is_repeated else [text, *named])
    if problem.status >= 500 and problem.request_id:
        text += f" (request {problem.request_id})"
    return text
