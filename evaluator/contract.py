"""What passes between the web service and the physics: plain data, JSON in and out.

Standard library only; both halves import it. Quantities carry their unit in their name.
``to_json``/``from_json`` turn each record into plain dicts and back; an old report must still
load, so fields are only ever added, with a default.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

CONTRACT_VERSION = 1

#: Names of output files: safe in a folder, in an address and in an HTTP header.
FILE_NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"

#: What a device is called.
DEVICE_PATTERN = r"cpu|cuda(:[0-9]{1,3})?"


class Verdict(StrEnum):
    """How an evaluation ended. A physical failure is no verdict: it is data and is scored."""

    OK = "ok"
    INVALID_ARTIFACT = "invalid_artifact"
    LOAD_ERROR = "load_error"
    UNSUPPORTED = "unsupported"
    RUNTIME_ERROR = "runtime_error"
    PROTOCOL_ERROR = "protocol_error"
    NONFINITE = "nonfinite"
    CALL_TIMEOUT = "call_timeout"
    WALL_TIMEOUT = "wall_timeout"
    OUT_OF_MEMORY_HOST = "out_of_memory_host"
    OUT_OF_MEMORY_GPU = "out_of_memory_gpu"
    OUTPUT_LIMIT = "output_limit"  # of earlier evaluations alone: nothing ends by it any more
    SANDBOX_VIOLATION = "sandbox_violation"
    INCONSISTENT = "inconsistent"
    CANCELLED = "cancelled"
    INFRASTRUCTURE_ERROR = "infrastructure_error"
    INFRASTRUCTURE_LOST = "infrastructure_lost"


#: The verdicts that are our fault: retried by themselves, never charged to the submitter.
INFRASTRUCTURE_VERDICTS = frozenset({Verdict.INFRASTRUCTURE_ERROR, Verdict.INFRASTRUCTURE_LOST})


class Phase(StrEnum):
    """Where a running evaluation is."""

    WAITING = "waiting"  # for others to leave the device to it, or for one that times to end
    LOADING = "loading"
    SIMULATING = "simulating"
    SCORING = "scoring"


class SystemStatus(StrEnum):
    """What became of one system (a structure, or whatever the protocol calls one)."""

    OK = "ok"
    FAILED = "failed"  # charged the metric's worst value, counted in n_failed
    UNSUPPORTED = "unsupported"  # an element the potential declares it cannot do: lowers coverage


class _Record:
    """JSON for frozen dataclasses of plain values, enumerations and other records."""

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload, no-any-return]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a record; fields that this version does not know are refused by name."""
        hints = _hints(cls)  # type: ignore[arg-type]
        known = {f.name for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(data) - known)
        if unknown:
            raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}")
        return cls(**{name: _read(hints[name], value) for name, value in data.items()})


@functools.cache
def _hints(record: type[_Record]) -> dict[str, Any]:
    """Finding them out takes longer than reading a record."""
    return typing.get_type_hints(record)


def _read(hint: Any, value: Any) -> Any:  # noqa: ANN401  (a type hint, and any JSON value)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        return _read(next(a for a in arguments if a is not type(None)), value)
    if origin is tuple:
        return tuple(_read(arguments[0], item) for item in value)
    if isinstance(hint, type) and issubclass(hint, _Record):
        return hint.from_json(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value)
    return value


