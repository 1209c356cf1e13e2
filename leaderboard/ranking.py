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
from scipy.stats import rankdata

FloatArray = npt.NDArray[np.float64]

#: Ends of the 95 % interval.
INTERVAL = (0.025, 0.975)


@dataclass(frozen=True)
class Standing:
    """Where one potential stands among those ranked together; all None when it has no score."""

    rank: int | None
    rank_low: int | None = None
    rank_high: int | None = None


@dataclass(frozen=True)
class Weighted:
    """What a task counts for: its weight within its category, and that category's weight."""

    category: Hashable
    weight: float
    category_weight: float


def ranks(scores: Sequence[float | None]) -> list[int | None]:
    """True ranks by descending score: equal scores share the lowest; None and NaN have none."""
    values = as_array(scores)
    judged = ~np.isnan(values)
    found = rankdata(-values[judged], method="min").astype(int).tolist()
    return [found.pop(0) if is_judged else None for is_judged in judged]


def standings(
    scores: Sequence[float | None], replicates: Sequence[Sequence[float] | FloatArray]
) -> list[Standing]:
    """Rank each potential, with the 95 % interval of its rank over the replicates.

    Parameters
    ----------
    scores
        One a potential; None or NaN where nothing could be judged.
    replicates
        Replicates of each score. A potential without any is held at its score while the others
        are resampled, and has no interval itself. Where lengths differ, the shortest counts.
    """
    order = ranks(scores)
    judged = [i for i, rank in enumerate(order) if rank is not None]
    columns = min((len(replicates[i]) for i in judged if len(replicates[i])), default=0)
    if not columns:
        return [Standing(rank) for rank in order]
    table = np.array(
        [replicates[i][:columns] if len(replicates[i]) else [scores[i]] * columns for i in judged],
        dtype=float,
    )
    low, high = np.quantile(
        _ranks_of_columns(table), INTERVAL, axis=1, method="inverted_cdf"
    ).astype(int)
    found = [Standing(rank) for rank in order]
    for row, i in enumerate(judged):
        rank = order[i]
        if rank is not None and len(replicates[i]):
            found[i] = Standing(rank, min(rank, int(low[row])), max(rank, int(high[row])))
    return found


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


def ties(
    scores: Sequence[float | None], replicates: Sequence[Sequence[float] | FloatArray]
) -> list[bool]:
    """Whether each cannot be told apart from the one before it; see ``are_tied``."""
    found = [False] * len(scores)
    lengths = {len(row) for row in replicates}
    if len(scores) > 1 and len(lengths) == 1 and lengths != {0} and None not in scores:
        table = np.array(replicates, dtype=float)
        low, high = np.quantile(table[:-1] - table[1:], INTERVAL, axis=1)
        found[1:] = ((low <= 0.0) & (high >= 0.0)).tolist()
        return found
    for i in range(1, len(scores)):
        first, second = scores[i - 1], scores[i]
        if first is not None and second is not None:
            rows = as_array(replicates[i - 1]), as_array(replicates[i])
            found[i] = are_tied(first, second, *rows)
    return found


def are_tied(
    first: float, second: float, first_replicates: FloatArray, second_replicates: FloatArray
) -> bool:
    """Whether two potentials cannot be told apart.

    They are tied when the 95 % interval of the difference of their scores, formed replicate by
    replicate, contains zero. Without replicates on both sides only equal scores are tied.
    Being tied is no equivalence: A may be tied with B, and B with C, and A still beat C.
    """
    columns = min(len(first_replicates), len(second_replicates))
    if not columns:
        return first == second
    difference = np.asarray(first_replicates[:columns]) - np.asarray(second_replicates[:columns])
    low, high = np.quantile(difference, INTERVAL)
    return bool(low <= 0.0 <= high)


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


def overall_replicates(
    replicates: Sequence[Sequence[float]], tasks: Sequence[Weighted]
) -> FloatArray:
    """Replicates of the overall score: replicate i of every task, combined as the scores are.

    Tasks have different systems and are resampled independently of each other. Empty when a
    task that counts has none.
    """
    counted = [
        (share, row) for share, row in zip(shares_of(tasks), replicates, strict=True) if share > 0
    ]
    columns = min((len(row) for _, row in counted), default=0)
    total = np.zeros(columns)
    for share, row in counted:
        total += share * np.asarray(row[:columns], dtype=float)
    return total


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
