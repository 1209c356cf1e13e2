"""Scores by anchors: charge what failed, pool over systems, resample, apply the anchors.

Every rule of this file is stated on the pages:

* A failed system is charged the metric's ``worst`` value. For a metric that is better when lower,
  no system counts for more than ``worst``, so that failing never pays.
* An unsupported system is left out here and lowers the coverage, which stands beside the score.
* A metric's score is clip((value - bad) / (good - bad), 0, 1). Where one is best on both sides
  (a slope), it is clip(1 - |value - good| / |bad - good|, 0, 1). On a logarithmic scale (times)
  logarithms take the place of value, good and bad; there, too, failing never pays.
* A task's score is the weighted mean of its metrics' scores; a weight of zero shows a metric
  without scoring it.
* Intervals are the 2.5 and 97.5 percentiles of 1000 bootstrap replicates over systems. Replicate i
  draws the same systems for every submission of a task version, for all metrics at once. One
  system alone cannot tell how much systems differ: it has no interval.
* Systems of one cluster (replicas of one structure, ``Protocol.clusters``) are alike: replicates
  draw whole clusters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluator.arrays import FloatArray
from evaluator.catalog import METRICS, Direction
from evaluator.contract import ScoredMetric, ScoreRecord, SystemStatus, TaskScore, TaskSpec
from evaluator.protocols.base import Sample, Statistic
from evaluator.resampling import interval
from evaluator.scoring.statistics import pool

N_REPLICATES = 1000

Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pooled:
    """One metric over the systems: the point value, then one value for each replicate."""

    record: ScoreRecord
    scores: FloatArray  # (1 + n_replicates,): the point first; empty when there is no value
    #: Clusters of systems that were judged.
    n_clusters: int


def score_by_anchors(
    task: TaskSpec,
    statuses: Sequence[SystemStatus],
    samples: Mapping[str, Sample],
    n_replicates: int,
    clusters: Sequence[str] | None,
) -> tuple[tuple[ScoreRecord, ...], TaskScore]:
    """Score one submission; see ``scoring.score``."""
    n_systems = len(statuses)
    supported = np.array([status != SystemStatus.UNSUPPORTED for status in statuses], dtype=bool)
    failed = np.array([status == SystemStatus.FAILED for status in statuses], dtype=bool)
    index = _cluster_index(n_systems, clusters)
    drawn = resample(task, int(index.max(initial=-1)) + 1, n_replicates)[:, index]
    counts = np.vstack([np.ones(n_systems, dtype=np.int64), drawn])
    pooled = [
        _pool(metric, samples[metric.key], supported, failed, counts, index)
        for metric in task.metrics
    ]
    return tuple(p.record for p in pooled), _task_score(task.metrics, pooled)


def resample(task: TaskSpec, n_clusters: int, n_replicates: int = N_REPLICATES) -> Counts:
    """How often each replicate draws each cluster, shape (n_replicates, n_clusters).

    Decided by the task version, its seed and the number of clusters alone.
    """
    name = f"{task.slug}/{task.version}/{task.seed}/{n_clusters}".encode()
    seed = int.from_bytes(hashlib.sha256(name).digest()[:16], "big")
    if n_clusters == 0:
        return np.zeros((n_replicates, 0), dtype=np.int64)
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.multinomial(n_clusters, np.full(n_clusters, 1 / n_clusters), size=n_replicates)


def _cluster_index(n_systems: int, clusters: Sequence[str] | None) -> Counts:
    """Number of each system's cluster, in the order in which they first come."""
    if clusters is None:
        return np.arange(n_systems)
    if len(clusters) != n_systems:
        raise ValueError(f"{len(clusters)} names of clusters for {n_systems} systems")
    numbers: dict[str, int] = {}
    index = [numbers.setdefault(name, len(numbers)) for name in clusters]
    return np.array(index, dtype=np.int64)


def metric_score(metric: ScoredMetric, value: FloatArray) -> FloatArray:
    """The score, 0 to 1, of values of a metric; NaN stays NaN."""
    if METRICS[metric.key].direction is Direction.ONE:
        raw = 1 - np.abs(value - metric.good) / abs(metric.bad - metric.good)
    elif metric.scale == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            raw = np.log(value / metric.bad) / np.log(metric.good / metric.bad)
    else:
        raw = (value - metric.bad) / (metric.good - metric.bad)
    return np.clip(raw, 0.0, 1.0)


def _pool(
    metric: ScoredMetric,
    sample: Sample,
    supported: NDArray[np.bool_],
    failed: NDArray[np.bool_],
    counts: Counts,
    clusters: Counts,
) -> _Pooled:
    judged = supported & ~sample.missing & (sample.weights > 0)
    charged = judged & (failed | ~np.isfinite(sample.values))
    is_failure = charged if sample.has_failed is None else charged | (judged & sample.has_failed)
    n, n_failed = int(judged.sum()), int(is_failure.sum())
    if n == 0:
        record = ScoreRecord(
            metric=metric.key, value=None, low=None, high=None, score=None, n=0, n_failed=0
        )
        return _Pooled(record=record, scores=np.empty(0), n_clusters=0)
    values = _charged(metric, sample, charged)[judged]
    pooled = pool(sample.statistic, values, sample.weights[judged], counts[:, judged])
    # A replicate may draw no judged system at all: it tells nothing, so it repeats the point.
    pooled = np.where(np.isfinite(pooled), pooled, pooled[0])
    n_clusters = len(np.unique(clusters[judged]))
    low, high = _interval(pooled, n_clusters)
    scores = metric_score(metric, pooled)
    record = ScoreRecord(
        metric=metric.key,
        value=float(pooled[0]),
        low=low,
        high=high,
        score=float(scores[0]),
        n=n,
        n_failed=n_failed,
        replicates=() if low is None else tuple(float(f"{v:.6g}") for v in pooled[1:]),
    )
    return _Pooled(record=record, scores=scores, n_clusters=n_clusters)


def _interval(pooled: FloatArray, n_clusters: int) -> tuple[float | None, float | None]:
    """The 95 % interval of the replicates behind the point value; none for a single cluster."""
    if n_clusters < 2:
        return None, None
    return interval(pooled[1:])


def _charged(metric: ScoredMetric, sample: Sample, charged: NDArray[np.bool_]) -> FloatArray:
    """Values with the charge in place, in the sample's own unit (mean squares for RMS)."""
    is_square = sample.statistic is Statistic.RMS
    worst = metric.worst**2 if is_square else metric.worst
    values = np.where(charged, worst, sample.values)
    if METRICS[metric.key].direction is Direction.LOWER:
        values = np.minimum(values, worst)
    elif metric.scale == "log":
        values = np.maximum(values, worst)
    return np.asarray(values, dtype=float)


def _task_score(metrics: Sequence[ScoredMetric], pooled: Sequence[_Pooled]) -> TaskScore:
    """Weighted mean over the metrics that have a value; None when none has."""
    parts = [(m.weight, p.scores) for m, p in zip(metrics, pooled, strict=True) if len(p.scores)]
    total = sum(weight for weight, _ in parts)
    if total <= 0:
        return TaskScore(value=None, low=None, high=None)
    combined = sum((weight * scores for weight, scores in parts), np.zeros(1)) / total
    low, high = _interval(combined, max(p.n_clusters for p in pooled))
    return TaskScore(
        value=float(combined[0]),
        low=low,
        high=high,
        replicates=tuple(np.round(combined[1:], 6).tolist()),
    )
