"""A report as a person reads it in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from evaluator.catalog import METRICS, PROTOCOLS, format_number
from evaluator.contract import (
    EvaluationReport,
    ScoreRecord,
    SystemRecord,
    SystemStatus,
    TaskSpec,
    Verdict,
)

_MAX_MESSAGES = 12


def format_report(
    task: TaskSpec, potential: str, report: EvaluationReport, *, is_whole: bool
) -> str:
    """Scores with their intervals, what failed, and the consistency checks."""
    lines = [f"{potential} on {task.slug} (version {task.version})", ""]
    if report.is_not_covered:
        lines += [f"Not covered. {report.message}", ""]
    elif report.verdict is not Verdict.OK:
        lines += [f"Verdict: {report.verdict}. {report.message}", ""]
    if report.scores:
        lines += format_table([_HEAD, *(_metric_row(score) for score in report.scores)])
        lines += ["", *_task_score(report, is_whole)]
    if report.why_unreliable:
        lines.append(f"These times would not be ranked. {report.why_unreliable}")
    lines += _systems(task, report)
    lines += _consistency(report)
    lines.append(f"Wall time {report.wall_time_s:.1f} s")
    return "\n".join(lines)


_HEAD = ("metric", "value", "95 % interval", "unit", "score", "n", "failed")


def _metric_row(score: ScoreRecord) -> tuple[str, ...]:
    metric = METRICS[score.metric]
    low, high = (format_number(bound, metric.digits) for bound in (score.low, score.high))
    return (
        metric.label,
        format_number(score.value, metric.digits),
        f"{low} to {high}",
        metric.unit,
        format_number(score.score, 3),
        str(score.n),
        str(score.n_failed),
    )


def _task_score(report: EvaluationReport, is_whole: bool) -> list[str]:
    if report.task_score is None:
        return []
    score = report.task_score
    value, low, high = (format_number(x, 3) for x in (score.value, score.low, score.high))
    if is_whole:
        return [f"Task score {value} ({low} to {high})"]
    return [
        f"Score of these {report.n_systems} systems {value} ({low} to {high})",
        "NOT the task's score: only a part of its systems was judged.",
    ]


def _systems(task: TaskSpec, report: EvaluationReport) -> list[str]:
    coverage = "–" if report.coverage is None else f"{100 * report.coverage:.1f} %"
    answered = [system for system in report.systems if system.status is SystemStatus.OK]
    n_well = sum(not _why_failed(system) for system in answered)
    counted = (
        f"Systems {report.n_systems}: {n_well} well, {report.n_failed} failed, "
        f"{report.n_unsupported} not covered (coverage {coverage})"
    )
    lines = [counted]
    failed = [system for system in report.systems if _why_failed(system)]
    lines += [f"  {system.system_id}: {_why_failed(system)}" for system in failed[:_MAX_MESSAGES]]
    if len(failed) > _MAX_MESSAGES:
        lines.append(f"  and {len(failed) - _MAX_MESSAGES} more")
    return lines


def _why_failed(system: SystemRecord) -> str:
    """Empty for one that is well; a trajectory may leave physics and still have a time to score."""
    if system.status is SystemStatus.FAILED:
        return system.message or "It failed."
    return str(system.values.get("failure_message", ""))


def format_systems(task: TaskSpec, report: EvaluationReport) -> str:
    """One line per system: the columns of the protocol, predicted and reference."""
    columns = PROTOCOLS[task.protocol].columns
    head = ["system"]
    for column in columns:
        unit = f" ({column.unit})" if column.unit else ""
        head += [f"{column.label}{unit}", "reference"]
    rows = [tuple(head)]
    for system in report.systems:
        row = [system.system_id]
        for column in columns:
            for values in (system.values, system.reference):
                row.append(format_number(values.get(column.name), column.digits))
        rows.append(tuple(row))
    return "\n".join(format_table(rows))


def _consistency(report: EvaluationReport) -> list[str]:
    figures = report.consistency
    if "is_conservative_measured" not in figures:
        message = [figures["message"]] if "message" in figures else []
        return [*message, *figures.get("findings", ())]
    is_gradient = "are" if figures["is_conservative_measured"] else "ARE NOT"
    forces = (
        f"Forces {is_gradient} the gradient of the energy "
        f"(RMS difference {figures['force_gradient_error_eV_A_rms']:.2g} eV/Å); turned structures "
        f"differ by {figures['rotation_energy_error_meV_atom_max']:.2g} meV/atom"
    )
    return [forces, *figures.get("findings", ())]


def format_table(rows: Sequence[Sequence[str]], *, n_left: int = 1) -> list[str]:
    """Lines of aligned columns, the first ``n_left`` to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i < n_left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
