"""Exit codes of the command line: one for each verdict, so that a script can tell them apart."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Protocol

from evaluator.contract import Verdict


class ExitCode(IntEnum):
    """0 is well, 2 the user's mistake, 3 to 7 from the service, 10 and up the submission's fault,
    30 and up ours. docs/cli.md says more of each.
    """

    OK = 0
    BUG = 1  # what Python itself answers for an exception that nobody expected
    USAGE = 2
    REFUSED = 3  # by the service: bad fields, a name that is taken, a quota that is used up
    NOT_ALLOWED = 4  # no token, a wrong or expired one, or one without the right
    NOT_FOUND = 5
    UNREACHABLE = 6  # the service is away, or answers with a fault of its own
    UNFINISHED = 7  # asked for its state, an evaluation had not ended
    INVALID_ARTIFACT = 10
    LOAD_ERROR = 11
    UNSUPPORTED = 12
    RUNTIME_ERROR = 13
    PROTOCOL_ERROR = 14
    NONFINITE = 15
    CALL_TIMEOUT = 16
    WALL_TIMEOUT = 17
    OUT_OF_MEMORY_HOST = 18
    OUT_OF_MEMORY_GPU = 19
    OUTPUT_LIMIT = 20
    SANDBOX_VIOLATION = 21
    CANCELLED = 22
    INCONSISTENT = 23
    INFRASTRUCTURE_ERROR = 30
    INFRASTRUCTURE_LOST = 31
    INTERRUPTED = 130  # Ctrl-C, as shells count it


class Ended(Protocol):
    """A report, or a service's evaluation that has ended."""

    @property
    def verdict(self) -> str: ...
    @property
    def is_not_covered(self) -> bool: ...


def exit_code_of(ended: Ended) -> ExitCode:
    """The exit code that tells how it ended. What a potential does not cover is no failure."""
    return ExitCode.OK if ended.is_not_covered else exit_code_of_verdict(Verdict(ended.verdict))


def exit_code_of_verdict(verdict: Verdict) -> ExitCode:
    return ExitCode[verdict.name]


def worst_exit_code(evaluations: Iterable[Ended]) -> ExitCode:
    """Return the highest code of several evaluations, so that no failure is hidden.

    What was cancelled counts only where nothing has failed: it may be the failure's consequence.
    """
    codes = {exit_code_of(evaluation) for evaluation in evaluations}
    failures = codes - {ExitCode.OK, ExitCode.CANCELLED}
    return max(failures or codes, default=ExitCode.OK)


def describe_exit_codes() -> str:
    """The table, for ``--help``."""
    return "exit codes:\n" + "\n".join(
        f"  {code.value:>3}  {code.name.lower().replace('_', ' ')}" for code in ExitCode
    )
