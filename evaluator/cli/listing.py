"""``touchstone tasks`` and ``touchstone potentials``: what can be named on the command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from evaluator import catalog
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.places import add_mirror_argument, mirror_folder
from evaluator.cli.service import add_service_arguments, named_url
from evaluator.cli.service_tasks import served_rows
from evaluator.cli.told_names import remember
from evaluator.contract import TaskSpec
from evaluator.potentials.names import known_potentials
from evaluator.standard_tasks.read import standard_tasks


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    tasks = commands.add_parser(
        "tasks",
        help="list the tasks that touchstone evaluate can run",
        description="The tasks of the service that is named or signed in to, and those that ship.",
    )
    add_service_arguments(tasks)
    tasks.set_defaults(run=_tasks)

    potentials = commands.add_parser("potentials", help="list the potentials at hand")
    potentials.add_argument("--json", action="store_true", help="print JSON")
    add_mirror_argument(potentials)
    potentials.set_defaults(run=_potentials)


def _tasks(arguments: argparse.Namespace) -> int:
    shipped = standard_tasks()
    served = served_rows(arguments, lambda client: client.tasks())
    if arguments.json:
        rows = [asdict(task) for task in shipped] if served is None else served
        print(json.dumps(rows, indent=2))
        return ExitCode.OK
    if served is not None:
        remember(named_url(arguments), "task", [row["slug"] for row in served])
    for row in served or ():
        print(f"{row['slug']} (version {row['version']})")
        print(f"    {row['summary']} {_how(row['protocol'], row['reference_set'])}")
    slugs = {row["slug"] for row in served or ()}
    if served is not None:
        print(f"\n{len(served)} tasks of {named_url(arguments)}. Shipped beside them:")
    for task in shipped:
        if task.slug not in slugs:
            level = {"level_of_theory": _level(task.spec)}
            print(f"{task.slug} (version {task.version})")
            print(f"    {task.title}. {_how(task.spec.protocol, level)}")
    return ExitCode.OK


def _level(spec: TaskSpec) -> str:
    return spec.reference.level_of_theory if spec.reference else "none"


def _how(protocol: str, reference: Mapping[str, Any] | None) -> str:
    """The protocol in words, what it is held against, and whether the set can be had."""
    known = catalog.PROTOCOLS.get(protocol)
    level = (reference or {}).get("level_of_theory") or "none"
    theory = "" if level == "none" else f", against {level}"
    is_hidden = (reference or {}).get("is_public") is False
    hidden = " The set is hidden: the service alone runs it." if is_hidden else ""
    return f"{known.label if known else protocol}{theory}.{hidden}"


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
