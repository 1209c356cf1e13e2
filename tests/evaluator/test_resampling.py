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


def test_many_rows_are_drawn_as_each_by_itself() -> None:
    """Alike in distribution: the middle and both ends, within the scatter of 20,000 draws."""
    weights = resampling.cluster_weights(CLUSTERS, 20_000)
    values = table(3)
    many = resampling.drawn_means_of_many(values, weights, CLUSTERS, ["x", "y", "z"])
    for row, drawn in zip(values, many, strict=True):
        single = resampling.drawn_means(row.astype(float), weights, CLUSTERS, "one")
        percent = (2.5, 50, 97.5)
        assert np.percentile(drawn, percent) == pytest.approx(
            np.percentile(single, percent), abs=0.01
        )
        # The same clusters weigh more in the same draws.
        assert np.corrcoef(drawn, single)[0, 1] > 0.4


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
