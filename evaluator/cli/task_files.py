"""Tasks by name, of a service or shipped, or from a file of the user's own.

A service that is named or signed in to is asked first: its task of a name is what its pages show,
and may be another version than the one that ships.

A file holds either what a standard task's file holds (TOML; see evaluator/standard_tasks/) or a
task's full specification as the service gives it out (JSON).
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluator import catalog
from evaluator.cli.service_tasks import (
    fetch_task,
    has_form_of_slug,
    public_client,
    unknown_task,
)
from evaluator.cli.suggestions import did_you_mean
from evaluator.client import (
    Client,
    NotFound,
    ServiceFault,
    Throttled,
    UnexpectedAnswer,
    Unreachable,
)
from evaluator.contract import Limits, ReferenceSpec, ScoredMetric, TaskSpec
from evaluator.exceptions import SubmissionError
from evaluator.hashing import sha256_of
from evaluator.paths import user_path
from evaluator.standard_tasks.read import standard_tasks


@dataclass(frozen=True, kw_only=True)
class ChosenTask:
    """A task, and the service that it came from; None for what ships and for files."""

    spec: TaskSpec
    client: Client | None = None


def choose_task(arguments: argparse.Namespace) -> ChosenTask:
    """The task that ``--task`` names, with the file of ``--reference`` put in.

    Raises SubmissionError for whatever the user can correct, and ClientError where the service
    that was named does not answer, or does not give the task out.
    """
    text: str = arguments.task
    if Path(text).suffix in (".toml", ".json"):
        if arguments.url is not None or arguments.version is not None:
            raise SubmissionError(f"--url and --version are of a service's task; {text} is a file")
        return ChosenTask(spec=_from_file(user_path(text), arguments.reference))
    if arguments.reference is not None:
        raise SubmissionError(
            f"{text} has its own reference set; --reference is for a task from a file"
        )
    client = public_client(arguments)
    if client is None:
        return ChosenTask(spec=_shipped(text, arguments.version))
    return _of_service(client, text, arguments)


def _shipped(slug: str, version: int | None) -> TaskSpec:
    named = {task.slug: task.spec for task in standard_tasks()}
    if slug not in named:
        raise SubmissionError(
            f"there is no task {slug!r} among those that ship: {did_you_mean(slug, named)} (For a "
            "service's task add --url https://host; your own is named by its .toml or .json file.)"
        )
    if version not in (None, named[slug].version):
        raise SubmissionError(
            f"version {named[slug].version} of {slug} ships, not {version}; a service's is named "
            "with --url https://host"
        )
    return named[slug]


def _of_service(client: Client, slug: str, arguments: argparse.Namespace) -> ChosenTask:
    """The service's; where it was not named for this, what ships stands in for it."""
    stands_in = None
    if arguments.url is None and arguments.version is None:
        stands_in = {task.slug: task.spec for task in standard_tasks()}.get(slug)
    try:
        if not has_form_of_slug(slug):
            raise unknown_task(client, slug)
        spec = _checked(fetch_task(client, slug, arguments.version))
    except NotFound as error:
        if stands_in is not None:
            return ChosenTask(spec=stands_in)
        if arguments.version is not None and slug in {str(t["slug"]) for t in client.tasks()}:
            raise
        raise unknown_task(client, slug) from error
    except (Unreachable, ServiceFault, Throttled, UnexpectedAnswer) as error:
        if stands_in is None:
            raise
        print(f"touchstone: {error} The task {slug} is taken as it ships.", file=sys.stderr)
        return ChosenTask(spec=stands_in)
    except ValueError as error:
        raise SubmissionError(f"{slug} of {client.url} cannot be run here: {error}") from error
    print(f"touchstone: {slug} (version {spec.version}) as {client.url} has it", file=sys.stderr)
    return ChosenTask(spec=spec, client=client)


def _from_file(path: Path, reference: Path | None) -> TaskSpec:
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
    if protocol.version != task.protocol_version:
        raise ValueError(
            f"it asks for version {task.protocol_version} of {task.protocol}, and this touchstone "
            f"has version {protocol.version}: pip install --upgrade touchstone-mlip, or use the "
            "release of its time"
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