@dataclass(frozen=True, kw_only=True)
class Progress(_Record):
    """How far a running evaluation has come."""

    phase: Phase
    #: Calculator processes while loading, systems while simulating, then steps of scoring.
    n_done: int = 0
    n_total: int = 0
    #: Force calls answered in this phase, so that one long system is seen to move.
    n_calls: int = 0
    #: Estimated time until the last system is done; None while too little is known.
    remaining_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class ScoredMetric(_Record):
    """A metric of a task, with the anchors that turn its value into a score.

    score = clip((value - bad) / (good - bad), 0, 1); for a metric that is best at one,
    clip(1 - |value - good| / |bad - good|, 0, 1). On the scale "log" (times, sizes: what spans
    powers of ten) value, good and bad are replaced by their logarithms. A failed system is charged
    ``worst``, in the metric's own unit. A weight of zero shows the metric without scoring it.
    """

    key: str
    good: float
    bad: float
    worst: float
    weight: float = 1.0
    #: "linear" or "log".
    scale: str = "linear"
    #: Of tasks that are scored by skill (``evaluator.skills``): the error that the reference's own
    #: uncertainty explains, in the metric's unit.
    noise: float | None = None


def are_scored_by_skill(metrics: Iterable[ScoredMetric]) -> bool:
    """Whether a task's scores are means of skills, and not pooled values between anchors."""
    return any(metric.noise is not None for metric in metrics)


@dataclass(frozen=True, kw_only=True)
class Limits(_Record):
    """What one evaluation may use."""

    wall_time_s: float = 3600.0
    call_timeout_s: float = 300.0
    memory_MiB: int = 8192


@dataclass(frozen=True, kw_only=True)
class ReferenceSpec(_Record):
    """Names the ground truth; the bytes are found by their sha256."""

    name: str
    version: str
    sha256: str
    level_of_theory: str


@dataclass(frozen=True, kw_only=True)
class TaskSpec(_Record):
    """One immutable version of a task: all that decides its numbers."""

    slug: str
    version: int
    protocol: str
    protocol_version: int
    parameters: dict[str, Any]
    metrics: tuple[ScoredMetric, ...]
    reference: ReferenceSpec | None = None
    limits: Limits = field(default_factory=Limits)
    #: Of the physics (velocities, displacements): the same numbers everywhere.
    seed: int = 0
    #: Of disguises and probes. The service's secret of this version; empty on other machines,
    #: whose numbers agree to the tolerance of the calculator's invariance.
    disguise_secret: str = field(default="", repr=False)

    @property
    def is_scored_by_skill(self) -> bool:
        return are_scored_by_skill(self.metrics)


@dataclass(frozen=True, kw_only=True)
class SubmissionSpec(_Record):
    """One immutable version of a potential, as the sandboxed calculator needs it."""

    name: str
    calculator_kind: str
    artifact_sha256: str
    artifact_filename: str
    settings: dict[str, Any] = field(default_factory=dict)
    #: Chemical symbols; None when the submitter declared none (the checkpoint may still tell).
    supported_elements: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class SystemRecord(_Record):
    """What was found for one system: small numbers that a table can show."""

    system_id: str
    status: SystemStatus
    #: Why a system failed or is unsupported, one sentence; empty when it is well.
    message: str = ""
    #: Numbers (or short strings) by name with unit, e.g. {"volume_A3": 20.4, "element": "Si"}.
    values: dict[str, Any] = field(default_factory=dict)
    #: The reference's numbers, under the same names. Withheld from pages for hidden sets.
    reference: dict[str, Any] = field(default_factory=dict)
    n_calls: int = 0
    wall_time_s: float = 0.0
    #: Name of those that are alike and are drawn together in intervals (a material, a trajectory).
    cluster: str = ""


