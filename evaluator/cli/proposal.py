"""What ``touchstone submit`` is told, as the service takes it, and what is wrong with it.

All that is wrong or missing is gathered, here and at the service, and told at once by the options
that it is about: before a file is sent, and before anything is registered.
"""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from evaluator.cli.artifact import resolve_artifact
from evaluator.cli.cards import Card, option_of
from evaluator.cli.service import OPTIONS, connect
from evaluator.cli.suggestions import N_COMPARED, near_to
from evaluator.client import CheckedSubmission, Client, ClientError, Conflict, Refused
from evaluator.exceptions import SubmissionError
from evaluator.json_artifacts import is_json_kind
from evaluator.potentials.names import ResolvedPotential


def take_from_card(arguments: argparse.Namespace, card: Card) -> None:
    """What no option says, the card may."""
    given = card.submission
    arguments.card_slug = card.potential.get("slug")
    arguments.potential = arguments.potential or card.potential.get("slug")
    version = arguments.version or given.get("version")
    arguments.version = None if version is None else str(version)
    arguments.kind = arguments.kind or given.get("calculator_kind")
    if not arguments.setting:
        # As JSON, so that true and 1.5 are read back as what they are; texts stand for themselves.
        arguments.setting = [
            f"{name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in given.get("settings", {}).items()
        ]
    if arguments.elements is None and given.get("supported_elements"):
        arguments.elements = ",".join(given["supported_elements"])


def missing(arguments: argparse.Namespace) -> dict[str, str]:
    """What is needed and not said, by its option."""
    needed = {
        "--potential": (
            arguments.potential,
            "which potential is it? Its name in addresses; a new one needs --name, too",
        ),
        "--version": (arguments.version, "which version is it? E.g. --version 1.0"),
    }
    return {option: text for option, (given, text) in needed.items() if not given}


def find_artifact(
    arguments: argparse.Namespace, folder: Path, faults: dict[str, str]
) -> ResolvedPotential | None:
    """The file with its kind and settings; None where these are wrong, which is noted."""
    try:
        return resolve_artifact(arguments, folder)
    except SubmissionError as error:
        fault = str(error)
    without_elements = argparse.Namespace(**{**vars(arguments), "elements": None})
    try:
        artifact = resolve_artifact(without_elements, folder)
    except SubmissionError as error:
        faults["PATH"] = str(error)
        return None
    faults["--elements"] = fault.removeprefix("--elements ")
    return artifact


def fields_of(
    arguments: argparse.Namespace, card: Card, artifact: ResolvedPotential | None
) -> dict[str, Any]:
    """What is to be submitted, in the service's words; without the file, what is known of it."""
    told = card.submission
    fields: dict[str, Any] = {
        "potential": arguments.potential,
        "version": arguments.version,
        "visibility": "private" if arguments.private else told.get("visibility"),
        "declares_non_conservative": True
        if arguments.non_conservative
        else told.get("declares_non_conservative"),
        "benchmark": arguments.benchmark,
        "tasks": arguments.task,
        "card": {name: value for name, value in card.potential.items() if name != "slug"},
    }
    if artifact is not None:
        spec = artifact.spec
        elements = spec.supported_elements
        fields |= {
            "calculator_kind": spec.calculator_kind,
            "settings": dict(spec.settings),
            "supported_elements": None if elements is None else list(elements),
            "filename": spec.artifact_filename,
            "size_bytes": artifact.artifact.stat().st_size,
            "sha256": spec.artifact_sha256,
        }
    elif arguments.elements is not None:
        fields["supported_elements"] = [word.strip() for word in arguments.elements.split(",")]
    return {name: value for name, value in fields.items() if value is not None}


#: Of these fields the service is asked only with a file that is one.
_OF_FILE = (
    *("calculator_kind", "settings"),
    *("filename", "artifact", "size_bytes", "sha256", "content"),
)
_OPTIONS = OPTIONS | dict.fromkeys(
    ("filename", "artifact", "size_bytes", "sha256", "content"), "PATH"
)
#: A body of JSON has its limit at a service, and what escapes in it takes more room.
_MOST_JSON_BYTES = 2**18


def _content(artifact: ResolvedPotential | None) -> dict[str, str]:
    """The text of a small JSON file: its service may know more, or less, than is known here."""
    if artifact is None or not is_json_kind(artifact.spec.calculator_kind):
        return {}
    content = artifact.artifact.read_bytes()
    try:
        return {"content": content.decode()} if len(content) <= _MOST_JSON_BYTES else {}
    except UnicodeDecodeError:
        return {}  # JSON in UTF-16, say, which comes as it is with the file


