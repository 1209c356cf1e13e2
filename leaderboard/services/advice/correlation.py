"""Do tasks agree about potentials? Spearman's rank correlation of their scores.

Each potential counts once, by its newest public version: versions of one are no independent
witnesses. Baselines take no part: one that fails everything would make all tasks agree. Of a timed
task the most often timed hardware alone is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from leaderboard.lib.memory import of_process
from leaderboard.models import BenchmarkVersion, Submission, TaskVersion
from leaderboard.ranking import INTERVAL, FloatArray
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.hardware import by_frequency
from leaderboard.services.boards.matrix import SUCCEEDED
from leaderboard.services.boards.snapshots import Snapshot
from leaderboard.services.boards.store import StoredBoard, current_board

#: With fewer potentials in common nothing is told: three points are in some order by chance.
MIN_POTENTIALS = 4
#: With fewer, the interval itself is uncertain, which is said beside it.
FEW_POTENTIALS = 10
_SEED = 20260701
#: Fewer replicates for many potentials, whose interval is narrow.
_MOST_DRAWS = 150_000
_N_REPLICATES = 1000
#: Of computing; another one makes all that is stored void.
_METHOD = b"1"
_KEPT = "correlations"
_correlations_of_boards = of_process(2)


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """The correlation of two tasks over the potentials that have a score on both."""

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
    entrants: list[Entrant]
    #: Score of each submission on each task, NaN where there is none.
    scores: FloatArray
    #: By the two tasks' places; symmetric, and None on the diagonal.
    table: list[list[Correlation | None]]


def task_correlations(version: BenchmarkVersion) -> Correlations:
    """Between the tasks of a benchmark version. One query where this process knows the board."""
    board = current_board(version)
    return board.kept.value(_KEPT, lambda: _correlations(board))


def _correlations(board: StoredBoard) -> Correlations:
    rows = _witnesses(board)
    scores = _scores(board, rows)
    return Correlations(
        task_versions=[entry.task_version for entry in board.entries],
        entrants=[board.entrants[i] for i in rows],
        scores=scores,
        table=_table(board, scores),
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
    value = float(np.corrcoef(_mean_ranks(x), _mean_ranks(y))[0, 1])
    counts = _draws(n)
    coefficients = _weighted_correlations(_ranks(x, counts), _ranks(y, counts), counts)
    low, high = np.quantile(coefficients[np.isfinite(coefficients)], INTERVAL)
    return Correlation(n=n, value=value, low=float(low), high=float(high))


def _mean_ranks(values: FloatArray) -> FloatArray:
    """Rank from the lowest; equals share the mean of theirs, as in ``scipy.stats.rankdata``.

    Written out, since every process that serves a page would take a second longer to start.
    """
    in_order = np.sort(values)
    first, behind = (np.searchsorted(in_order, values, side) for side in ("left", "right"))
    ranks: FloatArray = (first + behind + 1) / 2
    return ranks


@lru_cache(maxsize=32)
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
        coefficients: FloatArray = np.where(scale > 0, products / scale, np.nan)
    return coefficients


def _table(board: StoredBoard, scores: FloatArray) -> list[list[Correlation | None]]:
    """Each pair is stored under the scores that it follows from: when a task gets a score, the
    pairs without it stay known. One query where nothing is new.
    """
    n_tasks = scores.shape[1]
    columns = [np.ascontiguousarray(scores[:, i]) for i in range(n_tasks)]
    digests = [hashlib.sha256(_METHOD + column.tobytes()).digest() for column in columns]
    keys = {
        (i, j): hashlib.sha256(digests[i] + digests[j]).digest()
        for i in range(n_tasks)
        for j in range(i)
    }

    def numbers(_: str) -> dict[bytes, list[Any]]:
        known = stored.last() or {}
        return {
            key: known.get(key) or _numbers(columns[i], columns[j]) for (i, j), key in keys.items()
        }

    stored: Snapshot[dict[bytes, list[Any]]] = Snapshot(
        key=f"correlations {board.version.pk}",
        memory=_correlations_of_boards,
        stamp=hashlib.sha256(b"".join(digests)).hexdigest,
        compute=numbers,
    )
    by_pair = stored.value()
    table: list[list[Correlation | None]] = [[None] * n_tasks for _ in range(n_tasks)]
    for (i, j), key in keys.items():
        n, value, low, high = by_pair[key]
        table[i][j] = table[j][i] = Correlation(n=n, value=value, low=low, high=high)
    return table


def _numbers(first: FloatArray, second: FloatArray) -> list[Any]:
    pair = correlation(first, second)
    return [pair.n, pair.value, pair.low, pair.high]


def _witnesses(board: StoredBoard) -> list[int]:
    """Rows of the newest version of each trained potential that has a score, by the slug."""
    row = {e.submission: i for i, e in enumerate(board.entrants) if not e.is_baseline}
    is_scored = _is_scored(board)
    newest: dict[int, int] = {}
    for pk, potential in (
        Submission.objects.filter(pk__in=list(row))
        .order_by("potential__slug", "-created_at", "pk")
        .values_list("pk", "potential_id")
    ):
        i = row[str(pk)]
        if is_scored[i].any():
            newest.setdefault(potential, i)
    return list(newest.values())


def _scores(board: StoredBoard, rows: Sequence[int]) -> FloatArray:
    """Scores of each row on each task; NaN where it is not ranked there, or was timed elsewhere."""
    matrix = board.matrix
    is_trained = np.array([not entrant.is_baseline for entrant in board.entrants], bool)
    all_scored = _is_scored(board) & is_trained[:, None]
    scores = np.full((len(rows), len(board.entries)), np.nan)
    for j, entry in enumerate(board.entries):
        is_scored = all_scored[:, j]
        timed_on = [matrix.hardware_keys[k] for k in matrix.hardware[:, j].tolist()]
        by_rows = by_frequency(timed_on[i] for i in np.flatnonzero(is_scored).tolist())
        hardware = next(iter(by_rows), "")
        least = entry.task_version.min_coverage
        is_meant = is_scored & (np.nan_to_num(matrix.coverage[:, j]) >= least)
        is_meant &= np.array([key == hardware for key in timed_on], bool)
        scores[:, j] = np.where(is_meant, matrix.score[:, j], np.nan)[list(rows)]
    return scores


def _is_scored(board: StoredBoard) -> npt.NDArray[np.bool_]:
    is_scored: npt.NDArray[np.bool_] = (board.matrix.state == SUCCEEDED) & ~np.isnan(
        board.matrix.score
    )
    return is_scored
