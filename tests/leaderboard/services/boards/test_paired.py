"""Replicates of means and of differences, by hand and by what theory says of their width."""

from __future__ import annotations

import numpy as np
import pytest

from leaderboard import ranking
from leaderboard.services.boards.paired import combined, difference


def test_replicates_are_combined_index_by_index_and_the_shortest_counts() -> None:
    found = combined({1: [0.0, 1.0, 0.5], 2: [1.0, 0.0]}, {1: 0.25, 2: 0.75})
    assert found.tolist() == pytest.approx([0.75, 0.25])


def test_a_task_that_counts_and_has_no_replicates_leaves_none() -> None:
    assert combined({1: [0.0, 1.0]}, {1: 0.5, 2: 0.5}).tolist() == []
    assert combined({1: [0.0, 1.0]}, {1: 1.0, 2: 0.0}).tolist() == [0.0, 1.0]


@pytest.mark.parametrize("seed", range(10))
def test_the_interval_of_a_mean_of_equal_tasks_is_narrower_than_each(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = {task: 0.5 + 0.1 * rng.standard_normal(400) for task in range(4)}
    low, high = ranking.interval(combined(rows, dict.fromkeys(rows, 0.25)))
    one_low, one_high = ranking.interval(rows[0])
    assert low is not None
    assert high is not None
    assert one_low is not None
    assert one_high is not None
    assert (high - low) < 0.7 * (one_high - one_low)  # theory: half
    assert ranking.interval([]) == (None, None)


def test_a_difference_needs_both_scores_and_has_an_interval_with_replicates_alone() -> None:
    assert difference(None, 0.5, [], []) is None
    gap = difference(0.5, 0.25, [], [])
    assert gap is not None
    assert (gap.value, gap.low, gap.high, gap.is_significant) == (0.25, None, None, False)
    sure = difference(0.5, 0.25, [0.5, 0.6], [0.25, 0.35])
    assert sure is not None
    assert sure.is_significant
    assert (-sure).value == -0.25
