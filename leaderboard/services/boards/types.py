"""What a board is made of: rows, cells, and why something is not ranked. Data alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from leaderboard.models import (
    BenchmarkTask,
    Evaluation,
    Submission,
    TaskVersion,
)

#: State of a cell whose submission was never put on the task.
MISSING = "missing"


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


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A submission that has ended well on a task."""

    submission: Submission
    evaluation: Evaluation
    rank: int | None
    rank_low: int | None
    rank_high: int | None
    score: float | None
    low: float | None
    high: float | None
    coverage: float | None
    #: None where the set is hidden.
    n_failed: int | None
    is_ranked: bool
    #: One sentence; empty for a ranked row.
    why_not_ranked: str
    metrics: Mapping[str, MetricScore]
    theory_mismatch: bool
    #: Cannot be told apart from the row above it.
    tied_with_previous: bool
    #: Of a timed task: what it was timed on. Ranks count among rows of the same alone.
    hardware: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskBoard:
    task_version: TaskVersion
    #: Ranked ones by rank, then the others by score; of a timed task, hardware by hardware.
    rows: list[TaskRow]
    #: Queued and running.
    pending: list[Evaluation]
    #: Ended without a score: failed and cancelled.
    failed: list[Evaluation]
    #: Of a timed task: what its rows were timed on, the most frequent first.
    hardware: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One submission on one task."""

    score: float | None = None
    low: float | None = None
    high: float | None = None
    rank: int | None = None
    #: An EvaluationState, or MISSING.
    state: str = MISSING
    coverage: float | None = None
    why_not_ranked: str = ""
    theory_mismatch: bool = False
    #: Of a timed task: what it was timed on; the rank is among cells of the same alone.
    hardware: str = ""


@dataclass(frozen=True, kw_only=True)
class Category:
    name: str
    weight: float
    entries: list[BenchmarkTask]
