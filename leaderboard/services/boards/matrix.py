"""A board as arrays: one row a submission, one column a task; and who stands where on it.

The arrays hold all that ranks are made of, so a board is ranked anew with other weights
without going back to the evaluations. Scores run from 0 to 1; NaN where there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from leaderboard import ranking
from leaderboard.enums import EvaluationState, Visibility
from leaderboard.lib.json_values import finite
from leaderboard.models import BenchmarkTask, Evaluation, Submission, TaskVersion
from leaderboard.ranking import FloatArray, IntArray
from leaderboard.services.boards import hardware as board_hardware
from leaderboard.services.boards.results import Result, described

#: Code of a state in ``Matrix.state``; 0 where there is no evaluation.
STATES = ("", *EvaluationState.values)
FAILED = STATES.index(EvaluationState.FAILED)
SUCCEEDED = STATES.index(EvaluationState.SUCCEEDED)
_NOTHING = "No task counts: all have the weight zero."
PRIVATE = "Private: seen by its owner alone, and not ranked."


@dataclass(frozen=True, kw_only=True, eq=False)
class Matrix:
    """Shapes are (rows, tasks) unless told otherwise."""

    #: Name and version of each row, by which equals are ordered.
    names: Sequence[str]
    #: Whether everybody sees the row, shape (rows,). The others are never ranked.
    is_public: npt.NDArray[np.bool_]
    state: npt.NDArray[np.uint8]
    score: FloatArray
    low: FloatArray
    high: FloatArray
    coverage: FloatArray
    n_failed: IntArray
    #: Of the score on the task, 0 where it is not ranked.
    rank: IntArray
    #: Why a success is not ranked, as index into ``sentences``; 0 is the empty one.
    why: IntArray
    sentences: Sequence[str]
    #: Of a timed task, as index into ``hardware_keys``; 0 is the empty one.
    hardware: IntArray
    hardware_keys: Sequence[str]
    #: What evaluated it, as index into ``workers``; 0 is the empty one.
    worker: IntArray
    workers: Sequence[str]
    #: Bytes of the evaluation's id, shape (rows, tasks, 16).
    evaluation: npt.NDArray[np.uint8]

    @property
    def is_zero(self) -> npt.NDArray[np.bool_]:
        """Where nothing is covered, which counts as a score of 0: no other failure has one."""
        return np.asarray((self.state == FAILED) & (self.score == 0))

    def part(self, rows: Sequence[int], columns: Sequence[int]) -> Matrix:
        """These rows and columns alone; ranks within tasks are those of the whole."""
        arrays: dict[str, Any] = {}
        for name, value in vars(self).items():
            if not isinstance(value, np.ndarray):
                arrays[name] = [value[i] for i in rows] if name == "names" else value
            else:
                arrays[name] = value[rows] if value.ndim == 1 else value[rows][:, columns]
        return Matrix(**arrays)


class Standing(NamedTuple):
    """Where one row stands; None where it has no rank, no interval or no score."""

    rank: int | None
    rank_low: int | None
    rank_high: int | None
    overall: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking(ranking.Standings):
    """Who stands where with certain weights. Shapes are (rows,)."""

    overall: FloatArray
    low: FloatArray
    high: FloatArray
    #: Why a row is not ranked, a sentence; empty for those that are.
    reasons: Sequence[str]
    #: Where timed tasks count: the hardware of the ranked rows.
    hardware: str

    def standings(self) -> list[Standing]:
        """Where each row stands."""
        ranks = (
            [n or None for n in a.tolist()] for a in (self.rank, self.rank_low, self.rank_high)
        )
        scores = ([finite(v) for v in a.tolist()] for a in (self.overall, self.low, self.high))
        return [Standing._make(row) for row in zip(*ranks, *scores, strict=True)]


class _Texts:
    """Each text once, by number."""

    def __init__(self) -> None:
        self.index = {"": 0}

    def of(self, text: str) -> int:
        return self.index.setdefault(text, len(self.index))


def matrix_of(
    entries: Sequence[BenchmarkTask],
    evaluations: Sequence[Evaluation] | Sequence[Result],
    why_not_ranked: Callable[[Evaluation | Result, TaskVersion], str],
) -> tuple[list[Submission], Matrix]:
    """The submissions in the order of their first evaluation, and what was found for them."""
    column = {entry.task_version_id: i for i, entry in enumerate(entries)}
    row = {e.submission_id: 0 for e in evaluations}
    row = {pk: i for i, pk in enumerate(row)}
    submissions: dict[int, Submission] = {}
    shape = (len(row), len(entries))
    arrays: dict[str, Any] = {
        name: np.zeros(shape, np.int32) for name in ("n_failed", "why", "hardware", "worker")
    }
    arrays |= {name: np.full(shape, np.nan) for name in ("score", "low", "high", "coverage")}
    arrays["state"] = np.zeros(shape, np.uint8)
    arrays["evaluation"] = np.zeros((*shape, 16), np.uint8)
    sentences, keys, workers = _Texts(), _Texts(), _Texts()
    for e in evaluations:
        i, j = row[e.submission_id], column[e.task_version_id]
        submissions[i] = e.submission
        arrays["state"][i, j] = STATES.index(e.state)
        arrays["evaluation"][i, j] = np.frombuffer(e.pk.bytes, np.uint8)
        arrays["n_failed"][i, j] = e.n_failed
        arrays["worker"][i, j] = workers.of(described(e))
        for name, value in (("score", e.score), ("low", e.score_low), ("high", e.score_high),
                            ("coverage", e.coverage)):  # fmt: skip
            arrays[name][i, j] = math.nan if value is None else value
        if is_zero(e, entries[j].task_version):
            for name in ("score", "low", "high"):
                arrays[name][i, j] = 0.0
        if e.state == EvaluationState.SUCCEEDED:
            why = why_not_ranked(e, entries[j].task_version)
            arrays["why"][i, j] = sentences.of(why)
            arrays["hardware"][i, j] = keys.of(e.hardware_key)
    rows = [submissions[i] for i in range(len(row))]
    arrays["rank"] = task_ranks(arrays)
    public = [s.visibility == Visibility.PUBLIC for s in rows]
    matrix = Matrix(
        names=[str(s) for s in rows],
        is_public=np.array(public, bool),
        sentences=list(sentences.index),
        hardware_keys=list(keys.index),
        workers=list(workers.index),
        **arrays,
    )
    return rows, matrix


def is_zero(evaluation: Evaluation | Result, version: TaskVersion) -> bool:
    """Whether nothing of the task is covered, which counts as a score of 0 overall."""
    is_not_covered = evaluation.state == EvaluationState.FAILED and evaluation.coverage == 0
    return is_not_covered and version.counts_what_is_not_covered


def task_ranks(arrays: Mapping[str, npt.NDArray[Any]]) -> IntArray:
    """Ranks within each task, and within each hardware of it."""
    ranked = (arrays["state"] == SUCCEEDED) & (arrays["why"] == 0) & ~np.isnan(arrays["score"])
    ranks = np.zeros(ranked.shape, np.int32)
    for j in range(ranked.shape[1]):
        for key in np.unique(arrays["hardware"][ranked[:, j], j]):
            rows = np.flatnonzero(ranked[:, j] & (arrays["hardware"][:, j] == key))
            ranks[rows, j] = ranking.ranks(arrays["score"][rows, j])
    return ranks


def ranked(
    matrix: Matrix,
    entries: Sequence[BenchmarkTask],
    weights: Mapping[str, float],
    replicates: Mapping[str, npt.NDArray[np.float32]],
) -> Ranking:
    """Who stands where when each category weighs so much; nobody when nothing counts.

    ``replicates`` are those of each category's score, shape (rows, n); NaN where a row has none.
    """
    tasks = [ranking.Weighted(e.category, e.weight, weights[e.category]) for e in entries]
    if not any(task.weight > 0 and task.category_weight > 0 for task in tasks):
        n = len(matrix.names)
        return _standings(matrix, np.full(n, np.nan), np.zeros((n, 0)), [_NOTHING] * n, "")
    shares = np.array(ranking.shares_of(tasks))
    overall = np.zeros(len(matrix.names))
    for j in np.flatnonzero(shares):
        overall += shares[j] * matrix.score[:, j]
    means = overall_replicates(entries, shares, replicates)
    reasons = _reasons(matrix, entries, shares)
    timed_on = _hardware(matrix, shares)
    rankable = [keys for keys, reason in zip(timed_on, reasons, strict=True) if not reason]
    hardware = board_hardware.most_frequent(rankable)
    reasons = [
        reason or board_hardware.why_not_comparable(keys, hardware)
        for keys, reason in zip(timed_on, reasons, strict=True)
    ]
    return _standings(matrix, overall, means, reasons, hardware)


def overall_replicates(
    entries: Sequence[BenchmarkTask],
    shares: Sequence[float] | FloatArray,
    replicates: Mapping[str, npt.NDArray[np.float32]],
) -> FloatArray:
    """Replicates of the overall score, shape (rows, n), from those of each category's score."""
    share: dict[str, float] = {}
    for entry, part in zip(entries, shares, strict=True):
        share[entry.category] = share.get(entry.category, 0.0) + part
    counted = [name for name, part in share.items() if part > 0]
    n = min((replicates[name].shape[1] for name in counted), default=0)
    total = np.zeros((next(iter(replicates.values())).shape[0] if replicates else 0, n))
    for name in counted:
        total += share[name] * replicates[name][:, :n]
    return total


