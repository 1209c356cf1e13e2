"""``touchstone submit``: a file to the service, and its scores back."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluator.cli.artifact import add_artifact_arguments, resolve_artifact
from evaluator.cli.cards import Card, add_card_arguments, read_card
from evaluator.cli.exit_codes import ExitCode, describe_exit_codes
from evaluator.cli.following import format_submission, outcome, watch_submission
from evaluator.cli.service import add_service_arguments, connect
from evaluator.client import Client, NotFound, Submission
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
    version = arguments.version or card.submission.get("version")
    if not version:
        raise SubmissionError("which version is it? Name it with --version, e.g. --version 1.0")
    _take_from_card(arguments, card)

    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        artifact = resolve_artifact(arguments, Path(folder))
        client = connect(arguments)
        _ensure_potential(client, card)
        submission = _submit(client, arguments, card, str(version), artifact)

    if not arguments.json:
        print(f"Submitted {submission.name}: {client.url}{submission.page}", file=sys.stderr)
    if arguments.wait:
        submission = watch_submission(client, submission.id)
    if arguments.json:
        print(json.dumps(submission.raw, indent=2))
    else:
        print(format_submission(submission, client.url))
    return outcome(submission.evaluations) if arguments.wait else ExitCode.OK


def _take_from_card(arguments: argparse.Namespace, card: Card) -> None:
    """What no option says of the artifact, the card may."""
    given = card.submission
    arguments.kind = arguments.kind or given.get("calculator_kind")
    if not arguments.setting:
        # As JSON, so that true and 1.5 are read back as what they are; texts stand for themselves.
        arguments.setting = [
            f"{name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in given.get("settings", {}).items()
        ]
    if arguments.elements is None and given.get("supported_elements"):
        arguments.elements = ",".join(given["supported_elements"])


def _ensure_potential(client: Client, card: Card) -> None:
    slug = card.potential["slug"]
    try:
        client.potential(slug)
    except NotFound:
        if not card.potential.get("name"):
            raise SubmissionError(
                f"{client.url} has no potential {slug!r} yet: describe it with --name and the "
                "other options of the potential, or with --card"
            ) from None
        client.create_potential(card.potential)
        print(f"Registered the potential {slug}.", file=sys.stderr)


def _submit(
    client: Client,
    arguments: argparse.Namespace,
    card: Card,
    version: str,
    artifact: ResolvedPotential,
) -> Submission:
    spec = artifact.spec
    visibility = "private" if arguments.private else card.submission.get("visibility")
    non_conservative = card.submission.get("declares_non_conservative", False)
    bar: tqdm[Any] = tqdm(
        desc="Upload", unit="B", unit_scale=True, leave=False, disable=None, file=sys.stderr
    )

    def show(done: int, total: int) -> None:
        bar.total, bar.n = total, done
        bar.refresh()

    try:
        return client.submit(
            card.potential["slug"],
            artifact.artifact,
            version=version,
            calculator_kind=spec.calculator_kind,
            settings=spec.settings,
            supported_elements=spec.supported_elements,
            visibility=visibility,
            declares_non_conservative=arguments.non_conservative or non_conservative,
            benchmark=arguments.benchmark,
            tasks=arguments.task,
            filename=spec.artifact_filename,
            progress=show,
        )
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
