"""What submissions say of each other's answers to the same frames, without asking the reference.

Where independent potentials disagree about a frame, some of them are wrong there: each is judged
by the distance of its answers from what the others agree upon, frame by frame (query by committee:
Seung, Opper and Sompolinsky, COLT 1992). Errors, predicted minus reference, are all that is needed:
the reference cancels in their differences. It is used to weigh the judges, so that copies have one
voice together and none about each other, and to tell how good the uncertainty is (``calibration``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from evaluator import resampling
from evaluator.arrays import FloatArray

#: Fewer frames make no decile, fewer clusters no interval.
MIN_FRAMES, MIN_CLUSTERS = 20, 5
N_DRAWS = 400
#: Shares of the frames, the surest first, whose error is told.
COVERAGES = tuple(i / 10 for i in range(1, 11))
_WORST_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval; none where there are too few clusters."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How well an uncertainty tells the true error of one row, over ``n`` frames."""

    n: int
    n_clusters: int
    #: Rank correlation with the true error: 1 orders the frames rightly, 0 tells nothing.
    spearman: Estimate | None
    #: Chance that one of the worst tenth is less sure than one of the others: 0.5 tells nothing.
    auroc: Estimate | None
    #: RMSE of all frames, and of the surer half.
    rmse: Estimate
    rmse_half: Estimate
    #: RMSE of the surest 10, 20, ... 100 %.
    risk: tuple[float, ...]


def calibration(
    uncertainty: FloatArray, errors: FloatArray, sizes: FloatArray, clusters: Sequence[str]
) -> Calibration | None:
    """Compare them; None of fewer than ``MIN_FRAMES`` frames on which both are known.

    Parameters
    ----------
    uncertainty, errors
        Of each frame, in one unit, not negative; NaN is left out. Shape (n_frames,).
    sizes
        What a frame counts for in an RMSE: its components.
    clusters
        Frames that are alike are drawn together.
    """
    known = np.isfinite(uncertainty) & np.isfinite(errors)
    if known.sum() < MIN_FRAMES:
        return None
    names = [name for name, is_known in zip(clusters, known, strict=True) if is_known]
    u, e, size = uncertainty[known], errors[known], sizes[known]
    n_clusters = len(set(names))
    weights = _weights(tuple(names)) if n_clusters >= MIN_CLUSTERS else np.ones((1, len(u)))
    return Calibration(
        n=len(u),
        n_clusters=n_clusters,
        spearman=_estimate(_spearman(u, e, weights)),
        auroc=_estimate(_auroc(u, _is_worst(e), weights, names)),
        rmse=_certain(_rmse_of_surest(u, e, size, weights, 1.0)),
        rmse_half=_certain(_rmse_of_surest(u, e, size, weights, 0.5)),
        risk=tuple(float(_rmse_of_surest(u, e, size, weights[:1], c)[0]) for c in COVERAGES),
    )


@lru_cache(maxsize=16)
def _weights(clusters: tuple[str, ...]) -> FloatArray:
    """Ones, then the draws; the same for all rows that have answered the same frames."""
    drawn = resampling.cluster_weights(clusters, N_DRAWS)
    return np.vstack([np.ones((1, len(clusters))), drawn])


def _certain(values: FloatArray) -> Estimate:
    estimate = _estimate(values)
    assert estimate is not None  # noqa: S101  (finite numbers have a mean)
    return estimate


def _estimate(values: FloatArray) -> Estimate | None:
    """The first value, with the interval of the others; None where it is not defined."""
    if not np.isfinite(values[0]):
        return None
    value, drawn = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not len(drawn):
        return Estimate(value=value, low=None, high=None)
    low, high = resampling.interval(drawn)
    # A prior draws towards the middle, and might leave the value itself out.
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def _is_worst(errors: FloatArray) -> NDArray[np.bool_]:
    """The tenth of the frames with the largest errors; of equal ones the first."""
    n_worst = max(1, round(_WORST_SHARE * len(errors)))
    worst = np.zeros(len(errors), dtype=bool)
    worst[np.argsort(-errors, kind="stable")[:n_worst]] = True
    return worst


