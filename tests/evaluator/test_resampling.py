"""Draws of many means at once are those of one, and halves are halves."""

from __future__ import annotations

import numpy as np
import pytest

from evaluator import resampling

CLUSTERS = ["a", "a", "b", "c", "d", "e", "e", "f"]


def table(n_rows: int) -> np.ndarray:
    values = np.random.default_rng(5).random((n_rows, len(CLUSTERS))).astype(np.float32)
    values[0, 2] = np.nan
    return values


def test_a_score_is_drawn_as_a_row_of_a_board_is() -> None:
    weights = resampling.cluster_weights(CLUSTERS, 1000)
    values = table(3)
    many = resampling.drawn_means_of_many(values, weights, CLUSTERS, ["x", "y", "z"])
    for name, row, drawn in zip("xyz", values, many, strict=True):
        single = resampling.drawn_means(row.astype(float), weights, CLUSTERS, name)
        assert single == pytest.approx(drawn, abs=1e-6)


def test_draws_are_those_of_a_dirichlet_process() -> None:
    """Mean and spread as they follow from a prior of one cluster, half at 0 and half at 1."""
    names = [str(n) for n in range(9)]
    values = np.linspace(0, 1, 9)
    drawn = resampling.drawn_means(values, resampling.cluster_weights(names, 20_000), names, "x")
    base = np.array([0.0, 1.0, *values])
    shares = np.array([0.5, 0.5, *np.ones(9)]) / 10
    variance = np.sum(shares * (base - 0.5) ** 2) / 11
    assert drawn.mean() == pytest.approx(0.5, abs=0.005)
    assert drawn.std() == pytest.approx(np.sqrt(variance), rel=0.03)


def test_a_row_is_drawn_alike_whoever_stands_beside_it() -> None:
    weights = resampling.cluster_weights(CLUSTERS, 100)
    values = table(3)
    together = resampling.drawn_means_of_many(values, weights, CLUSTERS, ["x", "y", "z"])
    alone = resampling.drawn_means_of_many(values[1:2], weights, CLUSTERS, ["y"])
    assert together[1] == pytest.approx(alone[0], abs=1e-6)


def test_two_rows_with_equal_values_are_apart_by_something() -> None:
    weights = resampling.cluster_weights(CLUSTERS, 1000)
    values = np.full((2, len(CLUSTERS)), 1.0, np.float32)
    first, second = resampling.drawn_means_of_many(values, weights, CLUSTERS, ["x", "y"])
    assert np.std(first - second) > 0.01
    low, high = resampling.intervals(np.array([first]))[0]
    assert 0.5 < low < high < 1.0 + 1e-6


def test_a_row_of_which_nothing_is_known_has_no_draws() -> None:
    values = np.full((1, len(CLUSTERS)), np.nan, np.float32)
    weights = resampling.cluster_weights(CLUSTERS, 10)
    drawn = resampling.drawn_means_of_many(values, weights, CLUSTERS, ["x"])
    assert np.isnan(drawn).all()
    assert np.isnan(resampling.intervals(drawn)).all()


def test_intervals_of_rows_are_the_percentiles() -> None:
    drawn = np.random.default_rng(7).random((4, 1000)).astype(np.float32)
    expected = np.array([resampling.interval(row) for row in drawn])
    assert resampling.intervals(drawn) == pytest.approx(expected, abs=1e-6)
    assert resampling.intervals(np.empty((2, 0), np.float32)).shape == (2, 2)


def test_halves_hold_half_of_the_clusters_and_never_part_of_one() -> None:
    halves = resampling.halves(CLUSTERS, 50)
    assert halves.shape == (50, len(CLUSTERS))
    for half in halves:
        inside = {name for name, is_in in zip(CLUSTERS, half, strict=True) if is_in}
        outside = {name for name, is_in in zip(CLUSTERS, half, strict=True) if not is_in}
        assert len(inside) == 3 and not inside & outside
    assert len({half.tobytes() for half in halves}) > 10
    assert (halves == resampling.halves(CLUSTERS, 50)).all()
