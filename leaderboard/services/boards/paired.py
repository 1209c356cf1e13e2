"""Differences between submissions, formed replicate by replicate.

Replicate i draws the same systems for every submission of a task version, so what makes a system
hard for both does not blur their difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboard import ranking


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What two scores or values of a metric differ by: the first less the second."""

    value: float
    #: The 95 % interval over the replicates; None where there are none.
    low: float | None
    high: float | None

    def __neg__(self) -> Difference:
        low = None if self.high is None else -self.high
        high = None if self.low is None else -self.low
        return Difference(value=-self.value, low=low, high=high)

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves zero out. Without replicates nothing can be told."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def difference(
    first: float | None,
    second: float | None,
    first_replicates: Sequence[float] | ranking.FloatArray,
    second_replicates: Sequence[float] | ranking.FloatArray,
) -> Difference | None:
    """None where one of them has no score."""
    if first is None or second is None:
        return None
    columns = min(len(first_replicates), len(second_replicates))
    low, high = ranking.interval(
        np.asarray(first_replicates[:columns]) - np.asarray(second_replicates[:columns])
    )
    return Difference(value=first - second, low=low, high=high)


def combined(
    rows: Mapping[int, Sequence[float] | ranking.FloatArray], shares: Mapping[int, float]
) -> ranking.FloatArray:
    """Replicates of a weighted mean over tasks; empty where a task that counts has none."""
    counted = [(rows.get(key, ()), share) for key, share in shares.items() if share > 0]
    columns = min((len(row) for row, _ in counted), default=0)
    total = np.zeros(columns)
    for row, share in counted:
        total += share * np.asarray(row[:columns], dtype=float)
    return total
