"""Why a calculator ended, as a verdict and a sentence or two for its submitter."""

from __future__ import annotations

import signal

from evaluator.contract import Verdict
from evaluator.sandbox.base import ConfinedProcess
from evaluator.sandbox.output import OutputDrain
from evaluator.sandbox.text import clean_line
from evaluator.wire import ErrorCategory

_MEMORY_ADVICE = (
    "Use a smaller model or lower precision, or let the potential declare smaller batches."
)
_ADVICE = {
    ErrorCategory.OUT_OF_MEMORY_HOST: _MEMORY_ADVICE,
    ErrorCategory.OUT_OF_MEMORY_GPU: _MEMORY_ADVICE,
}
_WHAT = {
    ErrorCategory.INVALID_ARTIFACT: "The artifact cannot be read",
    ErrorCategory.LOAD_ERROR: "The potential could not be loaded",
    ErrorCategory.RUNTIME_ERROR: "The calculator failed",
    ErrorCategory.OUT_OF_MEMORY_HOST: "The calculator ran out of memory",
    ErrorCategory.OUT_OF_MEMORY_GPU: "The calculator ran out of GPU memory",
}


class CalculatorFailure(Exception):
    """The calculator cannot go on; its session is over.

    ``message`` is one or two sentences for the submitter: what happened, what to do. ``stdout``
    and ``stderr`` hold what the calculator wrote where no session came to be.
    """

    def __init__(self, verdict: Verdict, message: str) -> None:
        self.verdict, self.message = verdict, message
        self.stdout, self.stderr = "", ""
        super().__init__(message)


def explain_error(
    category: ErrorCategory, message: str, process: ConfinedProcess
) -> CalculatorFailure:
    """From what a calculator says of its own error; the kernel's word on memory comes first."""
    if process.ran_out_of_memory():
        return _out_of_host_memory()
    # What an adapter says of a load says what to do; advice in general would lead astray.
    advice = f" {_ADVICE[category]}" if category in _ADVICE else ""
    return CalculatorFailure(
        Verdict(category.value), f"{_WHAT[category]}: {message.rstrip('.')}.{advice}"
    )


def diagnose_death(
    status: int | None, process: ConfinedProcess, output: OutputDrain
) -> CalculatorFailure:
    """From how a process ended that did not say why; ``status`` None when it did not end."""
    if process.ran_out_of_memory():
        return _out_of_host_memory()
    if status == -signal.SIGSYS:
        return CalculatorFailure(
            Verdict.SANDBOX_VIOLATION,
            "The calculator was killed for a system call that no potential needs. Remove it, or "
            "the library that makes it.",
        )
    lines = output.stderr.strip().splitlines()
    last = f" Its last words were: {clean_line(lines[-1], 300)}" if lines else ""
    return CalculatorFailure(
        Verdict.RUNTIME_ERROR,
        f"The calculator ended without an answer ({_how(status)}).{last}{_way_out(status)}",
    )


def _way_out(status: int | None) -> str:
    """What to look for in the code of a process that left without a word."""
    if status == -signal.SIGBUS:
        return " That is how a full /dev/shm ends a process: make shared memory smaller."
    if status is None or status < 0:
        return ""
    if status == 0:
        return (
            " Its code closed descriptors that it did not open (os.closerange, or a daemon's "
            "habits), or left by os._exit: the connection to the service is one of them."
        )
    return " Its code, or a library, left by os._exit or its like: raise an exception instead."


def _out_of_host_memory() -> CalculatorFailure:
    return CalculatorFailure(
        Verdict.OUT_OF_MEMORY_HOST,
        f"The calculator needed more memory than it may use and was killed. {_MEMORY_ADVICE}",
    )


def _how(status: int | None) -> str:
    if status is None:
        return "it closed its connection"
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
