"""``touchstone submit``: a file to the service, and its scores back."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluator.cli.artifact import add_artifact_arguments, resolve_artifact
from evaluator.cli.cards import Card, add_card_arguments, option_of, read_card
from evaluator.cli.exit_codes import ExitCode, describe_exit_codes
from evaluator.cli.following import describe_submission, outcome, watch_submission
from evaluator.cli.service import add_service_arguments, connect
from evaluator.client import (
    CheckedSubmission,
    Client,
    ClientError,
    Conflict,
    Refused,
    Submission,
    Submitted,
)
from evaluator.exceptions import SubmissionError
from evaluator.potentials.names import ResolvedPotential


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "submit",
        help="submit a version of your potential",
        description="Uploads the file, registers the potential where it is new, and submits. The "
        "same command again changes nothing, and goes on with an upload that was broken off.",
        epilog=describe_exit_codes(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_artifact_arguments(parser)
    parser.add_argument("--potential", metavar="SLUG", help="its name in addresses")
    parser.add_argument("--version", help="the authors' name of this version, e.g. 1.0")
    parser.add_argument("--benchmark", metavar="SLUG", help="to be judged by its tasks")
    parser.add_argument(
        "--task", action="append", metavar="SLUG", help="to be judged by; may be repeated"
    )
    parser.add_argument(
        "--private", action="store_true", help="seen by you and the staff alone, and not ranked"
    )
    parser.add_argument(
        "--non-conservative",
        action="store_true",
        help="its forces are not meant to be the gradient of its energy",
    )
    parser.add_argument("--wait", action="store_true", help="return when all is scored")
    add_card_arguments(parser)
    add_service_arguments(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    card = read_card(arguments)
    _take_from_card(arguments, card)
    faults = _missing(arguments)

    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        artifact = _artifact(arguments, Path(folder), faults)
        proposal = _fields(arguments, card, artifact)
        client, checked = _check(arguments, proposal, faults)
        assert artifact is not None  # noqa: S101  (else there was a fault)
        if checked.existing and not checked.tasks:
            # The service has it all: nothing is sent.
            submission: Submission = client.submission(
                checked.existing.rstrip("/").rsplit("/", 1)[-1]
            )
            news = f"This file is version {submission.version} already; nothing new was submitted"
        else:
            submitted = _submit(client, proposal, artifact)
            submission, news = submitted, _news(submitted, proposal, checked)
    print(f"{news}: {client.url}{submission.page}", file=sys.stderr)
    if arguments.wait:
        submission = watch_submission(client, submission.id)
    if arguments.json:
        print(json.dumps(submission.raw, indent=2))
    else:
        print(describe_submission(client, submission))
    return outcome(submission.evaluations) if arguments.wait else ExitCode.OK


def _news(submission: Submitted, proposal: Mapping[str, Any], checked: CheckedSubmission) -> str:
    if submission.is_new:
        potential = f"Registered the potential {proposal['potential']}. "
        registered = potential if checked.registers_potential else ""
        return f"{registered}Submitted {submission.name} ({submission.visibility})"
    by_id = {evaluation.id: evaluation.task for evaluation in submission.evaluations}
    tasks = ", ".join(sorted(by_id.get(queued, queued) for queued in submission.queued))
    if not tasks:
        return f"This file is version {submission.version} already; nothing new was submitted"
    return f"This file is version {submission.version} already; queued for it: {tasks}"


def _missing(arguments: argparse.Namespace) -> dict[str, str]:
    """What is needed and not said, by its option."""
    needed = {
        "--potential": (
            arguments.potential,
            "which potential is it? Its name in addresses; a new one needs --name, too",
        ),
        "--version": (arguments.version, "which version is it? E.g. --version 1.0"),
    }
    return {option: text for option, (given, text) in needed.items() if not given}


def _artifact(
    arguments: argparse.Namespace, folder: Path, faults: dict[str, str]
) -> ResolvedPotential | None:
    """The file with its kind and settings; None where these are wrong, which is noted."""
    try:
        return resolve_artifact(arguments, folder)
    except SubmissionError as error:
        faults["PATH"] = str(error)
        return None


def _fields(
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
    *("filename", "artifact", "size_bytes", "sha256"),
)
_OPTIONS = {
    "calculator_kind": "--kind",
    "settings": "--setting",
    "supported_elements": "--elements",
    "declares_non_conservative": "--non-conservative",
    "visibility": "--private",
    "tasks": "--task",
    **dict.fromkeys(("filename", "artifact", "size_bytes", "sha256"), "PATH"),
}


def _check(
    arguments: argparse.Namespace, proposal: dict[str, Any], faults: dict[str, str]
) -> tuple[Client, CheckedSubmission]:
    """Ask the service before anything is sent; all that is wrong here and there is told at once.

    Raises SubmissionError where something is wrong here, else the service's refusal.
    """
    try:
        client = connect(arguments)
        checked = client.check_submission(proposal)
    except Refused as refusal:
        if not faults:
            refusal.args = (_told(_faults_of(refusal, proposal), proposal, arguments, refusal),)
            raise
        faults = {**_faults_of(refusal, proposal), **faults}
    except ClientError:
        if not faults:
            raise
    if faults:
        raise SubmissionError(_told(faults, proposal, arguments))
    return client, checked


def _faults_of(refusal: Refused, proposal: Mapping[str, Any]) -> dict[str, str]:
    """The service's sentences by option; without those that only say that there is no file."""
    faults: dict[str, str] = {}
    for error in refusal.problem.errors:
        field, _, rest = error.pointer.removeprefix("#/").partition("/")
        if field in _OF_FILE and "sha256" not in proposal:
            continue
        option = option_of(rest.partition("/")[0]) if field == "card" else _option_of(field)
        text = f"{rest} {error.detail}" if field == "settings" and rest else error.detail
        faults[option] = f"{faults[option]} {text}" if option in faults else text
    return faults


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
        lines.append(f"to change the card: {_edit_command(changes, proposal, arguments)}")
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
    if arguments.card:
        words += ["--card", str(arguments.card)]
    for field in fields:
        value = proposal["card"][field]
        values = value if isinstance(value, list) else ["" if value is None else str(value)]
        if not arguments.card:
            for text in values or [""]:
                words += [option_of(field), text]
    return shlex.join(words)


def _take_from_card(arguments: argparse.Namespace, card: Card) -> None:
    """What no option says, the card may."""
    given = card.submission
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


def _submit(client: Client, proposal: Mapping[str, Any], artifact: ResolvedPotential) -> Submitted:
    bar: tqdm[Any] = tqdm(
        desc="Upload", unit="B", unit_scale=True, leave=False, disable=None, file=sys.stderr
    )

    def show(done: int, total: int) -> None:
        bar.total, bar.n = total, done
        bar.refresh()

    described = {
        n: v for n, v in proposal.items() if n not in ("potential", "size_bytes", "sha256")
    }
    try:
        return client.submit(proposal["potential"], artifact.artifact, progress=show, **described)
    except KeyboardInterrupt:
        bar.close()
        print(
            "\nBroken off before the service had it all. The same command goes on where this one "
            "stopped, and never submits twice.",
            file=sys.stderr,
        )
        raise
    finally:
        bar.close()
