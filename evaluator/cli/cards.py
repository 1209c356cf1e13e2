"""What is said of a potential: from a file, from options, or both."""

from __future__ import annotations

import argparse
import json
import tomllib
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from evaluator.exceptions import SubmissionError

#: Fields that ``_OPTIONS`` gives as whole numbers.
_NUMBERS = ("n_parameters",)
#: Options by the field of a potential that they set; the texts are those of --help.
_OPTIONS = {
    "name": "as its authors write it",
    "architecture": "e.g. MACE",
    "authors": "parted by commas, or by semicolons: Doe, J.; Roe, R.",
    "level_of_theory": "of the training data, e.g. PBE or r2SCAN",
    "licence": "of the weights, an SPDX name",
    "paper_url": "the paper that describes it",
    "code_url": "where its code is",
    "description": "in Markdown",
    "n_parameters": "number of trained parameters",
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


def add_card_arguments(
    parser: argparse.ArgumentParser,
    about: str = "needed once, when the service does not have it yet; later it must say what is "
    "there (touchstone potential edit changes it)",
) -> None:
    group = parser.add_argument_group("the potential", about)
    group.add_argument(
        "--card",
        type=Path,
        metavar="FILE",
        help="TOML or JSON with the fields of the potential, and a table [submission]",
    )
    for name, help_text in _OPTIONS.items():
        kind, metavar = (int, "N") if name in _NUMBERS else (str, "TEXT")
        group.add_argument(option_of(name), type=kind, metavar=metavar, help=help_text)
    group.add_argument(
        "--training-set", action="append", metavar="NAME", help="e.g. MPtrj; may be repeated"
    )


def option_of(field: str) -> str:
    """The option that sets a field of a potential."""
    return "--training-set" if field == "training_sets" else f"--{field.replace('_', '-')}"


def read_card(arguments: argparse.Namespace) -> Card:
    """Options win over the file. The slug may be missing. Raises SubmissionError."""
    content = _read(arguments.card) if arguments.card else {}
    submission = content.pop("submission", {})
    _check_submission(arguments.card, submission)
    given = {name: getattr(arguments, name) for name in _OPTIONS}
    if arguments.training_set is not None:
        # --training-set "" says that there is none.
        given["training_sets"] = [name for name in arguments.training_set if name]
    content |= {name: value for name, value in given.items() if value is not None}
    if content.get("team") == "":
        content["team"] = None
    return Card(potential=content, submission=submission)


def _check_submission(path: Path, table: Any) -> None:  # noqa: ANN401  (TOML or JSON)
    if not isinstance(table, dict) or set(table) - set(_SUBMISSION_FIELDS):
        raise SubmissionError(
            f"{path}: the table [submission] may hold {', '.join(_SUBMISSION_FIELDS)}"
        )
    if not isinstance(table.get("settings", {}), dict):
        raise SubmissionError(f'{path}: settings must be a table, e.g. {{ dtype = "float64" }}')
    elements = table.get("supported_elements", [])
    if not isinstance(elements, list) or not all(isinstance(e, str) for e in elements):
        raise SubmissionError(f'{path}: supported_elements must be a list, e.g. ["Si", "O"]')


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
    for name, value in content.items():
        if isinstance(value, date | time):
            raise SubmissionError(f"the card {path}: {name} is a date; put it between quotes")
    return content
