"""Paths as their users write them."""

from __future__ import annotations

from pathlib import Path

from evaluator.exceptions import SubmissionError


def user_path(text: str | Path) -> Path:
    """The path that is meant, with ~ as a shell takes it. Raises SubmissionError for no home."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise SubmissionError(
            f"{text}: nobody has the home that {Path(text).parts[0]} stands for; write ./{text} "
            "for a folder of that name"
        ) from error
