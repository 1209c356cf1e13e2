"""Do tasks agree about potentials? Spearman's rank correlation of their scores.

Each potential counts once, by its newest public version: versions of one are no independent
witnesses. Baselines take no part: one that fails everything would make all tasks agree. Of a timed
task the most often timed hardware alone is taken.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from django.core.cache import cache
from scipy.stats import rankdata

from leaderboard.enums import EvaluationState, Visibility
from leaderboard.models import BenchmarkVersion, Evaluation, Submission, TaskVersion
from leaderboard.ranking import INTERVAL

FloatArray = npt.NDArray[np.float64]

#: With fewer potentials in common nothing is told: three points are in some order by chance.
MIN_POTENTIALS = 4
#: With fewer, the interval itself is uncertain, which is said beside it.
FEW_POTENTIALS = 10
_SEED = 20260701
#: Fewer replicates for many potentials, whose interval is narrow.
_MOST_DRAWS = 150_000
_N_REPLICATES = 1000
_CACHE_S = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Of two tasks over the potentials that have a score on both."""

    n: int
    #: None for fewer than MIN_POTENTIALS, and where one task gives all the same score.
    value: float | None = None
    #: The 95 % interval over resampled potentials.
    low: float | None = None
    high: float | None = None

    @property
    def is_certain(self) -> bool:
        """Whether the interval leaves zero out, over enough potentials to be believed."""
        if self.low is None or self.high is None or self.n < FEW_POTENTIALS:
            return False
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, kw_only=True)
class Correlations:
    task_versions: list[TaskVersion]
    submissions: list[Submission]
    #: Score of each submission on each task, NaN where there is none.
    scores: FloatArray
    #: By the two tasks' places; symmetric, and None on the diagonal.
    table: list[list[Correlation | None]]


def task_correlations(version: BenchmarkVersion) -> Correlations:
    """Between the tasks of a benchmark version. Two queries."""
    entries = list(
        version.entries.select_related("task_version__task", "task_version__reference_set")
    )
    versions = [entry.task_version for entry in entries]
    submissions, scores = _scores(versions)
    return Correlations(
        task_versions=versions,
        submissions=submissions,
        scores=scores,
        table=_remembered(scores),
    )


def correlation(first: FloatArray, second: FloatArray) -> Correlation:
    """Spearman's rank correlation of two rows of scores, pairs with a NaN left out.

    The interval is the 95 % bootstrap over potentials: each replicate draws potentials, ranks them
    anew (those drawn twice share a rank) and correlates.
    """
    both = np.isfinite(first) & np.isfinite(second)
    x, y = first[both], second[both]
    n = len(x)
    if n < MIN_POTENTIALS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Correlation(n=n)
    value = float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
    counts = _draws(n)
    found = _weighted_correlations(_ranks(x, counts), _ranks(y, counts), counts)
    low, high = np.quantile(found[np.isfinite(found)], INTERVAL)
    return Correlation(n=n, value=value, low=float(low), high=float(high))


@lru_cache(maxsize=8)
def _draws(n: int) -> FloatArray:
    """How often each replicate draws each of n potentials, shape (n, n_replicates)."""
    n_replicates = max(100, min(_N_REPLICATES, _MOST_DRAWS // n))
    rng = np.random.default_rng(_SEED)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=n_replicates)
    return np.ascontiguousarray(counts.T, dtype=float)


def _ranks(scores: FloatArray, counts: FloatArray) -> FloatArray:
    """Rank of each potential within each replicate, shape of ``counts``; equals share theirs.

    A potential drawn w times shares the mean of w ranks; sums along the order of the scores stand
    for sorting each replicate.
    """
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    drawn = counts[np.argsort(scores, kind="stable")]
    if len(sizes) < len(scores):
        drawn = np.add.reduceat(drawn, np.cumsum(sizes) - sizes, axis=0)
    ranks: FloatArray = np.cumsum(drawn, axis=0)
    ranks -= (drawn - 1) / 2
    return ranks[group]


def _weighted_correlations(x: FloatArray, y: FloatArray, counts: FloatArray) -> FloatArray:
    """Pearson's of the ranks, replicate by replicate; NaN where one potential was drawn alone."""
    middle = (len(counts) + 1) / 2
    x, y = x - middle, y - middle
    weighted = counts * x
    products, x_squares = (weighted * y).sum(axis=0), (weighted * x).sum(axis=0)
    scale = np.sqrt(x_squares * (counts * y * y).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        found: FloatArray = np.where(scale > 0, products / scale, np.nan)
    return found


def _remembered(scores: FloatArray) -> list[list[Correlation | None]]:
    """The table, kept under the scores that it follows from: it never has to be forgotten."""
    key = (
        f"correlation:{hashlib.sha256(repr(scores.shape).encode() + scores.tobytes()).hexdigest()}"
    )
    table: list[list[Correlation | None]] | None = cache.get(key)
    if table is None:
        table = _table(scores)
        cache.set(key, table, _CACHE_S)
    return table


def _table(scores: FloatArray) -> list[list[Correlation | None]]:
    n_tasks = scores.shape[1]
    table: list[list[Correlation | None]] = [[None] * n_tasks for _ in range(n_tasks)]
    for i in range(n_tasks):
        for j in range(i):
            table[i][j] = table[j][i] = correlation(scores[:, i], scores[:, j])
    return table


def _scores(versions: Sequence[TaskVersion]) -> tuple[list[Submission], FloatArray]:
    evaluations = list(
        Evaluation.objects.filter(
            task_version__in=[v.pk for v in versions],
            is_current=True,
            state=EvaluationState.SUCCEEDED,
            score__isnull=False,
            submission__visibility=Visibility.PUBLIC,
            submission__withdrawn_at__isnull=True,
            submission__potential__is_baseline=False,
        )
        .select_related("submission__potential")
        .only(
            *("score", "hardware_key", "task_version_id", "coverage", "submission__version"),
            *("submission__created_at", "submission__potential__slug"),
            "submission__potential__name",
        )
        .order_by("submission__potential__slug", "-submission__created_at", "submission_id")
    )
    newest: dict[int, Submission] = {}
    for e in evaluations:
        newest.setdefault(e.submission.potential_id, e.submission)
    submissions = list(newest.values())
    row = {s.pk: i for i, s in enumerate(submissions)}
    column = {v.pk: j for j, v in enumerate(versions)}
    least = {v.pk: v.min_coverage for v in versions}
    hardware = _hardware(evaluations)
    scores = np.full((len(submissions), len(versions)), np.nan)
    for e in evaluations:
        is_meant = e.submission_id in row and e.hardware_key == hardware[e.task_version_id]
        if is_meant and (e.coverage or 0.0) >= least[e.task_version_id]:
            scores[row[e.submission_id], column[e.task_version_id]] = e.score
    return submissions, scores


def _hardware(evaluations: Sequence[Evaluation]) -> dict[int, str]:
    """Of each task, what most were timed on; empty for those that are not timed."""
    counts: dict[int, Counter[str]] = {}
    for e in evaluations:
        counts.setdefault(e.task_version_id, Counter())[e.hardware_key] += 1
    return {pk: min(found, key=lambda key: (-found[key], key)) for pk, found in counts.items()}
