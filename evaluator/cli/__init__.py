"""The command line, ``touchstone``: run public tasks on one's own machine, without a server.

A command is a module beside this one with ``add_command(commands)``, which describes its
arguments and sets ``run``, a function from the parsed arguments to an exit code. To add a
command, write the module and name it in ``_COMMANDS``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from evaluator.cli import check, data, evaluate, listing
from evaluator.cli.exit_codes import ExitCode
from evaluator.exceptions import InfrastructureError, SubmissionError
from evaluator.machine import package_version

_COMMANDS = (evaluate, listing, data, check)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="touchstone", description="Judge machine-learning interatomic potentials."
    )
    version = package_version("touchstone-mlip") or "unknown"
    parser.add_argument("--version", action="version", version=f"touchstone {version}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_command(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. What the user can correct is one line on stderr, without a traceback."""
    parsed = build_parser().parse_args(arguments)
    try:
        code = int(parsed.run(parsed))
        sys.stdout.flush()
    except SubmissionError as error:
        print(f"touchstone: {error}", file=sys.stderr)
        return ExitCode.USAGE
    except InfrastructureError as error:
        print(f"touchstone: {error}", file=sys.stderr)
        return ExitCode.INFRASTRUCTURE_ERROR
    except KeyboardInterrupt:
        print("touchstone: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; nothing is left to say, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    return code
