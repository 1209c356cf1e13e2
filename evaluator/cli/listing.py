"""``touchstone tasks`` and ``touchstone potentials``: what can be named on the command line."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from evaluator import catalog
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.places import add_mirror_argument, mirror_folder
from evaluator.potentials.names import known_potentials
from evaluator.standard_tasks.read import standard_tasks


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    tasks = commands.add_parser("tasks", help="list the standard tasks")
    tasks.add_argument("--json", action="store_true", help="print JSON")
    tasks.set_defaults(run=_tasks)

    potentials = commands.add_parser("potentials", help="list the potentials at hand")
    potentials.add_argument("--json", action="store_true", help="print JSON")
    add_mirror_argument(potentials)
    potentials.set_defaults(run=_potentials)


def _tasks(arguments: argparse.Namespace) -> int:
    tasks = standard_tasks()
    if arguments.json:
        print(json.dumps([asdict(task) for task in tasks], indent=2))
        return ExitCode.OK
    for task in tasks:
        spec = task.spec
        label = catalog.PROTOCOLS[spec.protocol].label
        level = spec.reference.level_of_theory if spec.reference else "none"
        theory = "" if level == "none" else f", against {level}"
        print(f"{task.slug} (version {task.version})")
        print(f"    {task.title}. {label}{theory}.")
    return ExitCode.OK


def _potentials(arguments: argparse.Namespace) -> int:
    potentials = known_potentials(mirror_folder(arguments))
    if arguments.json:
        print(json.dumps([asdict(potential) for potential in potentials], indent=2))
        return ExitCode.OK
    for potential in potentials:
        kind = "baseline" if potential.is_baseline else potential.level_of_theory
        print(f"{potential.reference}")
        print(f"    {potential.name} ({kind})")
    print("\nKinds of artifacts that can be named as KIND:PATH")
    for kind_of in catalog.CALCULATOR_KINDS.values():
        print(f"{kind_of.name}\n    {kind_of.artifact}")
    return ExitCode.OK
