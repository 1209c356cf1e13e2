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
    "committee": "committee",
    "tasks": "listing",
    "potentials": "listing",
    "data": "data",
    "runtime": "runtime",
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
    parser = build_parser(given[0] if given else None)
    parsed, unknown = parser.parse_known_args(given)
    if unknown:
        _refuse_unknown_options(parser, given, unknown)
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


def _refuse_unknown_options(
    parser: argparse.ArgumentParser, given: Sequence[str], unknown: Sequence[str]
) -> NoReturn:
    """Say which option of the command may be meant, where one is spelled alike."""
    from evaluator.cli.suggestions import near_to

    command = _command_of(parser, given)
    known = [option for action in command._actions for option in action.option_strings]
    wrong = next((word for word in unknown if word.startswith("-")), "").partition("=")[0]
    # Without the hyphens, by which all are alike.
    near = near_to(wrong[2:], [option[2:] for option in known]) if wrong[2:] else []
    hint = f": did you mean {' or '.join(f'--{name}' for name in near)}?" if near else ""
    words = f"there is no option {wrong}{hint}" if wrong else f"too much: {' '.join(unknown)}"
    command.error(words)


def _command_of(parser: argparse.ArgumentParser, given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command that is given, of its subcommand where it has such."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            named = next((word for word in given if word in action.choices), None)
            if named is not None:
                inner: argparse.ArgumentParser = action.choices[named]
                return _command_of(inner, given)
    return parser


def _refuse_unknown(command: str) -> NoReturn:
    from evaluator.cli.suggestions import did_you_mean

    hint = did_you_mean(command, _COMMANDS)
    print(f"usage: touchstone COMMAND\ntouchstone: there is no command {command!r}: {hint}",
          file=sys.stderr)  # fmt: skip
    raise SystemExit(ExitCode.USAGE)
