"""Rank correlations with answers known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.cache import cache
from django.utils import timezone

from leaderboard.services.advice.correlation import _ranks, correlation, task_correlations
from tests.leaderboard import factories
from tests.leaderboard.advice_world import add, build_board
from tests.leaderboard.timings import CPU, timed

NAN = float("nan")


def row(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def test_the_same_order_is_one_and_the_reverse_minus_one() -> None:
    x = row(0.1, 0.2, 0.5, 0.9, 0.95)
    assert correlation(x, x**3).value == pytest.approx(1.0)
    assert correlation(x, -x).value == pytest.approx(-1.0)


def test_it_is_spearmans_with_ties_and_gaps() -> None:
    x = row(0.1, 0.4, 0.4, 0.9, 0.3, NAN, 0.2)
    y = row(0.2, 0.1, 0.6, 0.7, 0.3, 0.9, NAN)
    found = correlation(x, y)
    both = np.isfinite(x) & np.isfinite(y)
    assert found.n == 5
    from scipy.stats import spearmanr  # each process of a session would load it

    assert found.value == pytest.approx(spearmanr(x[both], y[both]).statistic)
    assert found.low is not None and found.high is not None
    assert -1 <= found.low <= found.value <= found.high <= 1


def test_ranks_of_a_replicate_are_those_of_the_drawn_potentials() -> None:
    scores, counts = row(0.3, 0.1, 0.3, 0.9), row(2, 0, 1, 1)[:, np.newaxis]
    # Drawn are 0.3, 0.3, 0.3 and 0.9: three share rank 2.
    drawn = np.repeat(scores, counts[:, 0].astype(int))
    from scipy.stats import rankdata

    assert sorted(set(rankdata(drawn))) == [2.0, 4.0]
    found = _ranks(scores, counts)[:, 0]
    assert found[[0, 2, 3]].tolist() == [2.0, 2.0, 4.0]


def test_few_or_equal_scores_tell_nothing() -> None:
    assert correlation(row(0.1, 0.2, 0.3), row(0.1, 0.2, 0.3)).value is None
    assert correlation(row(0.5, 0.5, 0.5, 0.5), row(0.1, 0.2, 0.3, 0.4)).value is None
    assert correlation(row(), row()).n == 0


def test_a_perfect_order_of_few_is_not_called_certain() -> None:
    few, many = np.arange(9) / 10, np.arange(10) / 10
    assert not correlation(few, few).is_certain
    assert correlation(many, many).is_certain


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    # Bivariate normal with correlation 0.6: Spearman's is 6/π asin(0.3) = 0.582.
    truth = 6 / np.pi * np.arcsin(0.3)
    rng = np.random.default_rng(1)
    n_covered = 0
    for _ in range(100):
        x = rng.normal(size=60)
        y = 0.6 * x + 0.8 * rng.normal(size=60)
        found = correlation(x, y)
        assert found.low is not None and found.high is not None
        n_covered += found.low <= truth <= found.high
    assert 85 <= n_covered <= 100


@pytest.mark.django_db
def test_each_public_potential_counts_once_and_baselines_do_not() -> None:
    world = build_board()
    cache.clear()
    for n in range(5):
        add(world, f"x{n}", 0, scores=(n / 10, n / 10, 1 - n / 10), seed=n)
    add(world, "baseline", 0.0, is_baseline=True)
    add(world, "secret", 0.9, visibility="private")
    add(world, "gone", 0.9, withdrawn_at=timezone.now())
    newer = factories.submission(add(world, "y", 0.5).potential, version="2")
    factories.evaluation(newer, world.forces, score=0.95)
    found = task_correlations(world.benchmark)
    names = [entrant.title for entrant in found.entrants]
    assert names == ["X0 1", "X1 1", "X2 1", "X3 1", "X4 1", "Y 2"]
    table = {
        (a.task.slug, b.task.slug): c
        for a, line in zip(found.task_versions, found.table, strict=True)
        for b, c in zip(found.task_versions, line, strict=True)
    }
    agreeing, opposed = table["forces", "heating"], table["forces", "crystals"]
    assert agreeing and (agreeing.n, agreeing.value) == (5, pytest.approx(1.0))
    assert opposed and opposed.value == pytest.approx(-1.0)
    assert table["forces", "forces"] is None
    assert table["heating", "forces"] == agreeing


@pytest.mark.django_db
def test_of_a_timed_task_the_most_often_timed_hardware_counts() -> None:
    world = build_board()
    add(world, "a", 0.5)
    add(world, "b", 0.5)
    timed(add(world, "c", 0.5, us_per_atom=None), world.efficiency, hardware=CPU, score=0.1)
    scores = task_correlations(world.benchmark).scores
    assert np.isfinite(scores[:, 3]).tolist() == [True, True, False]
