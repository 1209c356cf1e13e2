"""Ranks by hand, and the properties that a fair ranking must have."""

from __future__ import annotations

import math

import numpy as np
import pytest

from leaderboard import ranking
from leaderboard.ranking import Standing, Weighted

SEEDS = range(10)


def replicates_around(
    scores: list[float], width: float, seed: int, n: int = 400
) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    return [(score + width * rng.standard_normal(n)).tolist() for score in scores]


def test_equal_scores_share_the_lowest_rank_and_the_next_rank_is_skipped() -> None:
    assert ranking.ranks([0.5, 0.9, 0.5, 0.1]) == [2, 1, 2, 4]


def test_what_was_not_judged_has_no_rank_and_takes_none_away() -> None:
    assert ranking.ranks([None, 0.2, math.nan, 0.9]) == [None, 2, None, 1]
    assert ranking.ranks([]) == []
    assert ranking.ranks([None]) == [None]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(12).round(1).tolist()
    replicates = replicates_around(scores, 0.1, seed)
    expected = ranking.standings(scores, replicates)
    permutation = rng.permutation(12)

    shuffled = ranking.standings(
        [scores[i] for i in permutation], [replicates[i] for i in permutation]
    )

    assert shuffled == [expected[i] for i in permutation]


@pytest.mark.parametrize("seed", SEEDS)
def test_adding_a_potential_moves_ranks_by_at_most_one(seed: int) -> None:
    scores = np.random.default_rng(seed).random(8).tolist()
    before = ranking.ranks(scores)
    after = ranking.ranks([*scores, 0.5])
    for score, old, new in zip(scores, before, after, strict=False):
        assert old is not None
        assert new == (old + 1 if score < 0.5 else old)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rank_interval_holds_the_rank(seed: int) -> None:
    scores = np.random.default_rng(seed).random(9).tolist()
    for found in ranking.standings(scores, replicates_around(scores, 0.3, seed)):
        assert found.rank is not None
        assert found.rank_low is not None
        assert found.rank_high is not None
        assert 1 <= found.rank_low <= found.rank <= found.rank_high <= 9


def test_well_parted_scores_have_certain_ranks_and_close_ones_do_not() -> None:
    scores = [0.9, 0.5, 0.1]
    assert ranking.standings(scores, replicates_around(scores, 0.001, 0)) == [
        Standing(1, 1, 1),
        Standing(2, 2, 2),
        Standing(3, 3, 3),
    ]
    close = [0.51, 0.50, 0.1]
    assert ranking.standings(close, replicates_around(close, 0.05, 0))[:2] == [
        Standing(1, 1, 2),
        Standing(2, 1, 2),
    ]


def test_a_rank_interval_pairs_the_replicates() -> None:
    # Both swing by ±0.3 together, A always 0.01 above B: the order is certain all the same.
    swing = np.random.default_rng(0).normal(0, 0.3, 300)
    a, b = (0.5 + swing).tolist(), (0.49 + swing).tolist()
    assert ranking.standings([0.5, 0.49], [a, b]) == [Standing(1, 1, 1), Standing(2, 2, 2)]
    assert not ranking.are_tied(0.5, 0.49, np.array(a), np.array(b))


def test_potentials_are_tied_when_the_paired_difference_may_be_zero() -> None:
    a, b, c = (np.array(row) for row in replicates_around([0.50, 0.51, 0.90], 0.05, 1))
    assert ranking.are_tied(0.51, 0.50, b, a)
    assert not ranking.are_tied(0.90, 0.51, c, b)


def test_without_replicates_only_equal_scores_are_tied_and_ranks_have_no_interval() -> None:
    nothing = np.array([])
    assert ranking.are_tied(0.5, 0.5, nothing, nothing)
    assert not ranking.are_tied(0.5, 0.4, nothing, nothing)
    assert ranking.standings([0.5, 0.4], [[], []]) == [Standing(1), Standing(2)]


def test_a_potential_without_replicates_is_held_at_its_score() -> None:
    swing = [0.4, 0.6] * 50
    assert ranking.standings([0.5, 0.5, 0.7], [swing, [], []]) == [
        Standing(2, 2, 3),
        Standing(2),
        Standing(1),
    ]


def test_the_overall_score_weighs_categories_then_tasks() -> None:
    tasks = [Weighted("bulk", 1, 2), Weighted("bulk", 3, 2), Weighted("forces", 5, 1)]
    # bulk = (0.4 + 3 * 0.8) / 4 = 0.7; overall = (2 * 0.7 + 0.1) / 3 = 0.5
    assert ranking.overall_score([0.4, 0.8, 0.1], tasks) == pytest.approx(0.5)
    assert ranking.shares_of(tasks) == pytest.approx([1 / 6, 1 / 2, 1 / 3])


def test_a_missing_task_leaves_no_overall_score_unless_it_does_not_count() -> None:
    tasks = [Weighted("bulk", 1, 1), Weighted("forces", 1, 1)]
    assert ranking.overall_score([0.4, None], tasks) is None
    assert ranking.overall_score([0.4, math.nan], tasks) is None
    ignored = [Weighted("bulk", 1, 1), Weighted("forces", 1, 0)]
    assert ranking.overall_score([0.4, None], ignored) == pytest.approx(0.4)


def test_an_empty_category_takes_no_share() -> None:
    tasks = [Weighted("bulk", 0, 5), Weighted("forces", 1, 1)]
    assert ranking.shares_of(tasks) == [0, 1]
    with pytest.raises(ValueError, match="every weight is zero"):
        ranking.shares_of([Weighted("bulk", 1, 0)])


def test_replicates_are_combined_index_by_index() -> None:
    tasks = [Weighted("bulk", 1, 1), Weighted("forces", 1, 3)]
    found = ranking.overall_replicates([[0.0, 1.0, 0.5], [1.0, 0.0]], tasks)
    assert found.tolist() == pytest.approx([0.75, 0.25])
    assert ranking.overall_replicates([[0.0, 1.0], []], tasks).tolist() == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_overall_interval_of_equal_tasks_is_narrower_than_each(seed: int) -> None:
    rows = replicates_around([0.5, 0.5, 0.5, 0.5], 0.1, seed)
    tasks = [Weighted(i, 1, 1) for i in range(4)]
    low, high = ranking.interval(ranking.overall_replicates(rows, tasks))
    one_low, one_high = ranking.interval(rows[0])
    assert low is not None
    assert high is not None
    assert one_low is not None
    assert one_high is not None
    assert (high - low) < 0.7 * (one_high - one_low)  # theory: half
    assert ranking.interval([]) == (None, None)
