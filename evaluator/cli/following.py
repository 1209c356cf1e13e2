"""``touchstone status``, ``logs``, ``cancel``, ``publish``: what becomes of a submission."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

from evaluator.catalog.verdicts import VERDICTS
from evaluator.cli.display import NOT_COVERED, Display, describe_state
from evaluator.cli.exit_codes import ExitCode, describe_exit_codes, worst_exit_code
from evaluator.cli.ids import find, full_id, latest, short
from evaluator.cli.service import add_service_arguments, connect
from evaluator.client import Client, Conflict, Evaluation, Logs, Submission

_N_LISTED = 20


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    status = commands.add_parser(
        "status",
        help="say how far your submissions are",
        epilog=describe_exit_codes(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    status.add_argument(
        "id", nargs="?", help="of a submission or evaluation; left out, your latest submissions"
    )
    status.add_argument("--watch", action="store_true", help="until it has ended")
    add_service_arguments(status)
    status.set_defaults(run=_status)

    logs = commands.add_parser("logs", help="print what a submission wrote")
    logs.add_argument(
        "id", nargs="?", help="of a submission or evaluation; left out, your latest submission"
    )
    logs.add_argument("-f", "--follow", action="store_true", help="wait until it has ended")
    add_service_arguments(logs)
    logs.set_defaults(run=_logs)

    cancel = commands.add_parser("cancel", help="stop evaluations")
    cancel.add_argument(
        "id",
        nargs="?",
        help="of an evaluation, or of a submission for all of its own; left out, your latest "
        "submission that has not ended",
    )
    add_service_arguments(cancel)
    cancel.set_defaults(run=_cancel)

    publish = commands.add_parser(
        "publish", help="show a private submission to everybody; cannot be taken back"
    )
    publish.add_argument("id", help="of the submission")
    add_service_arguments(publish)
    publish.set_defaults(run=_publish)


def watch_submission(client: Client, submission_id: str) -> Submission:
    """Show its evaluations on stderr until all have ended; Ctrl-C leaves them running."""
    display = Display(sys.stderr)
    try:
        return client.wait(submission_id, on_change=lambda s: display.update(s.evaluations))
    except KeyboardInterrupt:
        _say_how_to_go_on(submission_id)
        raise


def outcome(evaluations: Sequence[Evaluation]) -> ExitCode:
    """Tell a script the worst verdict, or that something has not ended."""
    if not all(evaluation.has_ended for evaluation in evaluations):
        return ExitCode.UNFINISHED
    return worst_exit_code(evaluations)


def describe_submission(client: Client, submission: Submission) -> str:
    """Its evaluations, one line each, with why those failed and what to do about it."""
    lines = [f"{submission.name} ({submission.visibility})  {submission.id}"]
    if submission.withdrawn_at is not None:
        lines.append("  withdrawn")
    if not submission.evaluations:
        lines.append("  no evaluations: nothing was asked for, or nothing is published yet")
    told: set[str] = set()
    for evaluation in submission.evaluations:
        lines.append(
            f"  {evaluation.task:<22} {describe_state(evaluation)}  {short(evaluation.id)}"
        )
        if _went_wrong(evaluation):
            # A list has no messages; what stopped many at once is said once.
            reasons = _why(client.evaluation(evaluation.id), leads_to_log=True)
            lines += [f"    {line}" for line in reasons if line not in told]
            told.update(reasons)
    if submission.page:
        lines.append(f"  {client.url}{submission.page}")
    return "\n".join(lines)


def _went_wrong(evaluation: Evaluation) -> bool:
    return evaluation.has_ended and evaluation.verdict != "ok"


def _why(evaluation: Evaluation, *, leads_to_log: bool) -> list[str]:
    """What the verdict says of this evaluation, and what to do about it."""
    reasons = [evaluation.message] if evaluation.message else []
    known = VERDICTS.get(evaluation.verdict)
    if known and _went_wrong(evaluation) and evaluation.verdict != "cancelled":
        reasons.append(known.advice(has_log=bool(evaluation.has_log) and leads_to_log))
        if evaluation.has_log and leads_to_log:
            reasons.append(f"What it wrote: touchstone logs {short(evaluation.id)}")
    return reasons


def _say_how_to_go_on(name: str) -> None:
    print(
        "\nThe service goes on without this terminal.\n"
        f"  follow it again:  touchstone status {name} --watch\n"
        f"  stop it:          touchstone cancel {name}",
        file=sys.stderr,
    )


def _status(arguments: argparse.Namespace) -> int:
    client = connect(arguments, needs_token=arguments.id is None)
    if arguments.id is None:
        return _list(client, as_json=arguments.json)
    submission = find(client, arguments.id)
    if isinstance(submission, Submission):
        if arguments.watch:
            submission = watch_submission(client, submission.id)
        _print(submission.raw if arguments.json else describe_submission(client, submission))
        return outcome(submission.evaluations)
    if arguments.watch:
        submission = watch_evaluation(client, submission)
    _print(submission.raw if arguments.json else _format_evaluation(submission, client.url))
    return outcome([submission])


def watch_evaluation(client: Client, evaluation: Evaluation) -> Evaluation:
    """Show it on stderr until it has ended; Ctrl-C leaves it running."""
    display = Display(sys.stderr)
    try:
        for seen in client.follow(evaluation.id):
            evaluation = seen
            display.update([seen])
    except KeyboardInterrupt:
        _say_how_to_go_on(evaluation.id)
        raise
    return evaluation


def _list(client: Client, *, as_json: bool) -> int:
    submissions = list(islice(client.submissions(mine=True), _N_LISTED))
    if as_json:
        _print([submission.raw for submission in submissions])
        return ExitCode.OK
    if not submissions:
        print("You have submitted nothing yet: touchstone submit --help")
    for submission in submissions:
        states = Counter(_word(evaluation) for evaluation in submission.evaluations)
        counted = ", ".join(f"{n} {state}" for state, n in states.items()) or "no evaluations"
        when = f"{submission.created_at:%Y-%m-%d}" if submission.created_at else ""
        print(f"{short(submission.id)}  {when}  {submission.name:<36.36} {counted}")
    return ExitCode.OK


def _word(evaluation: Evaluation) -> str:
    return NOT_COVERED if evaluation.is_not_covered else evaluation.state


def _format_evaluation(evaluation: Evaluation, url: str) -> str:
    name = evaluation.submission.name if evaluation.submission else ""
    lines = [f"{name} on {evaluation.task} (version {evaluation.task_version})  {evaluation.id}"]
    lines.append(f"  {describe_state(evaluation)}")
    lines += [f"  {line}" for line in _waiting(evaluation)]
    lines += [f"  {line}" for line in _why(evaluation, leads_to_log=True)]
    for score in evaluation.scores:
        numbers = [score.value, score.low, score.high]
        value, low, high = ("–" if number is None else f"{number:.4g}" for number in numbers)
        lines.append(f"  {score.label:<24} {value} ({low} to {high}) {score.unit}".rstrip())
    if evaluation.page:
        lines.append(f"  {url}{evaluation.page}")
    return "\n".join(lines)


def _waiting(evaluation: Evaluation) -> list[str]:
    """Why it has not begun, and when it may."""
    if evaluation.state != "queued":
        return []
    lines = ["waits for the smoke evaluation to succeed"] if evaluation.held_by else []
    if evaluation.queue_position is not None:
        lines.append(f"place {evaluation.queue_position} in the queue")
    if evaluation.estimated_start_at is not None:
        lines.append(f"may start at about {evaluation.estimated_start_at:%Y-%m-%d %H:%M} UTC")
    return lines


def _publish(arguments: argparse.Namespace) -> int:
    client = connect(arguments)
    submission = client.publish(full_id(client, arguments.id))
    if arguments.json:
        _print(submission.raw)
    else:
        print(f"{submission.name} is public: {client.url}{submission.page}")
    return ExitCode.OK


def _logs(arguments: argparse.Namespace) -> int:
    client = connect(arguments)
    submission = find(client, arguments.id) if arguments.id else latest(client)
    if arguments.follow:
        submission = (
            watch_submission(client, submission.id)
            if isinstance(submission, Submission)
            else watch_evaluation(client, submission)
        )
    evaluations = submission.evaluations if isinstance(submission, Submission) else (submission,)
    logs = [(evaluation, client.logs(evaluation.id)) for evaluation in evaluations]
    if arguments.json:
        _print([{"evaluation": e.id, "task": e.task, **written.raw} for e, written in logs])
        return ExitCode.OK
    if not logs:
        print("It has no evaluations, and so no logs.", file=sys.stderr)
    for evaluation, written in logs:
        went_wrong = _went_wrong(evaluation)
        _print_log(client.evaluation(evaluation.id) if went_wrong else evaluation, written)
    return ExitCode.OK


def _print_log(evaluation: Evaluation, written: Logs) -> None:
    """What it wrote, as it wrote it; what we say of it goes to stderr."""
    print(f"== {evaluation.task}: {describe_state(evaluation)}", file=sys.stderr)
    for line in _why(evaluation, leads_to_log=False) if _went_wrong(evaluation) else []:
        print(line, file=sys.stderr)
    if not evaluation.has_ended:
        print("It has not ended; its logs are there once it has (--follow waits).", file=sys.stderr)
    elif not (written.stdout or written.stderr):
        print("It wrote nothing: its log is empty.", file=sys.stderr)
    # In order, should both be one terminal.
    sys.stderr.flush()
    print(written.stdout, end="", flush=True)
    print(written.stderr, end="", file=sys.stderr, flush=True)


def _cancel(arguments: argparse.Namespace) -> int:
    client = connect(arguments)
    submission = find(client, arguments.id) if arguments.id else latest(client, _is_under_way)
    evaluations = submission.evaluations if isinstance(submission, Submission) else (submission,)
    asked = []
    for evaluation in evaluations:
        if evaluation.has_ended and len(evaluations) > 1:
            continue
        try:
            asked.append(client.cancel(evaluation.id))
        except Conflict:
            # It ended in the meantime; when it is the one that was named, its owner is told.
            if len(evaluations) == 1:
                raise
    if arguments.json:
        _print([evaluation.raw for evaluation in asked])
        return ExitCode.OK
    for evaluation in asked:
        how = "is stopped" if evaluation.has_ended else "will stop within seconds"
        print(f"{evaluation.task} {how}  {short(evaluation.id)}")
    if not asked:
        print("All of its evaluations have ended.")
    return ExitCode.OK


def _is_under_way(submission: Submission) -> bool:
    return any(not evaluation.has_ended for evaluation in submission.evaluations)


def _print(content: Any) -> None:  # noqa: ANN401  (text, or any JSON)
    print(content if isinstance(content, str) else json.dumps(content, indent=2))
