"""``touchstone validate``: run the service's smoke task here, before anything is submitted."""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from evaluator.catalog import CONSISTENCY
from evaluator.catalog.verdicts import VERDICTS
from evaluator.cli.artifact import add_artifact_arguments, resolve_artifact
from evaluator.cli.building import build_runtimes
from evaluator.cli.data import fetch
from evaluator.cli.devices import add_device_argument, check_device
from evaluator.cli.exit_codes import ExitCode, describe_exit_codes, exit_code_of
from evaluator.cli.places import add_mirror_argument
from evaluator.cli.progress_bar import ProgressBar
from evaluator.contract import EvaluationReport, SubmissionSpec, SystemRecord, SystemStatus, Verdict
from evaluator.driver.consistency import TOLERABLE
from evaluator.driver.evaluation import evaluate
from evaluator.sandbox.find import SandboxPolicy, find_sandbox
from evaluator.standard_tasks.read import SMOKE_TASK, standard_task

#: A call on few atoms that takes so long, and nearly as long as one on many, computes little.
_IDLE_CALL_S = 0.5
_IDLE_GROWTH = 1.3
_IDLE_SIZE_RATIO = 8
#: A log beyond this is cut, and writing it takes time from every evaluation.
_CHATTY_BYTES = 16_000
#: File, line and class of a warning, and the line of code that Python shows below it.
_WARNING = re.compile(r"^\S+:\d+: \w*Warning: .*\n?(?:^[ \t]+\S.*\n?)?", re.MULTILINE)


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "validate",
        help="try a file as the service would, before it is submitted",
        description="Runs the task that the service runs first, in the same sandbox: does the file "
        "load, and does it answer with finite energies, forces and stress?",
        epilog=describe_exit_codes(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_artifact_arguments(parser)
    add_device_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    parser.add_argument(
        "--allow-unsandboxed",
        action="store_true",
        help="without bubblewrap, run built-in kinds (ase, dummy) all the same",
    )
    add_mirror_argument(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    task = standard_task(SMOKE_TASK).spec
    assert task.reference is not None  # noqa: S101  (the standard tasks have one)
    sandbox = find_sandbox(SandboxPolicy(allow_unsandboxed_built_in=arguments.allow_unsandboxed))
    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        potential = resolve_artifact(arguments, Path(folder))
        check_device(arguments.device, potential.spec.calculator_kind)
        reference = fetch(task.reference.name, arguments).path
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
                progress=bar.show,
            )
    if arguments.json:
        print(json.dumps({"potential": potential.spec.to_json(), **report.to_json()}, indent=2))
    else:
        print(format_validation(potential.spec, report))
    return ExitCode.RUNTIME_ERROR if _has_failures(report) else exit_code_of(report)


def _has_failures(report: EvaluationReport) -> bool:
    """The service would score it, but structures as simple as these should not fail."""
    return report.verdict is Verdict.OK and report.n_failed > 0


def format_validation(potential: SubmissionSpec, report: EvaluationReport) -> str:
    """What the service would find, and what to do about each problem."""
    lines = [f"{potential.name} ({potential.calculator_kind})", ""]
    if report.is_not_covered:
        lines += [
            "It loads. It covers none of the structures that are tried first, as each holds an",
            "element that it does not support. The service goes on with the tasks that it covers.",
        ]
        return "\n".join(lines)
    if report.verdict is not Verdict.OK:
        lines += [f"The service would refuse it: {report.verdict}. {report.message}"]
        lines += [f"  {VERDICTS[report.verdict].what_to_do}"]
        return "\n".join([*lines, *_written(report)])
    verb = "answers" if not report.n_failed else "FAILS on some structures"
    lines.append(f"It loads and {verb}; the service would evaluate it.")
    lines += [*_elements(report), *_failures(report), *_speed(report), *_figures(report)]
    lines += _findings(report, potential.calculator_kind)
    return "\n".join(lines + (_written(report) if report.n_failed else []))


def _written(report: EvaluationReport) -> list[str]:
    """The end of what it wrote, where that may tell why."""
    lines = without_warnings(report.stderr).splitlines() or report.stdout.rstrip().splitlines()
    tail = lines[-15:]
    return ["", "It wrote:", *(f"  {line}" for line in tail)] if tail else []


def without_warnings(text: str) -> str:
    """What was written without Python's warnings of the packages, which are nobody's to mend.

    >>> without_warnings("/a/torch/b.py:3: UserWarning: old\\n  warnings.warn(old)\\nno weights\\n")
    'no weights'
    """
    return _WARNING.sub("", text).rstrip()


def _elements(report: EvaluationReport) -> list[str]:
    n_judged = report.n_systems - report.n_unsupported
    lines = [f"Structures   {n_judged} of {report.n_systems} hold only elements that it supports"]
    missing = [s.system_id for s in report.systems if s.status is SystemStatus.UNSUPPORTED]
    if missing and n_judged:
        shown = ", ".join(missing[:12]) + (", ..." if len(missing) > 12 else "")
        lines.append(f"             not: {shown}; tasks with such elements count as not covered")
    return lines


def _failures(report: EvaluationReport) -> list[str]:
    failed = [s for s in report.systems if s.status is SystemStatus.FAILED]
    if not failed:
        return []
    reasons = Counter(system.message for system in failed)
    lines = [f"Failures     {len(failed)}; each would be charged as the worst value"]
    for message, count in reasons.most_common(5):
        names = [s.system_id for s in failed if s.message == message][:6]
        lines.append(f"             {', '.join(names)}{' ...' if count > 6 else ''}: {message}")
    return lines


def _speed(report: EvaluationReport) -> list[str]:
    timed = [s for s in report.systems if s.n_calls and s.values.get("n_atoms")]
    if not timed:
        return []
    largest = max(timed, key=lambda s: int(s.values["n_atoms"]))
    smallest = min(timed, key=lambda s: int(s.values["n_atoms"]))
    shown = [smallest] if smallest is largest else [smallest, largest]
    times = ", ".join(f"{_call_s(s):.3g} s for {s.values['n_atoms']} atoms" for s in shown)
    return [f"A call       {times}; {report.wall_time_s:.1f} s in all, loading included"]


def _findings(report: EvaluationReport, kind: str) -> list[str]:
    """What the author most likely got wrong, in the driver's sentences and some of ours."""
    sentences = list(report.consistency.get("findings", ()))
    if kind == "package":  # what else takes or writes is the service's own code
        sentences += [*_dead_time(report), *_chatter(report)]
    if not sentences:
        return []
    lines = ["", "To look at"]
    for sentence in sentences:
        lines += textwrap.wrap(sentence, 96, initial_indent="  * ", subsequent_indent="    ")
    return lines


def _dead_time(report: EvaluationReport) -> list[str]:
    """Time that every call takes, whatever it is asked."""
    timed = sorted(
        (s for s in report.systems if s.n_calls and s.values.get("n_atoms")),
        key=lambda s: int(s.values["n_atoms"]),
    )
    few, many = timed[: len(timed) // 2], timed[-1:]
    if not few or many[0].values["n_atoms"] < _IDLE_SIZE_RATIO * few[0].values["n_atoms"]:
        return []
    few_s, many_s = statistics.median(map(_call_s, few)), _call_s(many[0])
    if few_s < _IDLE_CALL_S or many_s > _IDLE_GROWTH * few_s:
        return []
    return [
        (
            f"A call takes {few_s:.2g} s however few the atoms ({many_s:.2g} s for "
            f"{many[0].values['n_atoms']}): nearly all of it goes by before anything is computed. "
            "Load the model and build what does not change once, in the entry point."
        )
    ]


def _chatter(report: EvaluationReport) -> list[str]:
    n_bytes = len(report.stdout) + len(report.stderr)
    if n_bytes < _CHATTY_BYTES:
        return []
    return [
        (
            f"It writes a lot ({n_bytes // 1000} kB or more in this short task). Of a log its "
            "beginning and its end are kept; remove progress bars and prints from calculate()."
        )
    ]


def _call_s(system: SystemRecord) -> float:
    return system.wall_time_s / system.n_calls


def _figures(report: EvaluationReport) -> list[str]:
    figures = report.consistency
    lines = []
    for column in CONSISTENCY:
        value = figures.get(column.name)
        if value is None:
            continue
        limit = TOLERABLE.get(column.unit)
        is_symmetry = not column.name.startswith(("force_gradient", "stress_gradient"))
        mark = "  LARGE" if is_symmetry and limit is not None and value > limit else ""
        lines.append(f"  {column.label:<42} {value:9.2g} {column.unit}{mark}")
    hints = []
    # A mistake that is named below is to be mended, not declared.
    is_mistake = any(
        finding.startswith(("Twice the cell", "Forces are not")) and "times that" not in finding
        for finding in figures.get("findings", ())
    )
    if figures.get("is_conservative_measured") is False and not is_mistake:
        hints.append(
            "  Its forces are not the gradient of its energy: submit it with --non-conservative."
        )
    stresses = [s for s in report.systems if "stress_mae_GPa" in s.values]
    if not stresses and any(s.status is SystemStatus.OK for s in report.systems):
        hints.append("  It gives no stress: metrics that need one will charge the worst value.")
    return ["Consistency", *lines, *hints] if lines or hints else []
