"""What the service answers, as frozen dataclasses.

Fields that a record does not know are kept in ``raw``, the answer as it came: a newer service may
say more than an older client understands. What they know is checked for its type. Times are aware
datetimes, ids are texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self

import msgspec

#: States that an evaluation never leaves.
ENDED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class Record:
    """Read with ``from_json``; ``raw`` is everything that came."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Raises ValueError, which names the place, for what is no such record."""
        try:
            record = msgspec.convert(data, cls)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from error
        for part, answer in _parts(record, data):
            part.__dict__["_raw"] = answer  # the dataclass is frozen, and this is no field of it
        return record

    @property
    def raw(self) -> dict[str, Any]:
        content: dict[str, Any] = self.__dict__.get("_raw", {})
        return content


def _parts(record: Record, data: dict[str, Any]) -> Iterator[tuple[Record, dict[str, Any]]]:
    """Every record within a record, itself among them, beside the answer it was read from."""
    yield record, data
    for name in (f.name for f in fields(record) if f.name in data):
        value, answer = getattr(record, name), data[name]
        if isinstance(value, Record):
            yield from _parts(value, answer)
        elif isinstance(value, tuple):
            for item, part in zip(value, answer, strict=True):
                if isinstance(item, Record):
                    yield from _parts(item, part)


@dataclass(frozen=True, kw_only=True)
class FieldError(Record):
    """``pointer`` names the field as a JSON pointer: #/sha256."""

    pointer: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Problem(Record):
    """Problem details, RFC 9457."""

    status: int
    title: str = ""
    detail: str = ""
    type: str = "about:blank"
    instance: str = ""
    request_id: str = ""
    errors: tuple[FieldError, ...] = ()
    #: Address of what is there already.
    existing: str | None = None


@dataclass(frozen=True, kw_only=True)
class Token(Record):
    hint: str
    name: str
    #: The token itself; shown once, when it is made.
    token: str = ""
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Me(Record):
    username: str
    is_staff: bool = False
    token: Token | None = None


@dataclass(frozen=True, kw_only=True)
class Allowance(Record):
    """One limit of the account. Without ``resets_at``, as something ends or goes."""

    name: str
    limit: int
    used: int
    remaining: int
    resets_at: datetime | None = None
    #: Of the numbers; services before 1.1 count evaluations alone.
    unit: str = "evaluations"


