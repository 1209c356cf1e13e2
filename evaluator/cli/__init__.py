"""The command line, ``touchstone``: run public tasks on one's own machine, and use a service.

A command is a module beside this one with ``add_command(commands)``, which describes its
arguments and sets ``run``, a function from the parsed arguments to an exit code. To add a
command, write the module and name it in ``_COMMANDS``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from evaluator.cli.exit_codes import ExitCode
from evaluator.exceptions import InfrastructureError, SubmissionError
from evaluator.host.machine import package_version

#: Modules by the commands that they add.
_COMMANDS = {
    "login": "account",
    "logout": "account",
    "whoami": "account",
    "validate": "validate",
    "submit": "submit",
    "potential": "potential",
    "status": "following",
    "logs": "following",
    "cancel": "following",
    "publish": "following",
    "reevaluate": "acts",
    "withdraw": "acts",
    "leaderboard": "boards",
    "evaluate": "evaluate",
    "tasks": "listing",
    "potentials": "listing",
    "data": "data",
    "check": "check",
    "worker": "worker",
    "admin": "admin",
    "completion": "completion",
}


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands, or of one: asking a service need not wait for the physics."""
    parser = argparse.ArgumentParser(
        prog="touchstone", description="Judge machine-learning interatomic potentials."
    )
    version = package_version("touchstone-mlip") or "unknown"
    parser.add_argument("--version", action="version", version=f"touchstone {version}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    modules = [_COMMANDS[command]] if command in _COMMANDS else dict.fromkeys(_COMMANDS.values())
    for name in modules:
        import_module(f"evaluator.cli.{name}").add_command(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. What the user can correct is one line on stderr, without a traceback.

    What takes long to import is imported within: Ctrl-C is heard from the first moment on.
    """
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except EOFError:
        print("touchstone: no answer came, so nothing was done", file=sys.stderr)
        return ExitCode.USAGE
    except KeyboardInterrupt:
        print("touchstone: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; nothing is left to say, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK


def _run(given: Sequence[str]) -> int:
    from evaluator.cli.service import describe_error, exit_code_of_error
    from evaluator.client import ClientError

    if given and not given[0].startswith("-") and given[0] not in _COMMANDS:
        _refuse_unknown(given[0])
    parsed = build_parser(given[0] if given else None).parse_args(given)
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()
    except SubmissionError as error:
        print(f"touchstone: {error}", file=sys.stderr)
        return ExitCode.USAGE
    except ClientError as error:
        print(f"touchstone: {describe_error(error)}", file=sys.stderr)
        return exit_code_of_error(error)
    except InfrastructureError as error:
        print(f"touchstone: {error}", file=sys.stderr)
        return ExitCode.INFRASTRUCTURE_ERROR
    except OSError as error:
        if error.filename is None:
            raise
        # A file of the user's: a folder in its place, no right to it, a name too long, a full disk.
        print(f"touchstone: {error.filename}: {error.strerror}", file=sys.stderr)
        return ExitCode.USAGE
    return code


def _refuse_unknown(command: str) -> NoReturn:
    from evaluator.cli.suggestions import did_you_mean

    hint = did_you_mean(command, _COMMANDS)
    print(f"usage: touchstone COMMAND\ntouchstone: there is no command {command!r}: {hint}",
          file=sys.stderr)  # fmt: skip
    raise SystemExit(ExitCode.USAGE)
