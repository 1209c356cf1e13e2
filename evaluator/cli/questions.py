"""Asks at the terminal before something is done that cannot be taken back."""

from __future__ import annotations

import sys

from evaluator.exceptions import SubmissionError


def is_agreed(question: str, *, without_terminal: str) -> bool:
    """Whether the answer is yes. Raises SubmissionError with the sentence where nobody is there."""
    if not sys.stdin.isatty():
        raise SubmissionError(without_terminal)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return input().strip().lower() in ("y", "yes")
