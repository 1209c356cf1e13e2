"""Scores that are means of skills, system by system (``skills``).

* A metric's score is the mean of the skills on the systems that it tests; a task's the mean over
  the systems of the weighted mean of the skills there. Metrics of weight 0 have no part in it.
* The value of a metric is what the literature defines, over the systems that were answered:
  nothing is charged and nothing capped. How many failed stands beside it, and the median error.
* A system that failed or is not supported has skill 0: coverage is part of the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator import resampling
from evaluator.arrays import FloatArray
from evaluator.contract import ScoredMetric, ScoreRecord, SystemStatus, TaskScore, TaskSpec
from evaluator.protocols.base import Sample
from evaluator.scoring import skills
from evaluator.scoring.statistics import pool


class SkillScoring:
    """Scores one submission on one task version.

    Parameters
    ----------
    clusters
        Name of each system's cluster, in the order of the reference set.
    uninformed
        Errors of an answer that knows nothing, as ``Protocol.uninformed`` tells them.
    submission
        Names the submission, for the part of its intervals that is its own.
    """

    def __init__(
        self,
        task: TaskSpec,
        clusters: Sequence[str],
        uninformed: Mapping[str, FloatArray],
        submission: str,
        n_replicates: int,
    ) -> None:
        self._task, self._clusters = task, clusters
        self._uninformed = uninformed
        self._own = f"{task.slug}/{task.version}/{submission}"
        self._weights = resampling.cluster_weights(clusters, n_replicates)

    def score(
        self, statuses: Sequence[SystemStatus], samples: Mapping[str, Sample]
    ) -> tuple[tuple[ScoreRecord, ...], TaskScore]:
        """Score what was found for the systems; see ``scoring.score``."""
        is_supported = np.array([s != SystemStatus.UNSUPPORTED for s in statuses], dtype=bool)
        has_failed = np.array([s == SystemStatus.FAILED for s in statuses], dtype=bool)
        records, tables = [], []
        tested = np.zeros(len(statuses), dtype=bool)
        for metric in self._task.metrics:
            sample = samples[metric.key]
            errors = skills.errors_of(metric, sample)
            errors = np.where(is_supported & ~has_failed, errors, np.nan)
            record = self._record(metric, sample, is_supported, has_failed)
            table = np.full(len(errors), np.nan)
            if metric.noise is not None:
                applies = sample.applies
                if applies is None:
                    applies = ~sample.missing & (sample.weights > 0)
                table, about = self._skills(metric, sample, errors, applies)
                if metric.weight > 0:
                    tested |= self._tested(metric, sample, applies)
                record = replace(record, **about)
            records.append(record)
            tables.append(table)
        scored = [i for i, metric in enumerate(self._task.metrics) if metric.weight > 0]
        weights = [self._task.metrics[i].weight for i in scored]
        task_score = self._task_score(tables, scored, weights)
        return tuple(records), replace(task_score, tested=tuple(tested.tolist()))

    def _tested(
        self, metric: ScoredMetric, sample: Sample, applies: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        if sample.differences is not None:
            return skills.is_tested_by_differences(metric, sample.differences, is_judged=applies)
        baseline = self._uninformed.get(metric.key)
        return skills.is_tested_by(metric, baseline, is_judged=applies)

    def _skills(
        self,
        metric: ScoredMetric,
        sample: Sample,
        errors: FloatArray,
        applies: NDArray[np.bool_],
    ) -> tuple[FloatArray, dict[str, Any]]:
        """Skills by one metric, and the fields of its record that tell of them."""
        baseline = self._uninformed.get(metric.key)
        if sample.differences is None:
            table = skills.skills_of(metric, errors, baseline, is_judged=applies)
        else:
            answered = np.where(np.isfinite(errors), sample.differences.errors, np.nan)
            differences = replace(sample.differences, errors=answered)
            table = skills.skills_of_differences(metric, differences, is_judged=applies)
        known = errors[applies & np.isfinite(errors)]
        guess = np.full(len(errors), np.nan) if baseline is None else baseline
        guess = guess[applies & np.isfinite(guess)]
        return table, {
            "score": _mean(table),
            "skills": _rounded(table),
            "median_error": _median(known),
            "baseline_error": _median(guess),
            "n_tested": int(np.isfinite(table).sum()),
        }

    def _record(
        self,
        metric: ScoredMetric,
        sample: Sample,
        is_supported: NDArray[np.bool_],
        has_failed: NDArray[np.bool_],
    ) -> ScoreRecord:
        judged = is_supported & ~sample.missing & (sample.weights > 0)
        answered = judged & ~has_failed & np.isfinite(sample.values)
        left_physics = sample.has_failed if sample.has_failed is not None else ~answered
        pooled = self._pooled(sample, answered)
        value = float(pooled[0]) if len(pooled) and np.isfinite(pooled[0]) else None
        low, high = self._interval(pooled, answered)
        return ScoreRecord(
            metric=metric.key,
            value=value,
            low=low,
            high=high,
            score=None,
            n=int(judged.sum()),
            n_failed=int((judged & (~answered | left_physics)).sum()),
            replicates=() if low is None else tuple(float(f"{v:.6g}") for v in pooled[1:]),
        )

    def _pooled(self, sample: Sample, answered: NDArray[np.bool_]) -> FloatArray:
        """The value, and then one for each replicate; empty where nothing was answered.

        Not finite where answers are so absurd that their sum overflows.
        """
        if not answered.any():
            return np.empty(0)
        drawn = np.vstack([np.ones(len(answered)), self._weights])[:, answered]
        with np.errstate(over="ignore", invalid="ignore"):
            return pool(sample.statistic, sample.values[answered], sample.weights[answered], drawn)

    def _interval(
        self, pooled: FloatArray, answered: NDArray[np.bool_]
    ) -> tuple[float | None, float | None]:
        """None of a single cluster, which cannot tell how much they differ, nor of overflows."""
        n_clusters = len({c for c, has in zip(self._clusters, answered, strict=True) if has})
        if n_clusters < 2 or not np.isfinite(pooled).all():
            return None, None
        return resampling.interval(pooled[1:])

    def _task_score(
        self, tables: Sequence[FloatArray], scored: Sequence[int], weights: Sequence[float]
    ) -> TaskScore:
        if not scored:
            return TaskScore(value=None, low=None, high=None)
        system_skills = skills.over_metrics([tables[i] for i in scored], weights)
        drawn = resampling.drawn_means(system_skills, self._weights, self._clusters, self._own)
        low, high = resampling.interval(drawn) if len(drawn) else (None, None)
        return TaskScore(
            value=_mean(system_skills),
            low=low,
            high=high,
            replicates=tuple(np.round(drawn, 6).tolist()),
            skills=_rounded(system_skills),
        )


def _mean(table: FloatArray) -> float | None:
    known = table[np.isfinite(table)]
    return float(known.mean()) if len(known) else None


def _median(errors: FloatArray) -> float | None:
    """None of nothing, and where the two in the middle are so absurd that their sum overflows."""
    with np.errstate(over="ignore"):
        median = float(np.median(errors)) if len(errors) else np.nan
    return median if np.isfinite(median) else None


def _rounded(table: FloatArray) -> tuple[float | None, ...]:
    return tuple(round(float(v), 6) if np.isfinite(v) else None for v in table)
