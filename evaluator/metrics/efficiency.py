"""How fast a potential is: statistics of call times, and how they grow with the number of atoms.

Times are seconds for one force call (energy, forces and, where offered, stress) unless a name says
otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluator.arrays import FloatArray

#: Three successive medians that agree within this end a warm-up.
AGREEMENT = 0.02
_BLOCK = 3
_FEMTOSECONDS_PER_DAY_NS = 86400e-6


@dataclass(frozen=True, kw_only=True)
class CallTimes:
    """Median and quartiles: single calls may take forty times as long, so a mean would mislead."""

    n_calls: int
    median_s: float
    q1_s: float
    q3_s: float


def call_times(seconds: Sequence[float]) -> CallTimes:
    """Statistics of the timed calls of one process. Raises ValueError without any."""
    if not len(seconds):
        raise ValueError("no call was timed")
    q1, median, q3 = np.quantile(np.asarray(seconds, dtype=float), [0.25, 0.5, 0.75])
    return CallTimes(n_calls=len(seconds), median_s=float(median), q1_s=float(q1), q3_s=float(q3))


def has_settled(seconds: Sequence[float]) -> bool:
    """Whether the medians of the last three blocks of three calls agree within 2 %."""
    if len(seconds) < 3 * _BLOCK:
        return False
    last = np.asarray(seconds[-3 * _BLOCK :], dtype=float).reshape(3, _BLOCK)
    medians = np.median(last, axis=1)
    return bool(medians.max() <= (1 + AGREEMENT) * medians.min())


def nanoseconds_per_day(seconds: float, timestep_fs: float = 1.0) -> float:
    """Simulated time in a day if a step of molecular dynamics costs one force call alone."""
    return _FEMTOSECONDS_PER_DAY_NS * timestep_fs / seconds


def process_spread(medians_s: Sequence[float]) -> float | None:
    """Half the range of the processes' medians over their median; None for a single process."""
    if len(medians_s) < 2:
        return None
    values = np.asarray(medians_s, dtype=float)
    return float(np.ptp(values) / 2 / np.median(values))


def ratio_in_turns(
    numerators: Sequence[Sequence[float]], denominators: Sequence[Sequence[float]]
) -> float:
    """Ratio of two call times from short blocks timed in turns: the median of the blocks' ratios.

    Block i of both was timed within the same moments, so that a device that becomes slower or
    faster while they are timed touches both alike. Raises ValueError without a pair of blocks.
    """
    if not len(numerators) or len(numerators) != len(denominators):
        raise ValueError(f"{len(numerators)} and {len(denominators)} blocks are not pairs")
    pairs = zip(numerators, denominators, strict=True)
    return float(np.median([np.median(a) / np.median(b) for a, b in pairs]))


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """time = prefactor_s · N^exponent, and the 95 % interval of the exponent."""

    exponent: float
    #: None where two sizes leave nothing to estimate a scatter from.
    low: float | None
    high: float | None
    prefactor_s: float
    n_sizes: int
    smallest_n_atoms: int
    largest_n_atoms: int


def power_law(
    n_atoms: Sequence[int], seconds: Sequence[float], *, from_n_atoms: int = 512
) -> PowerLaw | None:
    """Least squares of ln t against ln N, over the sizes from ``from_n_atoms`` on.

    Where fewer than three sizes are that large, all sizes are used: small cells then flatten the
    law, and the result names its sizes. The interval is Student's, for n - 2 degrees of freedom.
    None for fewer than two sizes.
    """
    sizes: FloatArray = np.asarray(n_atoms, dtype=float)
    times: FloatArray = np.asarray(seconds, dtype=float)
    if sizes.shape != times.shape or (sizes <= 0).any() or (times <= 0).any():
        raise ValueError("a power law needs one positive time for each positive size")
    is_large = sizes >= from_n_atoms
    if is_large.sum() >= 3:
        sizes, times = sizes[is_large], times[is_large]
    if len(set(sizes.tolist())) < 2:
        return None
    from scipy import stats  # not before it is needed: it takes a second

    fit = stats.linregress(np.log(sizes), np.log(times))
    low = high = None
    if len(sizes) > 2:
        half = float(stats.t.ppf(0.975, len(sizes) - 2) * fit.stderr)
        low, high = float(fit.slope) - half, float(fit.slope) + half
    return PowerLaw(
        exponent=float(fit.slope),
        low=low,
        high=high,
        prefactor_s=float(np.exp(fit.intercept)),
        n_sizes=len(sizes),
        smallest_n_atoms=int(sizes.min()),
        largest_n_atoms=int(sizes.max()),
    )
