"""Skill: how far one answer on one system is from a guess, and how near to the reference's noise.

One number for each (evaluation, metric, system) is the base of a score. With e the error, b that of
a baseline that knows nothing of the potential energy surface, on the very same system, and n the
noise of the reference,

    linear       skill = (b - e) / (b - n)
    logarithmic  skill = ln(b / e) / ln(b / n)

kept between 0 and 1. Whoever is no better than the baseline has 0, whoever is within the noise 1.

* A system on which one failed has skill 0, and so has one with elements that are not supported.
* Where the baseline is within twice the noise, nothing is tested: the system is left out for
  whoever is no worse than it. Who is worse has 0, so that failing never pays.
* The skill of a system is the weighted mean over the metrics that are tested on it.
* Where only differences between systems mean something, each pair of them has a skill.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluator.arrays import FloatArray
from evaluator.catalog import METRICS, Direction
from evaluator.catalog.skill import TELLING, is_telling, largest_error
from evaluator.contract import ScoredMetric
from evaluator.protocols.base import Differences, Sample


def errors_of(metric: ScoredMetric, sample: Sample) -> FloatArray:
    """Error of each system, 0 for the best there is; shape (n_systems,), NaN where it failed."""
    if sample.errors is not None:
        return sample.errors
    values = sample.rooted
    direction = METRICS[metric.key].direction
    if direction is Direction.ONE:
        return np.abs(values - metric.good)
    if direction is Direction.HIGHER:
        return np.maximum(metric.good - values, 0.0)
    return values


def skills_of(
    metric: ScoredMetric,
    errors: FloatArray,
    baseline: FloatArray | None = None,
    *,
    is_judged: NDArray[np.bool_],
) -> FloatArray:
    """Skill of each system by one metric, shape (n_systems,); NaN where nothing is tested.

    Parameters
    ----------
    metric
        With its noise. Raises ValueError for one without.
    errors
        Of each system, NaN where it failed.
    baseline
        Errors of the baseline, NaN where there is none: then, and where it is larger, the
        ``largest_error`` counts.
    is_judged
        False where the metric does not apply to a system, for anybody.
    """
    if metric.noise is None or not is_telling(metric):
        raise ValueError(f"{metric.key} needs a noise above 0 and below half of the error of bad")
    noise = metric.noise
    least = _least(metric, len(errors), baseline)
    is_tested = least >= TELLING * noise
    worse = np.where(is_tested, least, TELLING * noise)  # else any that keeps the formulas defined
    capped = np.clip(np.where(np.isfinite(errors), errors, np.inf), noise, worse)
    if metric.scale == "log":
        # Differences of logarithms: the ratio of a huge number and a tiny one overflows.
        skills = (np.log(worse) - np.log(capped)) / (np.log(worse) - np.log(noise))
    else:
        skills = (worse - capped) / (worse - noise)
    skills = np.clip(skills, 0.0, 1.0)
    untested = np.where(errors <= np.maximum(least, noise), np.nan, 0.0)
    return np.where(is_judged, np.where(is_tested, skills, untested), np.nan)


def is_tested_by(
    metric: ScoredMetric, baseline: FloatArray | None, *, is_judged: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether the metric tells skill from none on each system; see ``skills_of``."""
    assert metric.noise is not None, metric  # noqa: S101  (asked of those alone)
    tells = _least(metric, len(is_judged), baseline) >= TELLING * metric.noise
    return np.asarray(is_judged & tells)


def is_tested_by_differences(
    metric: ScoredMetric, differences: Differences, *, is_judged: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether some pair of each system's tells skill from none."""
    tested = np.zeros(len(is_judged), bool)
    for group in np.unique(differences.groups[is_judged]):
        members = np.flatnonzero(is_judged & (differences.groups == group))
        guess = differences.uninformed[members]
        is_pair = ~np.eye(len(members), dtype=bool)
        gaps = np.abs(guess[:, None] - guess).ravel()
        pairs = is_tested_by(metric, gaps, is_judged=is_pair.ravel())
        tested[members] = pairs.reshape(is_pair.shape).any(axis=0)
    return tested


def _least(metric: ScoredMetric, n_systems: int, baseline: FloatArray | None) -> FloatArray:
    """Error of each system from which on nobody has skill."""
    largest = np.full(n_systems, largest_error(metric))
    return largest if baseline is None else np.fmin(baseline, largest)


def skills_of_differences(
    metric: ScoredMetric, differences: Differences, *, is_judged: NDArray[np.bool_]
) -> FloatArray:
    """Skill of each system by its differences from the others of its group, shape (n_systems,).

    Each pair has a skill, and a system the mean over its pairs; NaN where no pair is tested. A pair
    of which one has failed has skill 0. So what is known up to a constant is judged without fitting
    one to what was answered: whoever fails loses pairs, and moves no other.
    """
    skills: FloatArray = np.full(len(is_judged), np.nan)
    for group in np.unique(differences.groups[is_judged]):
        members = np.flatnonzero(is_judged & (differences.groups == group))
        errors = differences.errors[members]
        guess = differences.uninformed[members]
        is_pair = ~np.eye(len(members), dtype=bool)
        with np.errstate(over="ignore", invalid="ignore"):  # of answers that are absurd
            table = skills_of(
                metric,
                np.abs(errors[:, None] - errors).ravel(),
                np.abs(guess[:, None] - guess).ravel(),
                is_judged=is_pair.ravel(),
            ).reshape(is_pair.shape)
        skills[members] = over_metrics(table, np.ones(len(members)))
    return skills


def over_metrics(
    skills: Sequence[FloatArray] | FloatArray, weights: Sequence[float] | FloatArray
) -> FloatArray:
    """Weighted mean of each system's skills that are known, shape (n_systems,); NaN without any."""
    table = np.array(skills, dtype=float)
    known = np.where(np.isfinite(table), np.array(weights, dtype=float)[:, None], 0.0)
    total = known.sum(axis=0)
    mean: FloatArray = np.full(table.shape[1], np.nan)
    np.divide((known * np.nan_to_num(table)).sum(axis=0), total, out=mean, where=total > 0)
    return mean
