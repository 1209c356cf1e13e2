"""What is said of a potential: from a file, from options, or both."""

from __future__ import annotations

import argparse
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator.exceptions import SubmissionError

#: Options by the field of a potential that they set; the texts are those of --help.
_OPTIONS = {
    "name": "as its authors write it",
    "architecture": "e.g. MACE",
    "authors": "parted by commas, or by semicolons: Doe, J.; Roe, R.",
    "level_of_theory": "of the training data, e.g. PBE or r2SCAN",
    "licence": "of the weights, an SPDX name",
    "paper_url": "the paper that describes it",
    "code_url": "where its code is",
    "description": "plain text",
    "team": "slug of the team that is to own it",
}
#: What the table [submission] of a card may hold.
_SUBMISSION_FIELDS = (
    *("version", "calculator_kind", "settings", "supported_elements"),
    *("visibility", "declares_non_conservative"),
)


@dataclass(frozen=True, kw_only=True)
class Card:
    """``potential``: fields of the API's potentials; ``submission``: those of this version."""

    potential: dict[str, Any]
    submission: dict[str, Any]


def add_card_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "the potential", "needed once, when the service does not have it yet"
    )
    group.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="TOML or JSON with the fields of the potential, and a table [submission]",
    )
    for name, help_text in _OPTIONS.items():
        group.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT", help=help_text)
    group.add_argument(
        "--training-set", action="append", metavar="NAME", help="e.g. MPtrj; may be repeated"
    )


def read_card(arguments: argparse.Namespace) -> Card:
    """Options win over the file. Raises SubmissionError."""
    content = _read(arguments.card) if arguments.card else {}
    submission = content.pop("submission", {})
    if not isinstance(submission, dict) or set(submission) - set(_SUBMISSION_FIELDS):
        raise SubmissionError(
            f"{arguments.card}: the table [submission] may hold {', '.join(_SUBMISSION_FIELDS)}"
        )
    given = {name: getattr(arguments, name) for name in _OPTIONS}
    given["training_sets"] = arguments.training_set
    content |= {name: value for name, value in given.items() if value is not None}
    if arguments.potential is not None:
        content["slug"] = arguments.potential
    if not content.get("slug"):
        raise SubmissionError("which potential? Name it with --potential SLUG, or slug in the card")
    return Card(potential=content, submission=submission)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise SubmissionError(f"the card {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SubmissionError(f"the card {path} is no TOML or JSON: {error}") from error
    if not isinstance(content, dict):
        raise SubmissionError(f"the card {path} is no table of fields")
    return content
