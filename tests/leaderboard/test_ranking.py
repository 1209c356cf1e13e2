"""Ranks by hand, and the properties that a fair ranking must have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from leaderboard import ranking
from leaderboard.ranking import FloatArray, Standings, Weighted

SEEDS = range(10)


def replicates_around(
    scores: Sequence[float], width: float, seed: int, n: int = 400
) -> list[FloatArray]:
    rng = np.random.default_rng(seed)
    return [score + width * rng.standard_normal(n) for score in scores]


def standings(
    scores: Sequence[float], replicates: Sequence[Sequence[float] | FloatArray]
) -> Standings:
    """Of rows that are all to be ranked, and called by their numbers."""
    return ranking.standings(
        np.array(scores, float),
        ranking.table_of([np.array(row, float) for row in replicates]),
        np.ones(len(scores), bool),
        [str(i) for i in range(len(scores))],
    )


def ranks_of(standings: Standings) -> list[tuple[int, int, int]]:
    columns = (standings.rank, standings.rank_low, standings.rank_high)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def are_tied(scores: Sequence[float], replicates: Sequence[Sequence[float] | FloatArray]) -> bool:
    """Whether the second of two cannot be told apart from the first."""
    table = ranking.table_of([np.array(row, float) for row in replicates])
    first, second = ranking.ties(np.array(scores, float), table).tolist()
    assert not first
    return bool(second)


def test_equal_scores_share_the_lowest_rank_and_the_next_rank_is_skipped() -> None:
    assert ranking.ranks(np.array([0.5, 0.9, 0.5, 0.1])).tolist() == [2, 1, 2, 4]


def test_what_was_not_judged_has_no_rank_and_takes_none_away() -> None:
    assert ranking.ranks(np.array([np.nan, 0.2, np.nan, 0.9])).tolist() == [0, 2, 0, 1]
    assert ranking.ranks(np.array([])).tolist() == []
    assert ranking.ranks(np.array([np.nan])).tolist() == [0]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_the_rows_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(12).round(1).tolist()
    replicates = replicates_around(scores, 0.1, seed)
    expected = ranks_of(standings(scores, replicates))
    permutation = rng.permutation(12)

    shuffled = standings([scores[i] for i in permutation], [replicates[i] for i in permutation])

    assert ranks_of(shuffled) == [expected[i] for i in permutation]


@pytest.mark.parametrize("seed", SEEDS)
def test_adding_a_potential_moves_ranks_by_at_most_one(seed: int) -> None:
    scores = np.random.default_rng(seed).random(8)
    before = ranking.ranks(scores).tolist()
    after = ranking.ranks(np.append(scores, 0.5)).tolist()
    for score, old, new in zip(scores.tolist(), before, after, strict=False):
        assert new == (old + 1 if score < 0.5 else old)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rank_interval_holds_the_rank(seed: int) -> None:
    scores = np.random.default_rng(seed).random(9).tolist()
    for rank, low, high in ranks_of(standings(scores, replicates_around(scores, 0.3, seed))):
        assert 1 <= low <= rank <= high <= 9


def test_well_parted_scores_have_certain_ranks_and_close_ones_do_not() -> None:
    scores = [0.9, 0.5, 0.1]
    certain = standings(scores, replicates_around(scores, 0.001, 0))
    assert ranks_of(certain) == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    close = [0.51, 0.50, 0.1]
    found = standings(close, replicates_around(close, 0.05, 0))
    assert ranks_of(found)[:2] == [(1, 1, 2), (2, 1, 2)]
    assert found.is_tied.tolist() == [False, True, False]


def test_a_rank_interval_pairs_the_replicates() -> None:
    # Both swing by ±0.3 together, A always 0.01 above B: the order is certain all the same.
    swing = np.random.default_rng(0).normal(0, 0.3, 300)
    a, b = 0.5 + swing, 0.49 + swing
    assert ranks_of(standings([0.5, 0.49], [a, b])) == [(1, 1, 1), (2, 2, 2)]
    assert not are_tied([0.5, 0.49], [a, b])


def test_potentials_are_tied_when_the_paired_difference_may_be_zero() -> None:
    a, b, c = replicates_around([0.50, 0.51, 0.90], 0.05, 1)
    assert are_tied([0.51, 0.50], [b, a])
    assert not are_tied([0.90, 0.51], [c, b])


def test_without_replicates_only_equal_scores_are_tied_and_ranks_have_no_interval() -> None:
    assert are_tied([0.5, 0.5], [[], []])
    assert not are_tied([0.5, 0.4], [[], []])
    assert ranks_of(standings([0.5, 0.4], [[], []])) == [(1, 0, 0), (2, 0, 0)]


def test_with_replicates_on_one_side_only_equal_scores_are_tied() -> None:
    swing = [0.4, 0.6] * 50
    assert are_tied([0.5, 0.5], [swing, []])
    assert not are_tied([0.51, 0.5], [swing, []])
    assert standings([], []).is_tied.tolist() == []


def test_a_potential_without_replicates_is_held_at_its_score() -> None:
    swing = [0.4, 0.6] * 50
    found = standings([0.5, 0.5, 0.7], [swing, [], []])
    assert ranks_of(found) == [(2, 2, 3), (2, 0, 0), (1, 0, 0)]


def test_of_replicates_of_several_lengths_the_shortest_counts() -> None:
    table = ranking.table_of([np.array([0.1, 0.2, 0.3]), np.array([]), np.array([0.4, 0.5])])
    assert table[[0, 2]].tolist() == [[0.1, 0.2], [0.4, 0.5]]
    assert ranking.are_there(table).tolist() == [True, False, True]


def test_who_is_not_to_be_ranked_takes_no_rank_away_and_stands_below_by_score() -> None:
    scores = np.array([0.9, 0.4, np.nan, 0.6, 0.6])
    found = ranking.standings(
        scores, np.zeros((5, 0)), np.array([False, True, False, False, True]), list("edcba")
    )
    assert found.rank.tolist() == [0, 2, 0, 0, 1]
    assert found.order.tolist() == [4, 1, 0, 3, 2]


def test_the_overall_score_weighs_categories_then_tasks() -> None:
    tasks = [Weighted("bulk", 1, 2), Weighted("bulk", 3, 2), Weighted("forces", 5, 1)]
    # bulk = (0.4 + 3 * 0.8) / 4 = 0.7; overall = (2 * 0.7 + 0.1) / 3 = 0.5
    assert ranking.overall_score([0.4, 0.8, 0.1], tasks) == pytest.approx(0.5)
    assert ranking.shares_of(tasks) == pytest.approx([1 / 6, 1 / 2, 1 / 3])


def test_a_missing_task_leaves_no_overall_score_unless_it_does_not_count() -> None:
    tasks = [Weighted("bulk", 1, 1), Weighted("forces", 1, 1)]
    assert ranking.overall_score([0.4, None], tasks) is None
    assert ranking.overall_score([0.4, np.nan], tasks) is None
    ignored = [Weighted("bulk", 1, 1), Weighted("forces", 1, 0)]
    assert ranking.overall_score([0.4, None], ignored) == pytest.approx(0.4)


def test_an_empty_category_takes_no_share() -> None:
    tasks = [Weighted("bulk", 0, 5), Weighted("forces", 1, 1)]
    assert ranking.shares_of(tasks) == [0, 1]
    with pytest.raises(ValueError, match="every weight is zero"):
        ranking.shares_of([Weighted("bulk", 1, 0)])


@pytest.mark.parametrize("seed", SEEDS)
def test_ranks_are_those_of_scipy(seed: int) -> None:
    from scipy.stats import rankdata

    scores = np.random.default_rng(seed).random(40).round(1)
    assert ranking.ranks(scores).tolist() == rankdata(-scores, method="min").tolist()
