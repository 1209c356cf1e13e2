"""Survival of trajectories of which some were broken off (censored) before anything happened.

Times may have any unit; all functions of one data set want the same one. Kaplan and Meier,
J. Am. Stat. Assoc. 53, 457 (1958), doi:10.1080/01621459.1958.10501452; the band is Greenwood's
variance on the log(-log) scale (Kalbfleisch and Prentice, 2002, section 1.4), or for trajectories
that come in clusters the one of Williams, Lifetime Data Anal. 1, 171 (1995); pseudo-observations
are those of Andersen, Klein and Rosthoj, Biometrika 90, 15 (2003), doi:10.1093/biomet/90.1.15.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluator.arrays import FloatArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_Z_95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True, eq=False)
class SurvivalCurve:
    """S(t), constant from each of ``times`` to the next; the first is zero, where S is one.

    All arrays have shape (1 + number of distinct times of failure,). ``low`` and ``high`` are NaN
    where S has fallen to zero: Greenwood's variance does not exist there.
    """

    times: FloatArray
    survival: FloatArray
    low: FloatArray
    high: FloatArray
    #: Trajectories still watched just before each time.
    n_at_risk: NDArray[np.int64]
    #: When the last trajectory was left: the curve says nothing beyond, unless it is zero.
    last_time: float


def kaplan_meier(
    times: FloatArray, is_failure: BoolArray, clusters: IntArray | None = None
) -> SurvivalCurve:
    """Product-limit estimate with its pointwise 95 % band.

    Parameters
    ----------
    times
        When each trajectory failed or was left, shape (n,), none negative.
    is_failure
        Whether it failed then, shape (n,); False where it was left whole (completed or censored).
    clusters
        Number of the cluster of each trajectory, shape (n,): those of one cluster (replicas of one
        structure) need not be independent. Without it, all are; the band is then Greenwood's.

    Raises
    ------
    ValueError
        For no trajectory at all, another shape, or a time that is negative or not finite.
    """
    _check(times, is_failure)
    distinct = np.unique(times[is_failure])
    at_risk = np.array([(times >= t).sum() for t in distinct], dtype=np.int64)
    died = np.array([(times[is_failure] == t).sum() for t in distinct], dtype=np.int64)
    survival = np.cumprod(1 - died / at_risk).astype(np.float64)

    alone = np.arange(len(times))
    variance = _log_variance(times, is_failure, distinct, alone if clusters is None else clusters)
    low, high = _log_log_band(survival, variance)
    return SurvivalCurve(
        times=np.concatenate([[0.0], distinct]),
        survival=np.concatenate([[1.0], survival]),
        low=np.concatenate([[1.0], low]),
        high=np.concatenate([[1.0], high]),
        n_at_risk=np.concatenate([[len(times)], at_risk]),
        last_time=float(times.max()),
    )


def _check(times: FloatArray, is_failure: BoolArray) -> None:
    if times.ndim != 1 or times.shape != is_failure.shape or len(times) == 0:
        raise ValueError(f"{times.shape=} and {is_failure.shape=} must be alike, and not empty")
    if not np.isfinite(times).all() or (times < 0).any():
        raise ValueError("times of failure must be finite and none negative")


def _log_variance(
    times: FloatArray, is_failure: BoolArray, distinct: FloatArray, clusters: IntArray
) -> FloatArray:
    """Variance of ln S at each time of failure, shape (n_times,).

    The sum over clusters of the squares of what their trajectories together contribute to ln S in
    first order. For clusters of one it is Greenwood's sum(d / (n (n - d))), term by term.
    """
    is_at_risk = times[:, None] >= distinct
    dies = is_failure[:, None] & (times[:, None] == distinct)
    n, d = is_at_risk.sum(axis=0), dies.sum(axis=0)
    left = np.where(n > d, n - d, 1)
    contributions = np.where(n > d, (dies - is_at_risk * (d / np.maximum(n, 1))) / left, 0.0)
    _, index = np.unique(clusters, return_inverse=True)
    together = np.zeros((int(index.max()) + 1, len(distinct)))
    np.add.at(together, index, np.cumsum(contributions, axis=1))
    return np.asarray((together**2).sum(axis=0))


def _log_log_band(survival: FloatArray, variance_sum: FloatArray) -> tuple[FloatArray, FloatArray]:
    """S^exp(-+ z sigma), sigma^2 = var(ln S) / (ln S)^2; within 0 and 1 always."""
    inside = (survival > 0) & (survival < 1)
    log_survival = np.log(survival, out=np.full(len(survival), np.nan), where=inside)
    spread = np.exp(_Z_95 * np.sqrt(variance_sum) / np.abs(log_survival))
    return np.exp(log_survival * spread), np.exp(log_survival / spread)


def survival_at(curve: SurvivalCurve, time: float) -> float:
    """S(time). NaN beyond the last trajectory, unless all had failed by then."""
    return _extended_survival(curve, time) if is_determined(curve, time) else float("nan")


def restricted_mean_survival(curve: SurvivalCurve, horizon: float) -> float:
    """The integral of S from zero to ``horizon``: the mean time survived, counted up to there.

    NaN where the curve ends before the horizon above zero: nobody knows what would have come.
    """
    return _extended_mean(curve, horizon) if is_determined(curve, horizon) else float("nan")


def is_determined(curve: SurvivalCurve, horizon: float) -> bool:
    """Whether somebody was watched up to the horizon, or nobody was left to watch."""
    return bool(curve.last_time >= horizon * (1 - 1e-9) or curve.survival[-1] == 0)


def pseudo_restricted_means(times: FloatArray, is_failure: BoolArray, horizon: float) -> FloatArray:
    """One value for each trajectory, shape (n,), whose mean is the restricted mean survival.

    The jackknife's n m - (n - 1) m(without it), whose mean is m itself but for terms of order 1/n.
    Where nothing is censored before the horizon it is just the time survived, up to the horizon.
    NaN throughout where m is not determined.
    """
    return _pseudo(times, is_failure, horizon, _extended_mean)


def pseudo_survivals(times: FloatArray, is_failure: BoolArray, horizon: float) -> FloatArray:
    """One value for each trajectory, shape (n,), whose mean is S(horizon); as above."""
    return _pseudo(times, is_failure, horizon, _extended_survival)


def _extended_survival(curve: SurvivalCurve, time: float) -> float:
    return float(curve.survival[np.searchsorted(curve.times, time, side="right") - 1])


def _extended_mean(curve: SurvivalCurve, horizon: float) -> float:
    edges = np.append(np.minimum(curve.times, horizon), horizon)
    return float(np.sum(curve.survival * np.diff(edges)))


def _pseudo(
    times: FloatArray,
    is_failure: BoolArray,
    horizon: float,
    statistic: Callable[[SurvivalCurve, float], float],
) -> FloatArray:
    n = len(times)
    curve = kaplan_meier(times, is_failure)
    if not is_determined(curve, horizon):
        return np.full(n, np.nan)
    if n == 1:
        return np.array([statistic(curve, horizon)])
    whole = statistic(curve, horizon)
    # A curve that lost its last trajectory is extended as it stands: it is one of n.
    others = ~np.eye(n, dtype=bool)
    rest = [statistic(kaplan_meier(times[k], is_failure[k]), horizon) for k in others]
    return n * whole - (n - 1) * np.array(rest)
