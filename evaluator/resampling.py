"""Intervals of a mean over systems that come in clusters; numpy alone, so that boards use it too.

Drawn are means from the Dirichlet process posterior (Ferguson, Ann. Stat. 1, 209 (1973)) with a
prior of one cluster, half of it at 0 and half at 1. Where all numbers are 0 or 1 that is Jeffreys'
interval of a proportion (Brown, Cai and DasGupta, Stat. Sci. 16, 101 (2001)); without the prior it
is the Bayesian bootstrap (Rubin, Ann. Stat. 9, 130 (1981)). It holds for few clusters, and never
has the width zero.

The weight of a cluster follows from its name: draw i weighs it alike for all submissions and in all
tasks that hold it, so that differences and overall scores are formed draw by draw. Where its prior
lies is each submission's own; else two with equal answers would be apart by nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from evaluator.arrays import FloatArray

#: Clusters that the prior counts for.
_PRIOR = 1.0
#: Places where the priors of many rows may begin.
_N_GAMMAS = 2**17
#: So that what is worked on stays near the processor: a quarter of a megabyte.
_ROWS_AT_ONCE = 64
INTERVAL_PERCENT = (2.5, 97.5)


def cluster_weights(clusters: Sequence[str], n_draws: int) -> FloatArray:
    """Weight of each system in each draw, which is that of its cluster; shape (n_draws, n_systems).

    ``clusters`` names the cluster of each system.
    """
    by_name = {
        name: _generator(f"cluster/{name}").standard_exponential(n_draws)
        for name in dict.fromkeys(clusters)
    }
    return np.array([by_name[name] for name in clusters]).reshape(-1, n_draws).T


def drawn_means(
    values: FloatArray, weights: FloatArray, clusters: Sequence[str], own: str
) -> FloatArray:
    """Draws of the mean of the values that are known, shape (n_draws,); empty where none is.

    Parameters
    ----------
    values
        Between 0 and 1, shape (n_systems,); NaN is left out.
    weights
        As ``cluster_weights`` made them.
    own
        Names whose prior it is: the submission and what it is judged on.
    """
    if not np.isfinite(values).any():
        return np.empty(0)
    table = np.asarray(values, np.float32)[None]
    drawn: FloatArray = drawn_means_of_many(table, weights, clusters, [own])[0].astype(float)
    return drawn


def drawn_means_of_many(
    values: NDArray[np.float32], weights: FloatArray, clusters: Sequence[str], own: Sequence[str]
) -> NDArray[np.float32]:
    """Draws of the mean of many rows at once, shape (n_rows, n_draws); NaN where nothing is known.

    In single precision, which is a fiftieth of the time. The prior is a cluster of the mean size.
    Each row's is a part of one long list of random numbers that begins where its name says:
    another row never moves it.

    Parameters
    ----------
    values
        Between 0 and 1, shape (n_rows, n_systems); NaN is left out.
    own
        Names whose prior it is, for each row.
    """
    known = np.isfinite(values)
    index = {name: i for i, name in enumerate(dict.fromkeys(clusters))}
    member = np.zeros((len(clusters), len(index)), np.float32)
    member[np.arange(len(clusters)), [index[name] for name in clusters]] = 1
    first = [clusters.index(name) for name in index]
    by_cluster = np.ascontiguousarray(weights[:, first].T, dtype=np.float32)
    counts = known.astype(np.float32) @ member
    sums = np.where(known, values, 0).astype(np.float32) @ member
    with np.errstate(invalid="ignore"):
        size = counts.sum(axis=1, keepdims=True) / (counts > 0).sum(axis=1, keepdims=True)
    size = size.astype(np.float32)
    priors = sliding_window_view(_gammas(len(weights)), len(weights))
    digests = b"".join(hashlib.sha256(name.encode()).digest()[:8] for name in own)
    low, high = np.frombuffer(digests, "<u4").reshape(-1, 2).T % _N_GAMMAS
    drawn = np.empty((len(values), len(weights)), np.float32)
    for start in range(0, len(values), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        ones = priors[high[rows]] * size[rows]
        part = np.matmul(sums[rows], by_cluster, out=drawn[rows])
        part += ones
        ones += priors[low[rows]] * size[rows]
        ones += counts[rows] @ by_cluster
        part /= ones
    return drawn


def intervals(draws: NDArray[np.float32]) -> FloatArray:
    """The 95 % interval of each row, shape (n_rows, 2); NaN where its draws are."""
    if not draws.size:
        return np.full((len(draws), 2), np.nan)
    at = np.array(INTERVAL_PERCENT) / 100 * (draws.shape[1] - 1)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, draws.shape[1] - 1)
    ends: FloatArray = np.empty((len(draws), 2))
    for start in range(0, len(draws), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        # Sorting single precision takes a twentieth of what numpy's percentile does.
        ordered = np.sort(draws[rows], axis=1)
        low, high = ordered[:, below].astype(float), ordered[:, above].astype(float)
        ends[rows] = low + (at - below) * (high - low)
    return ends


def halves(clusters: Sequence[str], n_halves: int) -> NDArray[np.bool_]:
    """Random halves of the systems, cluster by cluster; shape (n_halves, n_systems).

    Of an odd number of clusters the smaller half. Each cluster's luck follows from its name, so
    that tasks which share clusters are halved alike as far as they can be.
    """
    names = list(dict.fromkeys(clusters))
    luck = np.array([_generator(f"half/{name}").random(n_halves) for name in names])
    is_in = np.argsort(np.argsort(luck, axis=0), axis=0) < len(names) // 2
    by_name = dict(zip(names, is_in, strict=True))
    return np.array([by_name[name] for name in clusters], dtype=bool).reshape(-1, n_halves).T


def interval(draws: FloatArray) -> tuple[float, float]:
    """The 95 % interval."""
    low, high = np.percentile(draws, INTERVAL_PERCENT)
    return float(low), float(high)


@cache
def _gammas(n_draws: int) -> NDArray[np.float32]:
    """Half of a prior cluster's weight, many times: exponential weights have the shape 1."""
    drawn = _generator("priors").standard_gamma(_PRIOR / 2, _N_GAMMAS + n_draws)
    return drawn.astype(np.float32)


def _generator(name: str) -> np.random.Generator:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big")
    return np.random.Generator(np.random.PCG64(seed))