@dataclass(frozen=True, kw_only=True)
class ScoreRecord(_Record):
    """One metric of one evaluation, with its 95 % bootstrap interval over systems.

    ``value`` is None when nothing could be judged (no system was supported).
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    score: float | None
    n: int
    n_failed: int
    #: Of the value, in its unit, drawn as those of TaskScore; empty without an interval.
    replicates: tuple[float, ...] = ()
    #: Of tasks scored by skill, in the order of the reference set: each system's skill, 0 to 1;
    #: None where the metric tests nothing on it.
    skills: tuple[float | None, ...] = ()
    #: Of tasks scored by skill: the median of the systems' errors; a mean may be that of a few.
    median_error: float | None = None
    #: The same of an answer that knows nothing: what no skill means; None where that is ``bad``.
    baseline_error: float | None = None
    #: Systems on which the metric tells skill from none.
    n_tested: int | None = None


@dataclass(frozen=True, kw_only=True)
class TaskScore(_Record):
    """The weighted mean of the metrics' scores, 0 to 1, with its bootstrap replicates.

    Replicate i resamples the same systems for every submission of the same task version, so
    that two submissions can be compared replicate by replicate.
    """

    value: float | None
    low: float | None
    high: float | None
    replicates: tuple[float, ...] = ()
    #: Of tasks scored by skill: that of each system over all metrics, None where nothing is tested.
    skills: tuple[float | None, ...] = ()
    #: Whether each system tests anything, as the reference and the metrics' noise say, whoever is
    #: judged: who is wrong where a guess is right has a skill there too, and it is 0.
    tested: tuple[bool, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FileRecord(_Record):
    """An output file of one system: a trajectory, a band structure. The bytes go another way."""

    system_id: str
    #: Matches FILE_NAME_PATTERN.
    name: str
    sha256: str
    size_bytes: int
    media_type: str
    #: Why its bytes were not kept, one sentence; empty where they were.
    left_out: str = ""


@dataclass(frozen=True, kw_only=True)
class FrameErrorsRecord(_Record):
    """How far answers on the frames of a set lie from the reference; see ``evaluator.frames``."""

    #: Of each system of the set, in its order: atoms whose forces are kept.
    n_atoms: tuple[int, ...]
    #: Base64 of compressed single precision.
    packed: str


@dataclass(frozen=True, kw_only=True)
class EvaluationReport(_Record):
    """All that one evaluation found."""

    verdict: Verdict
    #: One or two sentences for the submitter: what happened and what to do about it.
    message: str = ""
    scores: tuple[ScoreRecord, ...] = ()
    task_score: TaskScore | None = None
    systems: tuple[SystemRecord, ...] = ()
    #: Output files in the systems' order, also those that were too large to be kept.
    files: tuple[FileRecord, ...] = ()
    #: Share of systems whose elements the potential supports, 0 to 1.
    coverage: float | None = None
    n_systems: int = 0
    n_failed: int = 0
    n_unsupported: int = 0
    #: Of tasks scored by skill, the elements of each of ``systems`` ("Cl-Na", sorted).
    system_elements: tuple[str, ...] = ()
    #: Of protocols that ask for single frames: what submissions are compared by, frame by frame.
    frame_errors: FrameErrorsRecord | None = None
    #: What only the whole set tells (force errors by element, the fitted energy shift, ...).
    summary: dict[str, Any] = field(default_factory=dict)
    #: Of a timed protocol: what it was timed on. Reports are ranked with those of the same alone.
    hardware_key: str = ""
    #: Of a timed protocol: why its times are not to be ranked, one sentence; empty where they are.
    why_unreliable: str = ""
    #: Rotation, permutation, finite-difference and repeatability checks, names with units.
    consistency: dict[str, Any] = field(default_factory=dict)
    #: Versions, hardware, dtype, seeds, sandbox level, hashes, timings.
    provenance: dict[str, Any] = field(default_factory=dict)
    #: Cleaned, capped, untrusted text written by the submission.
    stdout: str = ""
    stderr: str = ""
    wall_time_s: float = 0.0
    contract_version: int = CONTRACT_VERSION

    @property
    def is_not_covered(self) -> bool:
        """Whether nothing was asked, since the potential has the elements of no system."""
        return is_not_covered(self.verdict, self.coverage)


def is_not_covered(verdict: str, coverage: float | None) -> bool:
    """Whether an evaluation ended as it covers nothing, which is no failure.

    Where systems are covered and the calculator refused each of them, the verdict is the same and
    the coverage is not zero: that is one.
    """
    return verdict == Verdict.UNSUPPORTED and coverage == 0