def check(
    arguments: argparse.Namespace,
    proposal: dict[str, Any],
    artifact: ResolvedPotential | None,
    faults: dict[str, str],
) -> tuple[Client, CheckedSubmission]:
    """Ask the service before anything is sent; all that is wrong here and there is told at once.

    Raises SubmissionError where something is wrong here, else the service's refusal.
    """
    try:
        client = connect(arguments)
        checked = client.check_submission({**proposal, **_content(artifact)})
    except Refused as refusal:
        theirs = _with_suggestions(client, _faults_of(refusal, proposal), proposal)
        if not faults:
            refusal.args = (_told(theirs, proposal, arguments, refusal),)
            raise
        faults = {**theirs, **faults}
    except ClientError:
        if not faults:
            raise
    if faults:
        raise SubmissionError(_told(faults, proposal, arguments))
    return client, checked


def worded(refusal: Refused, proposal: Mapping[str, Any], arguments: argparse.Namespace) -> Refused:
    """The refusal with the options of this command in place of the service's fields."""
    refusal.args = (_told(_faults_of(refusal, proposal), proposal, arguments, refusal),)
    return refusal


def _faults_of(refusal: Refused, proposal: Mapping[str, Any]) -> dict[str, str]:
    """The service's sentences by option; without those that only say that there is no file."""
    faults: dict[str, str] = {}
    for error in refusal.problem.errors:
        field, _, rest = error.pointer.removeprefix("#/").partition("/")
        if field in _OF_FILE and "sha256" not in proposal:
            continue
        option = option_of(rest.partition("/")[0]) if field == "card" else _option_of(field)
        if field == "visibility" and proposal.get(field) != "private":
            option = field  # the card's
        text = f"{rest} {error.detail}" if field == "settings" and rest else error.detail
        faults[option] = f"{faults[option]} {text}" if option in faults else text
    return faults


def _with_suggestions(
    client: Client, faults: Mapping[str, str], proposal: Mapping[str, Any]
) -> dict[str, str]:
    """What may be meant where a name was mistyped; a new potential's may be an old one's."""
    named: dict[str, tuple[Sequence[str], Callable[[], Iterable[str]]]] = {
        "--task": (proposal.get("tasks", ()), lambda: (t["slug"] for t in client.tasks())),
        "--benchmark": (
            [proposal.get("benchmark", "")],
            lambda: (benchmark.slug for benchmark in client.benchmarks()),
        ),
        "--name": (
            [proposal.get("potential", "")],
            lambda: (p.slug for p in islice(client.potentials(), N_COMPARED)),
        ),
    }
    sentences = dict(faults)
    for option, (names, list_known) in named.items():
        if option not in sentences:
            continue
        known = set(list_known())
        near = [slug for name in names if name not in known for slug in near_to(name, known)]
        if near:
            sentences[option] += f" Did you mean {' or '.join(dict.fromkeys(near))}?"
    return sentences


def _option_of(field: str) -> str:
    return _OPTIONS.get(field, f"--{field}" if field else "")


def _told(
    faults: Mapping[str, str],
    proposal: Mapping[str, Any],
    arguments: argparse.Namespace,
    refusal: Refused | None = None,
) -> str:
    """One line for one fault; a list for several."""
    if not faults:
        return str(refusal)
    lines = [
        text if option in ("PATH", "") else f"{option}: {text}" for option, text in faults.items()
    ]
    if isinstance(refusal, Conflict) and (changes := _card_conflicts(refusal)):
        lines.append(f"To change the card: {_edit_command(changes, proposal, arguments)}")
    if len(lines) == 1:
        return lines[0]
    return "\n  ".join(["nothing was submitted:", *lines])


def _card_conflicts(refusal: Refused) -> list[str]:
    pointers = (error.pointer.removeprefix("#/") for error in refusal.problem.errors)
    return [pointer.split("/")[1] for pointer in pointers if pointer.startswith("card/")]


def _edit_command(
    fields: Sequence[str], proposal: Mapping[str, Any], arguments: argparse.Namespace
) -> str:
    """The command that makes the card say what was said here."""
    words = ["touchstone", "potential", "edit", proposal["potential"]]
    of_options = {option_of(field).removeprefix("--").replace("-", "_") for field in fields}
    is_of_card = arguments.card and arguments.card_slug in (None, proposal["potential"])
    if is_of_card and not any(getattr(arguments, name, None) for name in of_options):
        return shlex.join([*words, "--card", str(arguments.card)])
    for field in fields:
        value = proposal["card"][field]
        values = value if isinstance(value, list) else ["" if value is None else str(value)]
        for text in values or [""]:
            words += [option_of(field), text]
    return shlex.join(words)