def _weighted_ranks(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Weight below each value and half of that at it, shape (n_draws, n_frames)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    groups = np.add.reduceat(weights[:, order], begins, axis=1)
    below = np.cumsum(groups, axis=1) - groups / 2
    at = np.empty(len(values), np.int64)
    at[order] = np.repeat(np.arange(len(begins)), np.diff([*begins, len(values)]))
    ranks: FloatArray = below[:, at]
    return ranks


def _spearman(first: FloatArray, second: FloatArray, weights: FloatArray) -> FloatArray:
    """Correlation of weighted ranks in each draw; NaN where one of them is constant."""
    x, y = _weighted_ranks(first, weights), _weighted_ranks(second, weights)
    total = weights.sum(axis=1, keepdims=True)
    x -= (weights * x).sum(axis=1, keepdims=True) / total
    y -= (weights * y).sum(axis=1, keepdims=True) / total
    square = (weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1)
    scale = np.sqrt(square)
    tells = scale > 1e-9 * total[:, 0] ** 3
    product = (weights * x * y).sum(axis=1)
    result: FloatArray = np.full(len(weights), np.nan)
    np.divide(product, scale, out=result, where=tells)
    return result


def _auroc(
    uncertainty: FloatArray,
    is_worst: NDArray[np.bool_],
    weights: FloatArray,
    clusters: Sequence[str],
) -> FloatArray:
    """Mann and Whitney's share of pairs in the right order, ties counting one half.

    Each of the worst has a share of the others below it, and their mean is drawn as that of skills
    is, with a prior of one cluster: no interval of a few worst has the width zero.
    """
    others = weights * ~is_worst
    total = others.sum(axis=1, keepdims=True)
    shares = _weighted_ranks(uncertainty, others)[:, is_worst] / total
    drawn = weights[:, is_worst]
    n_clusters = len({name for name, worst in zip(clusters, is_worst, strict=True) if worst})
    prior = _prior(len(weights)) * (is_worst.sum() / n_clusters)
    below = (drawn * shares).sum(axis=1) + prior[:, 1]
    result: FloatArray = below / (drawn.sum(axis=1) + prior.sum(axis=1))
    return result


@lru_cache(maxsize=4)
def _prior(n_draws: int) -> FloatArray:
    """Weight at 0 and at 1 in each draw; none in the first, which is the value itself."""
    prior = np.random.default_rng(0).standard_gamma(0.5, (n_draws, 2))
    prior[0] = 0.0
    return prior


def _rmse_of_surest(
    uncertainty: FloatArray,
    errors: FloatArray,
    sizes: FloatArray,
    weights: FloatArray,
    share: float,
) -> FloatArray:
    """RMSE of the surest share of the frames in each draw; a frame at the edge counts in part."""
    order = np.argsort(uncertainty, kind="stable")
    drawn = weights[:, order]
    before = np.cumsum(drawn, axis=1) - drawn
    room = share * drawn.sum(axis=1, keepdims=True) - before
    taken = np.clip(room, 0, drawn) * sizes[order]
    rmse: FloatArray = np.sqrt((taken * errors[order] ** 2).sum(axis=1) / taken.sum(axis=1))
    return rmse


@dataclass(frozen=True, kw_only=True, eq=False)
class Frames:
    """Errors of several submissions on the same frames; NaN where one has failed."""

    #: Shape (n_members, n_components): a frame's components lie side by side.
    errors: NDArray[np.float32]
    #: Components of each frame; zero where nothing of it is kept.
    sizes: NDArray[np.int64]

    @classmethod
    def of(
        cls, errors: Sequence[NDArray[np.float32]], n_atoms: Sequence[int], quantity: str
    ) -> Frames:
        """Of "forces", three components an atom, or of "energies", one a system."""
        sizes = 3 * np.array(n_atoms, np.int64)
        if quantity == "energies":
            sizes = np.ones(len(n_atoms), np.int64)
        n_components = int(sizes.sum())
        return cls(errors=np.array(errors, np.float32).reshape(-1, n_components), sizes=sizes)

    def chosen(self, rows: Sequence[int] | NDArray[np.intp]) -> Frames:
        return Frames(errors=self.errors[rows], sizes=self.sizes)

    def rms(self, values: NDArray[np.float32] | FloatArray) -> FloatArray:
        """RMS of each frame's components, shape (..., n_frames); NaN where one is unknown."""
        kept = self.sizes > 0
        means = np.full((*values.shape[:-1], len(self.sizes)), np.nan)
        if kept.any():
            starts = (np.cumsum(self.sizes) - self.sizes)[kept]
            squares = np.square(values, dtype=np.float64)
            means[..., kept] = np.add.reduceat(squares, starts, axis=-1) / self.sizes[kept]
        result: FloatArray = np.sqrt(means)
        return result


#: Of judges that are as alike as this only one is heard: another would take a place.
SAME = 0.9
#: With less than this share of an independent voice nobody is judged.
MIN_VOICES = 0.1


def likeness(rows: Frames, judges: Frames) -> FloatArray:
    """How alike the errors are, 0 to 1, shape (n_rows, n_judges): 2 a·b / (a² + b²).

    1 of equal answers, 0 of errors that have nothing to do with each other. It is
    1 - |a - b|² / (a² + b²): what two share, and neither the other's witness. Of two it is the
    larger: that over all components that both know, and the mean of those of single frames. So
    answers out of all bounds on a few frames make no copy another potential, and errors that are
    alike where they are large are alike.
    """
    shape = (len(rows.errors), len(judges.errors))
    products, squares, means, n_known = np.zeros((4, *shape))
    ends = np.cumsum(rows.sizes)
    for end, size in zip(ends, rows.sizes, strict=True):
        if not size:
            continue
        a, b = (f.errors[:, end - size : end].astype(np.float64) for f in (rows, judges))
        square = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)
        # Where both know the reference itself, they are no copies.
        tells = np.isfinite(square) & (square > 0)
        square = np.where(tells, square, 0.0)
        product = np.where(tells, 2 * (np.nan_to_num(a) @ np.nan_to_num(b).T), 0.0)
        products += product
        squares += square
        means += np.divide(product, square, out=np.zeros(shape), where=tells)
        n_known += tells
    whole = np.divide(products, squares, out=np.zeros(shape), where=squares > 0)
    by_frame = np.divide(means, n_known, out=np.zeros(shape), where=n_known > 0)
    result: FloatArray = np.clip(np.maximum(whole, by_frame), 0, 1)
    return result


