"""``touchstone worker``: evaluate for a service on this machine."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from typing import Any, NoReturn

from evaluator.cli.exit_codes import ExitCode
from evaluator.exceptions import InfrastructureError
from evaluator.sandbox.find import SandboxPolicy, find_sandbox

_MODULES = {"celery": "celery", "django": "Django", "leaderboard": "the web service"}
_VARIABLES = ("DATABASE_URL", "CELERY_BROKER_URL", "TOUCHSTONE_SECRET_KEY")


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "worker",
        help="evaluate for a service on this machine",
        description="Checks that this machine can, then becomes a Celery worker. It is set up by "
        "the environment, as deploy/environment.example shows.",
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
    _check()
    if not arguments.check:
        _become_worker(arguments)
    print("This machine can be a worker.")
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


def _check() -> None:
    """Raises InfrastructureError that names everything that is missing."""
    missing = [
        f"{what} (pip install 'touchstone-mlip[web,evaluator]')"
        for module, what in _MODULES.items()
        if importlib.util.find_spec(module) is None
    ]
    missing += [
        f"the environment variable {name}" for name in _VARIABLES if not os.environ.get(name)
    ]
    if missing:
        raise InfrastructureError(f"a worker needs {'; '.join(missing)}")
    # As leaderboard/settings.py reads them, which cannot be imported here.
    is_development = os.environ.get("TOUCHSTONE_DEVELOPMENT") == "1"
    strict = os.environ.get("TOUCHSTONE_REQUIRE_CGROUP", "0" if is_development else "1")
    # Raises SandboxUnavailable, which says what to install.
    find_sandbox(SandboxPolicy(require_cgroup=strict == "1"))
