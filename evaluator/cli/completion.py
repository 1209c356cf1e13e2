"""``touchstone completion``: the script by which a shell completes commands, options and names.

Names of tasks, benchmarks and potentials are those that the service told last that is signed in to,
else those that ship. Nothing is asked of a service while a name is completed.
"""

from __future__ import annotations

import argparse
from typing import Any

import shtab

from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.told_names import command_that_lists
from evaluator.potentials.names import shipped_references
from evaluator.references.sets import known_references
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
    """Say of each argument what can stand there: a file, a folder, or a name."""
    names = {
        "calculator": shipped_references(),
        "names": list(known_references()),
    }
    told = {
        "task": ("task", [task.slug for task in standard_tasks()]),
        "benchmark": ("benchmark", [benchmark.slug for benchmark in standard_benchmarks()]),
        "potential": ("potential", []),
        "slug": ("potential", []),
    }
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _complete_names(below)
        elif action.dest in _FILES and action.nargs != 0:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.dest in _FOLDERS and action.nargs != 0:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif action.dest in told and action.choices is None:
            action.complete = _listed_by(*told[action.dest])  # type: ignore[attr-defined]
        elif action.dest in names and action.choices is None:
            # Offered, not asked for: a service has names of its own, and nothing is parsed here.
            action.choices = names[action.dest]


def _listed_by(kind: str, shipped: list[str]) -> dict[str, Any]:
    """The names that a service told last, which a file holds; without one those that ship."""
    command, name = command_that_lists(kind, shipped), f"_touchstone_{kind}s"
    # Slashes end a rule of tcsh, which has no functions either: it gets what ships.
    return {
        "bash": name,
        "zsh": name,
        "tcsh": f"`echo {' '.join(shipped)}`" if shipped else "",
        "preamble": {
            "bash": f'{name}() {{\n  compgen -W "$({command})" -- "$1"\n}}',
            "zsh": f"{name}() {{\n  compadd -- $({command})\n}}",
        },
    }
