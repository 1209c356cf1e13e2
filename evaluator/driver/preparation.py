"""What is checked before a calculator is started: hashes, versions, parameters, the reference."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator import catalog
from evaluator.contract import SubmissionSpec, TaskSpec, Verdict
from evaluator.exceptions import InfrastructureError
from evaluator.hashing import sha256_of
from evaluator.pool.remote import seed_of
from evaluator.protocols import PROTOCOLS
from evaluator.protocols.base import Protocol, System, UnsuitableReference, why_impossible
from evaluator.references import sets

logger = logging.getLogger(__name__)


class Refused(Exception):
    """The submission cannot be evaluated; the verdict and a sentence for the submitter."""

    def __init__(self, verdict: Verdict, message: str) -> None:
        super().__init__(message)
        self.verdict, self.message = verdict, message


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """A task and a submission that fit together, with the systems in the reference's order."""

    task: TaskSpec
    submission: SubmissionSpec
    artifact: Path
    protocol: Protocol
    description: catalog.Protocol
    parameters: dict[str, Any]
    settings: dict[str, Any]
    systems: Sequence[System]
    #: Systems of the set that nobody is judged on, by name, with the reason: its own fault.
    left_out: Mapping[str, str]
    #: Whether these are all systems of the task: otherwise the scores are not the task's.
    is_whole: bool
    #: What the calculator is asked for; what it does is in its Info.
    dtype: str

    def seed(self, *words: object) -> int:
        """A seed of what the potential must not foresee: disguises and probes.

        On the service it follows from the version's secret and the artifact, so that what one
        submission saw tells nothing to the next; elsewhere from public words.
        """
        task = self.task
        secret = (task.disguise_secret, self.submission.artifact_sha256)
        return seed_of(
            *(secret if task.disguise_secret else ()), task.slug, task.version, task.seed, *words
        )


def prepare(
    task: TaskSpec,
    submission: SubmissionSpec,
    artifact: Path,
    reference: Path,
    only: Collection[str] | None = None,
) -> Prepared:
    """Check everything that can be checked without the calculator.

    ``only`` names the systems to be judged, where not all are.

    Raises InfrastructureError for what the service got wrong (a hash, a version, a task that
    should not have been published) and Refused for what the submission got wrong.
    """
    description = catalog.PROTOCOLS.get(task.protocol)
    if description is None or task.protocol not in PROTOCOLS:
        raise InfrastructureError(f"This evaluator has no protocol {task.protocol!r}.")
    if description.version != task.protocol_version:
        raise InfrastructureError(
            f"The task asks for version {task.protocol_version} of {task.protocol}; this evaluator "
            f"has version {description.version}."
        )
    try:
        parameters = catalog.check_parameters(description.parameters, task.parameters)
    except catalog.ParameterError as error:
        raise InfrastructureError(f"The task's parameters do not fit: {error}.") from error

    if task.reference is not None:
        check_sha256(reference, task.reference.sha256, "reference set")
    check_sha256(artifact, submission.artifact_sha256, "artifact")
    settings = _settings(submission)
    systems, left_out = _systems(task, reference)
    if only is not None:
        systems = [system for system in systems if system.id in only]
    return Prepared(
        task=task,
        submission=submission,
        artifact=artifact,
        protocol=PROTOCOLS[task.protocol],
        description=description,
        parameters=parameters,
        settings=settings,
        systems=systems,
        left_out=left_out,
        is_whole=only is None,
        dtype="float64" if description.precision == "double" else settings.get("dtype", "float64"),
    )


def check_sha256(path: Path, expected: str, what: str) -> None:
    """Raise InfrastructureError where a file is missing or not the one that was meant."""
    try:
        actual = sha256_of(path)
    except OSError as error:
        raise InfrastructureError(f"The {what} cannot be read: {error}.") from error
    if actual != expected:
        raise InfrastructureError(
            f"The {what} {path.name} has sha256 {actual[:16]}…, not {expected[:16]}… as recorded."
        )


def _settings(submission: SubmissionSpec) -> dict[str, Any]:
    kind = catalog.CALCULATOR_KINDS.get(submission.calculator_kind)
    if kind is None:
        raise Refused(
            Verdict.LOAD_ERROR,
            f"There is no calculator kind {submission.calculator_kind!r}; known are "
            f"{', '.join(catalog.CALCULATOR_KINDS)}.",
        )
    try:
        return dict(catalog.check_parameters(kind.settings, submission.settings))
    except catalog.ParameterError as error:
        raise Refused(
            Verdict.LOAD_ERROR, f"The settings do not fit a {kind.label}: {error}."
        ) from error


def _systems(task: TaskSpec, reference: Path) -> tuple[list[System], dict[str, str]]:
    """The systems that are judged, and those that are left out, with the reason.

    What no potential can say anything of is the set's fault, so that it is charged to none. It
    follows from the set alone: all submissions are judged on the same systems.
    """
    try:
        systems = sets.read(reference)
        reasons = {system.id: why_impossible(system.atoms) for system in systems}
        left_out = {name: why for name, why in reasons.items() if why}
        systems = [system for system in systems if system.id not in left_out]
        if not systems:
            named = "; ".join(f"{name}: {why}" for name, why in list(left_out.items())[:3])
            raise UnsuitableReference(f"nothing can be said of any of its structures. {named}")
        PROTOCOLS[task.protocol].check_reference(systems, [metric.key for metric in task.metrics])
    except UnsuitableReference as error:
        raise InfrastructureError(f"The reference set does not suit the task: {error}") from error
    for name, why in left_out.items():
        logger.error(
            "The reference set of %s v%d is at fault: %s is left out for everybody. %s",
            *(task.slug, task.version, name, why),
        )
    return systems, left_out
