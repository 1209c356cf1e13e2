"""``touchstone completion``: the script by which a shell completes commands, options and names."""

from __future__ import annotations

import argparse
from typing import Any

import shtab

from evaluator.cli.exit_codes import ExitCode
from evaluator.potentials.known import BASELINES, CHGNETS
from evaluator.standard_tasks.read import standard_benchmarks, standard_tasks

#: What stands behind an argument, by its name in the parser.
_FILES = frozenset({"path", "file", "card", "reference", "out", "bundle", "json"})
_FOLDERS = frozenset({"folder", "files", "mirror"})


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "completion",
        help="print a script that completes commands in your shell",
        description="For bash: touchstone completion bash > "
        "~/.local/share/bash-completion/completions/touchstone. For zsh: touchstone completion zsh "
        "> _touchstone, in a folder of your $fpath.",
    )
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from evaluator.cli import build_parser  # which imports this module

    parser = build_parser()
    _complete_names(parser)
    print(shtab.complete(parser, shell=arguments.shell))
    return ExitCode.OK


def _complete_names(parser: argparse.ArgumentParser) -> None:
    """Say of each argument what can stand there: a file, a folder, or a name that ships."""
    names = {
        "task": [task.slug for task in standard_tasks()],
        "benchmark": [benchmark.slug for benchmark in standard_benchmarks()],
        "calculator": [potential.reference for potential in (*CHGNETS, *BASELINES)],
    }
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _complete_names(below)
        elif action.dest in _FILES and action.nargs != 0:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.dest in _FOLDERS and action.nargs != 0:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.dest in names and action.choices is None:
            # Offered, not asked for: a service has names of its own, and nothing is parsed here.
            action.choices = names[action.dest]
