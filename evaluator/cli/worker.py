"""``touchstone worker``: evaluate for a service on this machine."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, NoReturn

from evaluator.cli.check import findings_of_part
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.findings import faults_of, printed
from evaluator.exceptions import InfrastructureError


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "worker",
        help="evaluate for a service on this machine",
        description="Tries what a worker needs (database, broker, data folder, sandbox, device, "
        "calculators; status 30 with a line for each fault), then becomes a Celery worker. It is "
        "set up by the environment, as deploy/environment.example shows.",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=1,
        metavar="N",
        help="evaluations at the same time (default 1; each uses all cores)",
    )
    parser.add_argument("--name", default="worker", help="this worker's, before @ and the host's")
    parser.add_argument("--check", action="store_true", help="check, and start nothing")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    faults = faults_of(list(printed(findings_of_part("worker"))))
    if faults:
        raise InfrastructureError(f"this machine cannot be a worker; faults: {faults}")
    print("This machine can be a worker.")
    if not arguments.check:
        _become_worker(arguments)
    return ExitCode.OK


def _become_worker(arguments: argparse.Namespace) -> NoReturn:
    command = [
        *(sys.executable, "-m", "celery", "--app", "leaderboard", "worker"),
        *("--queues", "evaluations", "--concurrency", str(arguments.concurrency)),
        *("--without-gossip", "--without-mingle", "--hostname", f"{arguments.name}@%h"),
        *("--loglevel", "INFO"),
    ]
    sys.stdout.flush()
    # In place of this process, so that a supervisor's signals reach Celery itself.
    os.execv(sys.executable, command)  # noqa: S606