@dataclass(frozen=True, kw_only=True)
class Quota(Record):
    account: str
    is_unlimited: bool = False
    limits: tuple[Allowance, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Queue(Record):
    """The service's queue; a deaf worker lives, is free, and does not hear that work is due."""

    n_queued: int
    n_held: int = 0
    n_running: int = 0
    oldest_at: str | None = None
    n_workers: int = 0
    n_deaf: int = 0


@dataclass(frozen=True, kw_only=True)
class PotentialLink(Record):
    slug: str
    name: str
    level_of_theory: str = ""
    is_baseline: bool = False


@dataclass(frozen=True, kw_only=True)
class Potential(PotentialLink):
    owner: str = ""
    architecture: str = ""
    authors: str = ""
    description: str = ""
    licence: str = ""
    paper_url: str = ""
    training_sets: tuple[str, ...] = ()
    n_parameters: int | None = None
    page: str = ""


@dataclass(frozen=True, kw_only=True)
class SubmissionLink(Record):
    id: str
    version: str
    potential: PotentialLink

    @property
    def name(self) -> str:
        return f"{self.potential.name} {self.version}"


@dataclass(frozen=True, kw_only=True)
class Progress(Record):
    """Systems finished and in all while it simulates, and force calls answered."""

    done: int = 0
    total: int = 0
    calls: int = 0
    #: An estimate of the service's; None until it has one.
    expected_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Score(Record):
    """A metric of an evaluation with its 95 % interval, in ``unit``; ``score`` is 0 to 1."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    score: float | None
    #: None where the task's reference set is hidden, as the value is.
    n: int | None
    n_failed: int | None
    label: str = ""
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Evaluation(Record):
    """One submission on one task. Lists leave out what stands below ``finished_at``."""

    id: str
    task: str
    task_version: int
    state: str
    verdict: str = ""
    phase: str = ""
    progress: Progress = Progress()
    #: Of the task, 0 to 1, with its 95 % interval.
    score: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    coverage: float | None = None
    #: None where the task's reference set is hidden.
    n_failed: int | None = 0
    submission: SubmissionLink | None = None
    is_current: bool = True
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    page: str = ""
    message: str = ""
    #: Whether the submission has written anything; None for who may not read it.
    has_log: bool | None = None
    help_url: str | None = None
    queue_position: int | None = None
    #: A guess of the service; None where it has nothing to guess from.
    estimated_start_at: datetime | None = None
    #: Address of the smoke evaluation that this one waits for.
    held_by: str | None = None
    attempt: int = 0
    wall_time_s: float | None = None
    n_systems: int = 0
    n_unsupported: int | None = 0
    scores: tuple[Score, ...] = ()
    consistency: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @property
    def is_not_covered(self) -> bool:
        """Whether nothing was asked, as the potential has the elements of no system: no failure."""
        return self.verdict == "unsupported" and self.coverage == 0


@dataclass(frozen=True, kw_only=True)
class Artifact(Record):
    sha256: str
    size_bytes: int
    filename: str


@dataclass(frozen=True, kw_only=True)
class Submission(SubmissionLink):
    artifact: Artifact
    calculator_kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    supported_elements: tuple[str, ...] | None = None
    declares_non_conservative: bool = False
    visibility: str = "public"
    submitted_by: str = ""
    page: str = ""
    created_at: datetime | None = None
    withdrawn_at: datetime | None = None
    evaluations: tuple[Evaluation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Submitted(Submission):
    """The answer to a submission; ``queued`` are ids of the evaluations that it asked for."""

    #: False where this version was there already, and nothing of it differed.
    is_new: bool = True
    queued: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckedSubmission(Record):
    """What would become of a submission; nothing was changed."""

    #: Address of the submission that is there already.
    existing: str | None = None
    registers_potential: bool = False
    #: Slugs of tasks that it would be queued for.
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Logs(Record):
    """What a submission wrote. Untrusted text."""

    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, kw_only=True)
class Part(Record):
    number: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Upload(Record):
    """A file that comes in parts, numbered from 1."""

    id: str
    filename: str
    size_bytes: int
    sha256: str
    part_size_bytes: int
    n_parts: int
    is_complete: bool = False
    expires_at: datetime | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BoardTask(Record):
    slug: str
    name: str
    version: int


@dataclass(frozen=True, kw_only=True)
class BenchmarkEntry(Record):
    task: BoardTask
    category: str
    weight: float
    #: Of the overall score, 0 to 1.
    share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Benchmark(Record):
    slug: str
    name: str
    version: int
    summary: str = ""
    #: Whether submissions are judged by it that name no other.
    is_default: bool = False


@dataclass(frozen=True, kw_only=True)
class Standing(Record):
    """``rank`` is None for what is not ranked; ``why_not_ranked`` then says why."""

    submission: SubmissionLink
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    is_ranked: bool
    why_not_ranked: str = ""
    tied_with_previous: bool = False


@dataclass(frozen=True, kw_only=True)
class BoardCell(Record):
    """A submission on one task of the board."""

    task: str
    version: int
    state: str
    score: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    rank: int | None = None
    coverage: float | None = None

    @property
    def is_not_covered(self) -> bool:
        """Whether the potential has the elements of none of the task's systems: no failure."""
        return self.state == "failed" and self.coverage == 0


@dataclass(frozen=True, kw_only=True)
class LeaderboardRow(Standing):
    """Overall score, 0 to 1, with its 95 % interval."""

    overall: float | None
    overall_low: float | None
    overall_high: float | None
    tasks: tuple[BoardCell, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Leaderboard(Record):
    benchmark: Benchmark
    tasks: tuple[BenchmarkEntry, ...]
    rows: tuple[LeaderboardRow, ...]


@dataclass(frozen=True, kw_only=True)
class TaskBoardRow(Standing):
    """Score on the task, 0 to 1; ``metrics`` by key as the service gives them."""

    score: float | None
    score_low: float | None
    score_high: float | None
    coverage: float | None = None
    n_failed: int | None = 0
    theory_mismatch: bool = False
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TaskBoard(Record):
    task: BoardTask
    rows: tuple[TaskBoardRow, ...]
    pending: tuple[Evaluation, ...] = ()
    failed: tuple[Evaluation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BundleFile(Record):
    """A reference set's file that belongs beside a bundle."""

    name: str
    sha256: str
    size_bytes: int = 0
    is_public: bool = True


@dataclass(frozen=True, kw_only=True)
class Bundle(Record):
    """Reference sets, tasks and benchmarks as YAML."""

    bundle: str
    files: tuple[BundleFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ImportedBundle(Record):
    """What an import did, in the order of the bundle."""

    lines: tuple[str, ...] = ()
    n_changed: int = 0
    #: Evaluations; of a dry run, how many there would be.
    n_queued: int = 0
