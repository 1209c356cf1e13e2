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

import numpy as np

from evaluator.arrays import FloatArray

#: Clusters that the prior counts for.
_PRIOR = 1.0
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
    known = np.isfinite(values)
    if not known.any():
        return np.empty(0)
    n_clusters = len({name for name, is_known in zip(clusters, known, strict=True) if is_known})
    # The prior is a cluster of the mean size.
    size = known.sum() / n_clusters
    prior = size * _generator(f"prior/{own}").standard_gamma(_PRIOR / 2, (len(weights), 2))
    drawn = weights[:, known]
    total = drawn.sum(axis=1) + prior.sum(axis=1)
    means: FloatArray = (drawn @ values[known] + prior[:, 1]) / total
    return means


def interval(draws: FloatArray) -> tuple[float, float]:
    """The 95 % interval."""
    low, high = np.percentile(draws, INTERVAL_PERCENT)
    return float(low), float(high)


def _generator(name: str) -> np.random.Generator:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big")
    return np.random.Generator(np.random.PCG64(seed))