def choose_judges(candidates: Frames, most: int, ages: Sequence[float]) -> list[int]:
    """Rows of the first ``most`` candidates, of those that are the same the oldest alone.

    So nobody takes another's place by copying it, however good the copy is.
    """
    alike = likeness(candidates, candidates)
    chosen: list[int] = []
    for i, age in enumerate(ages):
        same = [k for k, j in enumerate(chosen) if alike[i, j] > SAME]
        if not same and len(chosen) < most:
            chosen.append(i)
        elif same and age > ages[chosen[same[0]]]:
            chosen[same[0]] = i
    return chosen


def voices(rows: Frames, judges: Frames, own: NDArray[np.bool_], among: FloatArray) -> FloatArray:
    """Weight of each judge's voice about each row, shape (n_rows, n_judges).

    Judges that are alike share one voice, and whoever is like the row has as little of one.

    Parameters
    ----------
    own
        Where a judge is of the row's own potential: it is not heard. Shape (n_rows, n_judges).
    among
        ``likeness`` of the judges with each other.
    """
    # Squares: that errors are alike by chance makes nobody a copy.
    apart = ~own * (1 - likeness(rows, judges) ** 2)
    crowd = among**2
    np.fill_diagonal(crowd, 0.0)
    result: FloatArray = apart / (1 + apart @ crowd)
    return result


def disagreement(row: NDArray[np.float32], judges: Frames, weights: FloatArray) -> FloatArray:
    """Distance of one row's answer from what the judges agree upon, shape (n_frames,).

    On each frame the voices are ordered by their RMS difference from the row; those of the middle
    half make a mean, and the RMS difference from that is told. So a quarter of them may answer
    nonsense, or what the row answers. Whole frames are ordered and not components, so that nothing
    depends on how a frame is turned. NaN where the row has failed or hardly a voice is left.
    """
    with np.errstate(over="ignore"):  # of answers that are absurd: who gives them is not heard
        apart = judges.rms(judges.errors - row)
    heard = np.where(np.isfinite(apart), weights[:, None], 0.0)
    is_judged = heard.sum(axis=0) >= MIN_VOICES
    result = np.full(len(judges.sizes), np.nan)
    if not is_judged.any():
        return result
    share = np.zeros(apart.shape)
    share[:, is_judged] = middle_half(np.nan_to_num(apart)[:, is_judged], heard[:, is_judged])
    of_components = np.repeat(share, judges.sizes, axis=1)
    agreed = (of_components * np.nan_to_num(judges.errors)).sum(axis=0)
    result[is_judged] = judges.rms(row - agreed)[is_judged]
    return result


def middle_half(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Share of each value in the mean of the middle half of the weight, column by column.

    Whether a voice is one or split into equal parts makes no difference, as it would to a median.
    """
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(weights, order, axis=0)
    ends = np.cumsum(ordered, axis=0) / ordered.sum(axis=0)
    begins = np.vstack([np.zeros_like(ends[:1]), ends[:-1]])
    inside = np.clip(ends, 0.25, 0.75) - np.clip(begins, 0.25, 0.75)
    share: FloatArray = np.empty_like(inside)
    np.put_along_axis(share, order, inside / inside.sum(axis=0), axis=0)
    return share


def judged_by_all_others(
    frames: Frames, clusters: Sequence[str]
) -> list[tuple[float, Calibration | None]]:
    """How many voices judged each row, and how well they know its errors."""
    own = np.eye(len(frames.errors), dtype=bool)
    weights = voices(frames, frames, own, likeness(frames, frames))
    sizes = frames.sizes.astype(float)
    return [
        (
            float(weights[i].sum()),
            calibration(disagreement(row, frames, weights[i]), frames.rms(row), sizes, clusters),
        )
        for i, row in enumerate(frames.errors)
    ]
