"""Judges a task version before it is published: every complaint names its field."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from evaluator.catalog import (
    METRICS,
    PROTOCOLS,
    SHIPPED_POTENTIALS,
    Direction,
    ParameterError,
    Protocol,
    check_parameters,
)
from evaluator.catalog.skill import is_telling
from evaluator.contract import Limits, ScoredMetric, are_scored_by_skill
from leaderboard.models import ReferenceSet, TaskVersion

#: What a metric judges, by the first word of its key, is what each structure must carry.
_PROPERTY_BY_QUANTITY = {
    "energy": "energy",
    "force": "forces",
    "softening": "forces",
    "stress": "stress",
}


def check_task_version(version: TaskVersion) -> dict[str, str]:
    """Return field -> sentence for everything that is wrong; empty when it can be published.

    Fills in nothing and stores nothing.
    """
    errors: dict[str, str] = {}
    for field in ("description", "limitations"):
        if not getattr(version, field).strip():
            errors[field] = "Write at least a sentence: readers of the page rely on it."
    protocol = PROTOCOLS.get(version.protocol)
    if protocol is None:
        known = ", ".join(PROTOCOLS)
        return errors | {"protocol": f"{version.protocol!r} is unknown; known are {known}."}
    if version.protocol_version != protocol.version:
        errors["protocol_version"] = (
            f"The code is version {protocol.version} of {protocol.name}, not "
            f"{version.protocol_version}: only what runs can be published."
        )
    if not 0.0 <= version.min_coverage <= 1.0:
        errors["min_coverage"] = "must be between 0 and 1."
    complaints = {
        "parameters": _check_parameters(protocol, version.parameters),
        "metrics": _check_metrics(protocol, version.metrics),
        "limits": _check_limits(version.limits),
    }
    if not complaints["metrics"]:
        keys = [row["key"] for row in version.metrics]
        complaints["reference_set"] = check_reference(version.reference_set, protocol, keys)
    return errors | {field: sentence for field, sentence in complaints.items() if sentence}


def _check_parameters(protocol: Protocol, parameters: object) -> str:
    if not isinstance(parameters, Mapping):
        return "must be a JSON object."
    try:
        checked = check_parameters(protocol.parameters, parameters)
    except ParameterError as error:
        return f"{error}."
    return check_reference_potential(str(checked.get("reference_potential", "")))


def check_reference_potential(name: str) -> str:
    """What is timed beside a submission must be where the driver sees it; settings may follow."""
    if not name or name.partition(",")[0] in SHIPPED_POTENTIALS:
        return ""
    return (
        f"reference_potential must be one that ships ({', '.join(SHIPPED_POTENTIALS)}), or empty "
        f"for none, not {name!r}: where a worker evaluates, no other files of its host are seen."
    )


def complaints_by_metric(protocol: Protocol, rows: Sequence[object]) -> dict[str, list[str]]:
    """Key -> what is wrong with its row; under an empty key what no single row is to blame for."""
    complaints: dict[str, list[str]] = {}
    metrics = []
    for row in rows:
        key = row.get("key") if isinstance(row, dict) else None
        name = key if isinstance(key, str) else repr(row)
        try:
            metric = _read_metric(row)
        except (TypeError, ValueError) as error:
            complaints.setdefault(name, []).append(str(error))
            continue
        metrics.append(metric)
        if wrong := _check_metric(protocol, metric):
            complaints.setdefault(name, []).extend(wrong)
    keys = [metric.key for metric in metrics]
    for key in sorted(set(keys)):
        if keys.count(key) > 1:
            complaints.setdefault(key, []).append("stands twice")
    if are_scored_by_skill(metrics):
        for metric in metrics:
            if metric.weight > 0 and metric.noise is None:
                complaints.setdefault(metric.key, []).append(
                    "another metric tells its noise, and then each that is scored must: the task "
                    "is scored by skill, system by system"
                )
    if not complaints and sum(metric.weight for metric in metrics) <= 0:
        complaints[""] = ["at least one weight must be positive"]
    return complaints


def check_reference(reference: ReferenceSet | None, protocol: Protocol, keys: Sequence[str]) -> str:
    """Whether the set carries what these metrics need; empty where it does."""
    needed = _needed_properties(protocol, keys)
    if reference is None:
        return f"{protocol.name} needs a reference set with {', '.join(needed)}." if needed else ""
    missing = [name for name in needed if name not in reference.properties]
    if missing:
        return (
            f"{reference} has no {', '.join(missing)}, which these metrics need. Choose another "
            "reference set, or leave out the metrics that need it."
        )
    return ""


def complaints_by_limit(limits: Mapping[str, object]) -> dict[str, str]:
    """Name -> what is wrong with it."""
    known = {field.name: field.type for field in dataclasses.fields(Limits)}
    complaints = {}
    for name, value in limits.items():
        if name not in known:
            complaints[name] = f"{name} is unknown; known are {', '.join(known)}"
        elif not _is_finite(value) or value <= 0:  # type: ignore[operator]  # it is a number
            complaints[name] = f"{name} must be a positive number"
        elif name == "memory_MiB" and not isinstance(value, int):
            complaints[name] = "memory_MiB must be a whole number"
    return complaints


def _check_metrics(protocol: Protocol, rows: object) -> str:
    if not isinstance(rows, list) or not rows:
        return "must be a list with at least one metric."
    texts = [
        f"{key}: {text}" if key else text
        for key, wrong in complaints_by_metric(protocol, rows).items()
        for text in wrong
    ]
    return f"{'; '.join(texts)}." if texts else ""


def _read_metric(row: object) -> ScoredMetric:
    if not isinstance(row, dict):
        raise TypeError("must be a JSON object")
    missing = [name for name in ("key", "good", "bad", "worst") if name not in row]
    if missing:
        raise ValueError(f"lacks {', '.join(missing)}")
    metric = ScoredMetric.from_json(row)
    for name in ("good", "bad", "worst", "weight"):
        if not _is_finite(getattr(metric, name)):
            raise ValueError(f"{name} must be a finite number")
    if metric.noise is not None and not _is_finite(metric.noise):
        raise ValueError("noise must be a finite number")
    return metric


def _check_metric(protocol: Protocol, metric: ScoredMetric) -> list[str]:
    if metric.key not in protocol.metrics:
        return [f"{protocol.name} measures {', '.join(protocol.metrics)} alone"]
    direction = METRICS[metric.key].direction
    complaints = _check_scale(metric, direction)
    if metric.weight < 0:
        complaints.append("weight must not be negative")
    if metric.good == metric.bad:
        complaints.append("good and bad must differ")
    elif direction is Direction.LOWER and metric.good > metric.bad:
        complaints.append("lower is better, so good must be below bad")
    elif direction is Direction.HIGHER and metric.good < metric.bad:
        complaints.append("higher is better, so good must be above bad")
    elif (metric.worst - metric.bad) * (metric.bad - metric.good) < 0:
        complaints.append("worst, which a failed system is charged, must not be better than bad")
    elif metric.noise is not None and not is_telling(metric):
        complaints.append(
            "noise must be above 0 and at most half of the largest error: of bad where lower is "
            "better, else of what bad is away from good"
        )
    return complaints


def _check_scale(metric: ScoredMetric, direction: Direction) -> list[str]:
    if metric.scale not in ("linear", "log"):
        return [f"scale must be linear or log, not {metric.scale!r}"]
    if metric.noise is not None:
        return []  # it is errors that logarithms are taken of
    if metric.scale == "log" and direction is Direction.ONE:
        return ["a metric that is best at one has the scale linear"]
    if metric.scale == "log" and min(metric.good, metric.bad, metric.worst) <= 0:
        return ["good, bad and worst must be above zero on the scale log"]
    return []


def _check_limits(limits: object) -> str:
    if not isinstance(limits, dict):
        return "must be a JSON object."
    complaints = complaints_by_limit(limits)
    return f"{'; '.join(complaints.values())}." if complaints else ""


def _needed_properties(protocol: Protocol, keys: Sequence[str]) -> tuple[str, ...]:
    """What every structure must carry, in the order of the protocol's own list."""
    needed: set[str] = set()
    for key in keys:
        name = _PROPERTY_BY_QUANTITY.get(key.split("_")[0])
        is_single_point = "energy" in protocol.reference_properties
        needed |= {name} if name and is_single_point else set(protocol.reference_properties)
    ordered = [name for name in protocol.reference_properties if name in needed]
    return (*ordered, *sorted(needed - set(ordered)))


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
