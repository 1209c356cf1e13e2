"""How values over systems become one number, in each replicate: for both ways of scoring.

Shapes are values and weights (n_systems,), drawn (n_replicates, n_systems): how often a replicate
draws a system, or how much it weighs there. A replicate that draws nothing has NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluator.arrays import FloatArray
from evaluator.protocols.base import Statistic

Drawn = NDArray[np.int64] | FloatArray


def pool(statistic: Statistic, values: FloatArray, weights: FloatArray, drawn: Drawn) -> FloatArray:
    """The number of each replicate, shape (n_replicates,)."""
    return _POOL[statistic](values, weights, drawn)


def _mean(values: FloatArray, weights: FloatArray, drawn: Drawn) -> FloatArray:
    total = drawn @ weights
    mean: FloatArray = np.full(len(drawn), np.nan)
    np.divide(drawn @ (weights * values), total, out=mean, where=total > 0)
    return mean


def _rms(values: FloatArray, weights: FloatArray, drawn: Drawn) -> FloatArray:
    return np.asarray(np.sqrt(_mean(values, weights, drawn)))


def _geometric_mean(values: FloatArray, weights: FloatArray, drawn: Drawn) -> FloatArray:
    return np.asarray(np.exp(_mean(np.log(values), weights, drawn)))


def _median(values: FloatArray, weights: FloatArray, drawn: Drawn) -> FloatArray:
    """Unweighted: where half of what is drawn lies below; the middle of two values that part it.

    Of whole numbers it is numpy.median of the repeated values.
    """
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    below = np.cumsum(drawn[:, order], axis=1)
    half = below[:, -1:] / 2
    lower = ordered[np.argmax(below >= half * (1 - 1e-12), axis=1)]
    upper = ordered[np.argmax(below > half * (1 + 1e-12), axis=1)]
    return np.where(below[:, -1] > 0, 0.5 * (lower + upper), np.nan)


_POOL = {
    Statistic.MEAN: _mean,
    Statistic.RMS: _rms,
    Statistic.MEDIAN: _median,
    Statistic.GEOMETRIC_MEAN: _geometric_mean,
}
