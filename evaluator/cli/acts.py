"""``touchstone reevaluate`` and ``withdraw``: what an owner decides about what was judged."""

from __future__ import annotations

import argparse
import json
from typing import Any

from evaluator.cli.display import describe_state
from evaluator.cli.exit_codes import ExitCode, describe_exit_codes
from evaluator.cli.following import outcome, watch_evaluation
from evaluator.cli.ids import find, full_id, short
from evaluator.cli.questions import is_agreed
from evaluator.cli.service import add_service_arguments, connect
from evaluator.client import Client, Evaluation, Submission
from evaluator.exceptions import SubmissionError


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    repeat = commands.add_parser(
        "reevaluate",
        help="evaluate again what has ended",
        description="A new evaluation takes the place of the old one, which stays in the record. "
        "It counts in the quota as any other.",
        epilog=describe_exit_codes(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    repeat.add_argument("id", help="of the evaluation, or of a submission with --task")
    repeat.add_argument("--task", metavar="SLUG", help="which evaluation of a submission")
    repeat.add_argument(
        "--reason", required=True, metavar="TEXT", help="why; whoever sees the new one reads it"
    )
    repeat.add_argument("--wait", action="store_true", help="return when it is scored")
    add_service_arguments(repeat)
    repeat.set_defaults(run=_reevaluate)

    withdraw = commands.add_parser(
        "withdraw", help="take a submission off the boards; cannot be taken back"
    )
    withdraw.add_argument("id", help="of the submission")
    withdraw.add_argument("--yes", action="store_true", help="do not ask")
    add_service_arguments(withdraw)
    withdraw.set_defaults(run=_withdraw)


def _reevaluate(arguments: argparse.Namespace) -> int:
    client = connect(arguments)
    named = find(client, arguments.id)
    old = _chosen(named, arguments.task) if isinstance(named, Submission) else named
    if arguments.task not in (None, old.task):
        raise SubmissionError(f"{arguments.id} is an evaluation on {old.task}, not on another task")
    new = client.reevaluate(old.id, arguments.reason)
    if not arguments.json:
        print(f"{new.task} is queued again  {short(new.id)}")
    if arguments.wait:
        new = watch_evaluation(client, new)
    if arguments.json:
        print(json.dumps(new.raw, indent=2))
    elif arguments.wait:
        print(f"  {describe_state(new)}")
    else:
        print(f"  follow it:  touchstone status {short(new.id)} --watch")
    return outcome([new]) if arguments.wait else ExitCode.OK


def _chosen(submission: Submission, task: str | None) -> Evaluation:
    """The one of the task; without a task the only one. Raises SubmissionError."""
    suits = [e for e in submission.evaluations if task in (None, e.task)]
    if len(suits) == 1:
        return suits[0]
    there = "\n".join(
        f"  {e.task:<22} {describe_state(e)}  {short(e.id)}" for e in submission.evaluations
    )
    asked = "say which with --task or its id" if task is None else f"none of them is on {task}"
    n = len(submission.evaluations)
    raise SubmissionError(f"{submission.name} has {n} evaluations: {asked}\n{there}".rstrip())


def _withdraw(arguments: argparse.Namespace) -> int:
    client = connect(arguments)
    submission = _submission(client, arguments.id)
    if submission.withdrawn_at is not None:
        told = f"{submission.name} is withdrawn already"
        print(json.dumps(submission.raw, indent=2) if arguments.json else told)
        return ExitCode.OK
    question = f"Take {submission.name} off every board, for good, and stop what still runs of it?"
    unasked = "there is no terminal to ask at: say --yes to withdraw it"
    if not arguments.yes and not is_agreed(question, without_terminal=unasked):
        print("It stays.")
        return ExitCode.OK
    withdrawn = client.withdraw(submission.id)
    if arguments.json:
        print(json.dumps(withdrawn.raw, indent=2))
    else:
        print(f"{withdrawn.name} is withdrawn: it stands on no board any more")
    return ExitCode.OK


def _submission(client: Client, text: str) -> Submission:
    return client.submission(full_id(client, text))
