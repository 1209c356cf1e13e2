"""Tasks by name, or from a file of the user's own.

A file holds either what a standard task's file holds (TOML; see evaluator/standard_tasks/) or a
task's full specification as the service gives it out (JSON).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluator import catalog
from evaluator.contract import Limits, ReferenceSpec, ScoredMetric, TaskSpec
from evaluator.exceptions import SubmissionError
from evaluator.hashing import sha256_of
from evaluator.standard_tasks.read import standard_tasks


def load_task(text: str, reference: Path | None) -> TaskSpec:
    """The task that ``text`` names, with a reference file put in where one is given.

    Raises SubmissionError for whatever the user can correct.
    """
    named = {task.slug: task.spec for task in standard_tasks()}
    path = Path(text).expanduser()
    if text in named and reference is not None:
        raise SubmissionError(
            f"{text} has its own reference set; --reference is for a task from a file"
        )
    if text in named:
        return named[text]
    if path.suffix not in (".toml", ".json"):
        raise SubmissionError(
            f"there is no task {text!r}; known are {', '.join(named)}, or give a .toml or .json "
            "file"
        )
    task = _read_task(path)
    if reference is not None:
        task = replace(task, reference=local_reference(reference))
    if task.reference is None:
        raise SubmissionError(f"{path.name} names no reference set; give one with --reference")
    return task


def local_reference(path: Path) -> ReferenceSpec:
    """A file of the user's own as a task names it."""
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise SubmissionError(f"the reference {path} cannot be read: {error.strerror}") from error
    return ReferenceSpec(name=path.stem, version="local", sha256=digest, level_of_theory="unknown")


def _read_task(path: Path) -> TaskSpec:
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("it is no table of fields")
        task = TaskSpec.from_json(content) if "slug" in content else _from_standard(path, content)
        return _checked(task)
    except OSError as error:
        raise SubmissionError(f"the task {path} cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise SubmissionError(f"{path.name} is no task: it lacks {error}") from error
    except (ValueError, TypeError) as error:
        raise SubmissionError(f"{path.name} is no task: {error}") from error


def _from_standard(path: Path, content: Mapping[str, Any]) -> TaskSpec:
    protocol = content["protocol"]
    known = catalog.PROTOCOLS.get(protocol)
    spec = next(
        (t.spec for t in standard_tasks() if t.reference_name == content.get("reference")), None
    )
    return TaskSpec(
        slug=path.stem,
        version=content.get("version", 1),
        protocol=protocol,
        protocol_version=content.get("protocol_version", known.version if known else 1),
        parameters=content.get("parameters", {}),
        metrics=tuple(ScoredMetric(**metric) for metric in content["metrics"]),
        reference=spec.reference if spec else None,
        limits=Limits(**content.get("limits", {})),
        seed=content.get("seed", 0),
    )


def _checked(task: TaskSpec) -> TaskSpec:
    """Return the task with all parameters filled in.

    Raises ValueError for what the catalog does not know.
    """
    protocol = catalog.PROTOCOLS.get(task.protocol)
    if protocol is None:
        raise ValueError(
            f"there is no protocol {task.protocol!r}; known are {', '.join(catalog.PROTOCOLS)}"
        )
    for metric in task.metrics:
        if metric.key not in protocol.metrics:
            raise ValueError(
                f"{task.protocol} has no metric {metric.key!r}; "
                f"it has {', '.join(protocol.metrics)}"
            )
    if not task.metrics:
        raise ValueError("a task needs at least one metric")
    parameters = catalog.check_parameters(protocol.parameters, task.parameters)
    return replace(task, parameters=dict(parameters))
