"""``touchstone submit``: a file to the service, and its scores back."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from evaluator.cli.artifact import add_artifact_arguments
from evaluator.cli.cards import add_card_arguments, read_card
from evaluator.cli.exit_codes import ExitCode, describe_exit_codes
from evaluator.cli.following import describe_submission, outcome, watch_submission
from evaluator.cli.proposal import check, fields_of, find_artifact, missing, take_from_card, worded
from evaluator.cli.service import add_service_arguments
from evaluator.cli.told_names import remember_one
from evaluator.client import CheckedSubmission, Client, Refused, Submission, Submitted
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
    parser.add_argument(
        "--lock",
        type=Path,
        metavar="FILE",
        help="of the kind package: its own packages by version and hash (docs/own_runtime.md)",
    )
    parser.add_argument("--wait", action="store_true", help="return when all is scored")
    add_card_arguments(parser)
    add_service_arguments(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    card = read_card(arguments)
    take_from_card(arguments, card)
    faults = missing(arguments)

    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        artifact = find_artifact(arguments, Path(folder), faults)
        proposal = fields_of(arguments, card, artifact) | _lock(arguments.lock, faults)
        client, checked = check(arguments, proposal, artifact, faults)
        assert artifact is not None  # noqa: S101  (else there was a fault)
        if checked.existing and not checked.tasks:
            # The service has it all: nothing is sent.
            submission: Submission = client.submission(
                checked.existing.rstrip("/").rsplit("/", 1)[-1]
            )
            news = _nothing_new(submission, proposal)
        else:
            try:
                submitted = _submit(client, proposal, artifact)
            except Refused as refusal:
                raise worded(refusal, proposal, arguments) from None
            submission, news = submitted, _news(submitted, proposal, checked)
            remember_one(client.url, "potential", proposal["potential"])
    print(f"{news}: {client.url}{submission.page}", file=sys.stderr)
    if arguments.wait:
        submission = watch_submission(client, submission.id)
    if arguments.json:
        print(json.dumps(submission.raw, indent=2))
    else:
        print(describe_submission(client, submission))
    return outcome(submission.evaluations) if arguments.wait else ExitCode.OK


def _lock(path: Path | None, faults: dict[str, str]) -> dict[str, str]:
    """The text of the lock as a field, if one is brought."""
    if path is None:
        return {}
    try:
        return {"lock": path.read_text(encoding="utf-8")}
    except (OSError, UnicodeDecodeError) as error:
        faults["--lock"] = f"{path} cannot be read: {error}"
        return {}


def _nothing_new(submission: Submission, proposal: Mapping[str, Any]) -> str:
    is_named = "tasks" in proposal or "benchmark" in proposal
    more = "" if is_named else " (--task or --benchmark asks for more of it)"
    return f"This file is version {submission.version} already; nothing new was submitted{more}"


def _news(submission: Submitted, proposal: Mapping[str, Any], checked: CheckedSubmission) -> str:
    if submission.is_new:
        potential = f"Registered the potential {proposal['potential']}. "
        registered = potential if checked.registers_potential else ""
        return f"{registered}Submitted {submission.name} ({submission.visibility})"
    by_id = {evaluation.id: evaluation.task for evaluation in submission.evaluations}
    tasks = ", ".join(sorted(by_id.get(queued, queued) for queued in submission.queued))
    if not tasks:
        return _nothing_new(submission, proposal)
    return f"This file is version {submission.version} already; queued for it: {tasks}"


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