def _standings(
    matrix: Matrix,
    overall: FloatArray,
    replicates: FloatArray,
    reasons: Sequence[str],
    hardware: str,
) -> Ranking:
    is_ranked = np.array([not reason for reason in reasons], bool)
    standings = ranking.standings(overall, replicates, is_ranked, matrix.names)
    has_replicates = ranking.are_there(replicates)
    low, high = np.full((2, len(overall)), np.nan)
    if has_replicates.any():
        ends = np.quantile(replicates[has_replicates], ranking.INTERVAL, axis=1)
        low[has_replicates], high[has_replicates] = ends
    # A score that rests on a single system: replicates that repeat it show no certainty.
    uncertain = (~np.isnan(matrix.score) & np.isnan(matrix.low)).any(axis=1)
    low[uncertain | np.isnan(overall)] = high[uncertain | np.isnan(overall)] = np.nan
    return Ranking(
        **vars(standings),
        overall=overall,
        low=low,
        high=high,
        reasons=reasons,
        hardware=hardware,
    )


def _reasons(matrix: Matrix, entries: Sequence[BenchmarkTask], shares: FloatArray) -> list[str]:
    """Why each row has no overall rank; a task that does not count is not asked for."""
    counted = np.flatnonzero(shares)
    succeeded = matrix.state[:, counted] == SUCCEEDED
    why = np.where(succeeded, matrix.why[:, counted], 0)
    # What is not covered has a score of 0 without being a success.
    judged = succeeded | ~np.isnan(matrix.score[:, counted])
    reasons = [""] * len(matrix.names)
    for i in np.flatnonzero(~matrix.is_public | ~judged.all(axis=1) | why.any(axis=1)):
        if not matrix.is_public[i]:
            reasons[i] = PRIVATE
        elif why[i].any():
            reasons[i] = matrix.sentences[why[i][why[i] > 0][0]]
        else:
            missing = [entries[j].task_version.task.name for j in counted[~judged[i]]]
            reasons[i] = f"Not ranked overall without a score on {', '.join(missing)}."
    return reasons


def _hardware(matrix: Matrix, shares: FloatArray) -> list[set[str]]:
    """What the timed tasks that count were timed on, row by row."""
    timed = matrix.hardware[:, (shares > 0) & matrix.hardware.any(axis=0)]
    return [{matrix.hardware_keys[k] for k in row if k} for row in timed.tolist()]
