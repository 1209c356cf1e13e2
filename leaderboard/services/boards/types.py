"""What a board is made of: rows, cells, and why something is not ranked. Data alone."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from leaderboard.enums import EvaluationState
from leaderboard.lib.memory import Remembered
from leaderboard.models import BenchmarkTask, Evaluation, TaskVersion
from leaderboard.services.boards.entrants import Entrant

#: State of a cell whose submission was never put on the task.
MISSING = "missing"
_PAGES_KEPT = 12


class MetricScore(NamedTuple):
    """What was found of one metric; the names are those of a ``Score``.

    Of a hidden set the score alone is told, and no count.
    """

    value: float | None
    low: float | None
    high: float | None
    score: float | None
    n: int | None
    n_failed: int | None
    #: Of a task scored by skill: median errors, the potential's and that of who knows nothing.
    median_error: float | None = None
    baseline_error: float | None = None


class TaskRow(NamedTuple):
    """A submission that has ended well on a task, in plain values that can be packed."""

    entrant: Entrant
    evaluation_id: uuid.UUID
    metrics: Mapping[str, MetricScore]
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    score: float | None
    low: float | None
    high: float | None
    coverage: float | None
    #: None where the set is hidden.
    n_failed: int | None
    n_systems: int
    wall_time_s: float | None
    #: One sentence; empty for a ranked row.
    why_not_ranked: str
    theory_mismatch: bool
    #: Cannot be told apart from the row above it.
    tied_with_previous: bool
    #: Of a timed task: what it was timed on. Ranks count among rows of the same alone.
    hardware: str
    #: What evaluated it, in the words that a filter by hardware looks through.
    worker: str

    @property
    def is_ranked(self) -> bool:
        return not self.why_not_ranked


@dataclass(frozen=True, kw_only=True)
class TaskBoard:
    """A task's board as one reader sees it."""

    task_version: TaskVersion
    #: Ranked ones by rank, then the others by score; of a timed task, hardware by hardware.
    rows: list[TaskRow]
    #: Of what the public rows were made; empty for a board of the past.
    stamp: str = ""
    #: Queued and running.
    pending: list[Evaluation] = field(default_factory=list)
    #: Ended without a score: failed and cancelled.
    failed: list[Evaluation] = field(default_factory=list)
    #: Whether some rows are the reader's own.
    has_private: bool = False
    #: What pages keep with the public rows; it goes when they change.
    pages: Remembered = field(default_factory=lambda: Remembered(_PAGES_KEPT))

    @property
    def hardware(self) -> list[str]:
        """What the rows of a timed task were timed on, in their order."""
        return [key for key in dict.fromkeys(row.hardware for row in self.rows) if key]

    @property
    def metrics(self) -> set[str]:
        """Those that some row has."""
        return {key for row in self.rows for key in row.metrics}


class Cell(NamedTuple):
    """One submission on one task."""

    #: Slug of the task, and the number of its version.
    task: str
    version: int
    #: Its id; None where there is none.
    evaluation: str | None
    #: An EvaluationState as it was when the board was computed, or MISSING.
    state: str
    score: float | None
    low: float | None
    high: float | None
    coverage: float | None
    n_failed: int
    rank: int | None
    why_not_ranked: str
    #: Of a timed task: what it was timed on; the rank is among cells of the same alone.
    hardware: str
    theory_mismatch: bool

    @property
    def is_not_covered(self) -> bool:
        """Whether it ended with nothing asked: nothing but that has a coverage of zero."""
        return self.state == EvaluationState.FAILED and self.coverage == 0


@dataclass(frozen=True, kw_only=True)
class Category:
    name: str
    weight: float
    entries: list[BenchmarkTask]
