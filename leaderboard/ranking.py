"""Ranks, rank intervals and ties. Pure: numbers in, numbers out; no database.

Scores run from 0 to 1 and higher is better. Replicates are bootstrap replicates of the scores,
one row a potential, one column a replicate. Column i resamples the same systems for everybody,
so that two potentials are compared within each column: what makes a system hard for both does
not blur their difference.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]

#: Ends of the 95 % interval.
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True, kw_only=True, eq=False)
class Standings:
    """Who stands where among others. Shapes are (rows,); 0 stands for no rank or interval."""

    #: Rows from the top of the board to its bottom: by rank, then by score, then by name.
    order: IntArray
    rank: IntArray
    rank_low: IntArray
    rank_high: IntArray
    #: Cannot be told apart from the row above it.
    is_tied: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Weighted:
    """What a task counts for: its weight within its category, and that category's weight."""

    category: Hashable
    weight: float
    category_weight: float


def ranks(scores: FloatArray) -> IntArray:
    """True ranks by descending score: equal scores share the lowest; NaN has none, which is 0."""
    judged = ~np.isnan(scores)
    ranks = np.zeros(len(scores), np.int32)
    falling = -scores[judged]
    ranks[judged] = np.searchsorted(np.sort(falling), falling) + 1
    return ranks


def standings(
    scores: FloatArray,
    replicates: FloatArray,
    is_ranked: npt.NDArray[np.bool_],
    names: Sequence[str],
) -> Standings:
    """Rank the rows that are to be ranked, with the 95 % interval of each rank, and order them all.

    Parameters
    ----------
    scores
        One a row; NaN where nothing could be judged.
    replicates
        Replicates of each score, as ``table_of`` makes them: a row without any is NaN. It is held
        at its score while the others are resampled, and has no interval itself.
    names
        Rows of equal scores stand in their order.
    """
    rank = ranks(np.where(is_ranked, scores, np.nan))
    low, high = np.zeros((2, len(scores)), np.int32)
    has_replicates, judged = are_there(replicates), np.flatnonzero(rank)
    if has_replicates[judged].any():
        held = np.where(has_replicates[:, None], replicates, scores[:, None])[judged]
        columns = _ranks_of_columns(held)
        ends = np.quantile(columns, INTERVAL, axis=1, method="inverted_cdf").astype(np.int32)
        low[judged] = np.minimum(rank[judged], ends[0])
        high[judged] = np.maximum(rank[judged], ends[1])
        low[~has_replicates] = high[~has_replicates] = 0
    keys = [
        row_key(rank_, None if np.isnan(score) else score, name)
        for rank_, score, name in zip(rank.tolist(), scores.tolist(), names, strict=True)
    ]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int32)
    is_tied = np.zeros(len(scores), bool)
    in_order = order[: len(judged)]
    is_tied[in_order] = ties(scores[in_order], replicates[in_order])
    return Standings(order=order, rank=rank, rank_low=low, rank_high=high, is_tied=is_tied)


def row_key(rank: int | None, score: float | None, name: str) -> tuple[bool, int, bool, float, str]:
    """Sorts by rank, then the unranked by score, then by name."""
    return (not rank, rank or 0, score is None, -(score or 0.0), name)


def table_of(replicates: Sequence[FloatArray]) -> FloatArray:
    """Put the replicates of several scores below each other; NaN for a score without any.

    Where lengths differ, the shortest counts.
    """
    n = min((len(row) for row in replicates if len(row)), default=0)
    rows = [row[:n] if len(row) else np.full(n, np.nan) for row in replicates]
    return np.array(rows, float).reshape(len(rows), n)


def are_there(replicates: FloatArray) -> npt.NDArray[np.bool_]:
    """Which rows of a table have replicates."""
    there: npt.NDArray[np.bool_] = np.full(len(replicates), replicates.shape[1] > 0)
    return there & ~np.isnan(replicates).any(axis=1)


def _ranks_of_columns(table: FloatArray) -> npt.NDArray[np.int32]:
    """Rank as ``scipy.stats.rankdata(-table, method="min", axis=0)``, in half the time."""
    rows: FloatArray = np.ascontiguousarray(-table.T)
    order = np.argsort(rows, axis=1)
    values = np.take_along_axis(rows, order, axis=1)
    # Where a new value begins, its rank is its place; equals take over that of the first of them.
    begins = np.tile(np.arange(1, rows.shape[1] + 1, dtype=np.int32), (rows.shape[0], 1))
    begins[:, 1:][values[:, 1:] == values[:, :-1]] = 0
    ranks = np.empty_like(begins)
    np.put_along_axis(ranks, order, np.maximum.accumulate(begins, axis=1), axis=1)
    return np.ascontiguousarray(ranks.T)


def ties(scores: FloatArray, replicates: FloatArray) -> npt.NDArray[np.bool_]:
    """Whether each row cannot be told apart from the one before it.

    Two are tied when the 95 % interval of the difference of their scores, formed replicate by
    replicate, contains zero. Without replicates on both sides only equal scores are tied.
    Being tied is no equivalence: A may be tied with B, and B with C, and A still beat C.
    """
    tied = np.zeros(len(scores), bool)
    tied[1:] = scores[1:] == scores[:-1]
    has_replicates = are_there(replicates)
    first = np.flatnonzero(has_replicates[1:] & has_replicates[:-1])
    if len(first):
        low, high = np.quantile(replicates[first] - replicates[first + 1], INTERVAL, axis=1)
        tied[first + 1] = (low <= 0.0) & (high >= 0.0)
    return tied


def overall_score(values: Sequence[float | None], tasks: Sequence[Weighted]) -> float | None:
    """Weighted mean over categories of the weighted mean of the task scores within each.

    None when a task that counts is missing, so that leaving out a hard task never helps.
    A task counts when its weight and its category's are above zero; ValueError when none does.
    """
    shares = shares_of(tasks)
    counted = [(share, value) for share, value in zip(shares, values, strict=True) if share > 0]
    total = 0.0
    for share, value in counted:
        if value is None or np.isnan(value):
            return None
        total += share * value
    return float(total)


def shares_of(tasks: Sequence[Weighted]) -> list[float]:
    """What part of the overall score each task makes; they add up to one."""
    within: dict[Hashable, float] = {}
    categories: dict[Hashable, float] = {}
    for task in tasks:
        within[task.category] = within.get(task.category, 0.0) + task.weight
        categories[task.category] = task.category_weight
    _drop_empty(categories, within)
    total = sum(categories.values())
    if not total > 0:
        raise ValueError("no task counts: every weight is zero")
    return [
        categories[task.category] / total * task.weight / within[task.category]
        if task.category in categories
        else 0.0
        for task in tasks
    ]


def _drop_empty(categories: dict[Hashable, float], within: Mapping[Hashable, float]) -> None:
    for category, weight in within.items():
        if not weight > 0:
            del categories[category]


def interval(replicates: Sequence[float] | FloatArray) -> tuple[float | None, float | None]:
    """The 95 % interval of a score from its replicates; (None, None) without any."""
    if not len(replicates):
        return None, None
    low, high = np.quantile(np.asarray(replicates, dtype=float), INTERVAL)
    return float(low), float(high)


def as_array(scores: Sequence[float | None] | FloatArray) -> FloatArray:
    return np.array([np.nan if score is None else score for score in scores], dtype=float)
