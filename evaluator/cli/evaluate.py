"""``touchstone evaluate``: run a task on this machine, with the same code as the service."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluator.cli.artifact import read_elements
from evaluator.cli.building import build_for_weights, build_runtimes
from evaluator.cli.data import fetch
from evaluator.cli.devices import add_device_argument, check_device
from evaluator.cli.exit_codes import describe_exit_codes, exit_code_of
from evaluator.cli.output_folder import SystemFolders, format_files
from evaluator.cli.places import add_mirror_argument
from evaluator.cli.progress_bar import ProgressBar
from evaluator.cli.reference_files import canonical_reference
from evaluator.cli.report_table import format_report, format_systems
from evaluator.cli.service import add_url_argument
from evaluator.cli.service_tasks import reference_file, shipped_name
from evaluator.cli.system_names import matching
from evaluator.cli.task_files import ChosenTask, choose_task, local_reference
from evaluator.contract import EvaluationReport, SubmissionSpec, TaskSpec
from evaluator.driver.evaluation import evaluate
from evaluator.exceptions import SubmissionError
from evaluator.host import machine
from evaluator.pool.pool import PoolPlan, plan_pool
from evaluator.potentials.names import ResolvedPotential, resolve
from evaluator.protocols import PROTOCOLS
from evaluator.protocols.base import UnsuitableReference
from evaluator.references import sets
from evaluator.references.convention_options import add_convention_arguments
from evaluator.sandbox.find import SandboxPolicy, find_sandbox


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "evaluate",
        help="run a task on this machine, without a server",
        epilog=describe_exit_codes(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--task",
        required=True,
        metavar="TASK",
        help="name of a task (see touchstone tasks), or a .toml or .json file",
    )
    parser.add_argument("--version", type=_count, metavar="N", help="of the service's task")
    parser.add_argument(
        "--calculator",
        required=True,
        metavar="KIND:WHAT",
        help="a potential, e.g. chgnet:0.3.0, ase:emt or mace:my.model (see touchstone potentials)",
    )
    parser.add_argument(
        "--elements",
        metavar="A,B",
        help="supported elements, e.g. Si,O, as they were declared; else the checkpoint tells",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything found as JSON")
    parser.add_argument(
        "--files",
        type=Path,
        metavar="DIR",
        help="write the output files (trajectories, bands), in a folder for each system",
    )
    parser.add_argument(
        "--systems",
        metavar="A,B",
        help="judge only these (names, or formulas in any order of the elements); the result is "
        "then not the task's score",
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="extended XYZ or JSON, for a task from a file (see touchstone data check)",
    )
    parser.add_argument("--table", action="store_true", help="print a line for each system too")
    add_device_argument(parser)
    parser.add_argument("--processes", type=_count, metavar="N", help="calculator processes")
    parser.add_argument("--threads", type=_count, metavar="N", help="threads of each process")
    parser.add_argument(
        "--allow-unsandboxed",
        action="store_true",
        help="without bubblewrap, run built-in kinds (ase, dummy) all the same",
    )
    add_url_argument(parser)
    add_mirror_argument(parser)
    add_convention_arguments(parser)
    parser.set_defaults(run=_run)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above zero")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.json is not None and not arguments.json.absolute().parent.is_dir():
        raise SubmissionError(f"the folder of {arguments.json} does not exist")
    # Before the sandbox, whose search starts bubblewrap for a trial.
    chosen = choose_task(arguments)
    task = chosen.spec
    sandbox = find_sandbox(SandboxPolicy(allow_unsandboxed_built_in=arguments.allow_unsandboxed))

    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        own = canonical_reference(arguments, Path(folder))
        if own is not None:
            task = replace(task, reference=local_reference(own))
        potential = _potential(arguments, Path(folder))
        check_device(arguments.device, potential.spec.calculator_kind)
        reference = own or _reference(chosen, arguments)
        only = _only(task, reference, arguments.systems)
        folders = SystemFolders(arguments.files) if arguments.files else None
        runtimes = build_runtimes(task, potential.spec, arguments.device)
        with ProgressBar() as bar:
            report = evaluate(
                task,
                potential.spec,
                potential.artifact,
                reference,
                sandbox=sandbox,
                runtimes=runtimes,
                device=arguments.device,
                plan=_plan(arguments),
                only=only,
                progress=bar.show,
                store_file=folders.write if folders else lambda record, content: None,
            )

    if arguments.json is not None:
        _write_json(arguments.json, task, potential.spec, report, is_whole=only is None)
    if arguments.table:
        print(format_systems(task, report), end="\n\n")
    print(format_report(task, potential.spec.name, report, is_whole=only is None))
    if report.files:
        print(format_files(report.files, arguments.files))
    return exit_code_of(report)


def _potential(arguments: argparse.Namespace, folder: Path) -> ResolvedPotential:
    build_for_weights(arguments.calculator)
    resolved = resolve(arguments.calculator, folder)
    if arguments.elements is None:
        return resolved
    elements = read_elements(arguments.elements)
    return replace(resolved, spec=replace(resolved.spec, supported_elements=elements))


def _reference(chosen: ChosenTask, arguments: argparse.Namespace) -> Path:
    reference = chosen.spec.reference
    assert reference is not None  # noqa: S101  (choose_task sees to it)
    if chosen.client is None:
        return fetch(reference.name, arguments).path
    shipped = shipped_name(reference.sha256)
    if shipped is not None:
        return fetch(shipped, arguments).path
    return reference_file(chosen.client, reference)


def _only(task: TaskSpec, reference: Path, wanted: str | None) -> frozenset[str] | None:
    """Names of the systems that were asked for; checks the reference while at it."""
    try:
        systems = sets.read(reference)
        PROTOCOLS[task.protocol].check_reference(systems, [metric.key for metric in task.metrics])
    except UnsuitableReference as error:
        raise SubmissionError(f"the reference set does not suit the task: {error}") from error
    if wanted is None:
        return None
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if not names:
        raise SubmissionError("--systems names nothing")
    return matching(names, systems)


def _plan(arguments: argparse.Namespace) -> PoolPlan | None:
    """None where the user leaves it to the evaluator."""
    if arguments.processes is None and arguments.threads is None:
        return None
    plan = plan_pool(arguments.device, machine.n_cores())
    n_processes = arguments.processes or plan.n_processes
    return replace(
        plan,
        n_processes=n_processes,
        n_threads=arguments.threads or plan.n_threads,
        n_systems=max(plan.n_systems, 2 * n_processes),
        origin="given",
    )


def _write_json(
    path: Path,
    task: TaskSpec,
    potential: SubmissionSpec,
    report: EvaluationReport,
    *,
    is_whole: bool,
) -> None:
    content = {
        "task": task.to_json(),
        "is_whole_task": is_whole,
        "potential": potential.to_json(),
        **report.to_json(),
    }
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)
