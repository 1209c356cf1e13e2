"""What a material's record tells of its timed calls. Names carry units; times are medians.

A value over several processes is the median of the processes' medians; quartiles are over all
timed calls together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evaluator.metrics.efficiency import (
    call_times,
    nanoseconds_per_day,
    power_law,
    process_spread,
    ratio_in_turns,
)

#: Half the range of the processes' medians over their median, above which times are not ranked.
MAX_SPREAD_PERCENT = 20.0
#: By its name, the size that a spread was found at.
_SPREADS = {
    "small_process_spread_percent": "small_n_atoms",
    "process_spread_percent": "large_n_atoms",
}
#: Under this the batched calls stand among the sizes.
BATCH = 0


@dataclass(kw_only=True)
class Series:
    """The timed calls of one size (or of the batch), by process."""

    n_atoms: int
    n_structures: int = 1
    seconds: dict[int, list[float]] = field(default_factory=dict)
    n_warmup: list[int] = field(default_factory=list)
    is_settled: list[bool] = field(default_factory=list)
    memory_MiB: list[float] = field(default_factory=list)
    #: Median of a null call, for each process.
    null_s: list[float] = field(default_factory=list)

    @property
    def medians_s(self) -> list[float]:
        return [float(np.median(seconds)) for seconds in self.seconds.values()]

    @property
    def median_s(self) -> float:
        return float(np.median(self.medians_s))


@dataclass(frozen=True, kw_only=True)
class Turns:
    """Seconds of blocks of calls of the submission and of the reference, timed in turns."""

    submission_s: list[list[float]] = field(default_factory=list)
    reference_s: list[list[float]] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return ratio_in_turns(self.submission_s, self.reference_s)

    @property
    def reference_median_s(self) -> float:
        return float(np.median([s for block in self.reference_s for s in block]))


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All that was found for one material."""

    formula: str
    series: Mapping[int, Series]
    #: The task's small and large size, as this material's cell repeats to them.
    small: int
    large: int
    stopped_at: int | None
    stop_reason: str
    stop_message: str
    batch_message: str
    #: By process.
    turns: Mapping[int, Turns]
    #: Median of the reference's calls while nobody else was alive, by process.
    alone_s: Mapping[int, float]
    reference_message: str
    n_calls: int


def sizes_that_ran(series: Mapping[int, Series], stopped_at: int | None) -> list[int]:
    """Sizes in rising order; a size at which a later process failed did not run."""
    return sorted(n for n in series if n != BATCH and (stopped_at is None or n < stopped_at))


def record(findings: Findings) -> dict[str, Any]:
    """The values of a material's record; None and absent names for what there is not."""
    ran = sizes_that_ran(findings.series, findings.stopped_at)
    best = max(ran, key=lambda n: n / findings.series[n].median_s)
    values: dict[str, Any] = {
        "formula": findings.formula,
        "largest_n_atoms": ran[-1],
        "first_failed_n_atoms": findings.stopped_at,
        "first_failed_reason": findings.stop_reason,
        "first_failed_message": findings.stop_message,
        "throughput_atom_steps_s": best / findings.series[best].median_s,
        "throughput_n_atoms": best,
        "n_timed_calls": findings.n_calls,
        "timed_s": round(
            sum(sum(map(sum, s.seconds.values())) for s in findings.series.values()), 4
        ),
        "sizes": [size_row(findings.series[n]) for n in ran],
    }
    if findings.small in ran:
        values |= _small(findings)
    if findings.large in ran:
        values |= _large(findings)
    values |= _scaling(findings, ran)
    if BATCH in findings.series:
        values |= _batch(findings.series[BATCH])
    elif findings.batch_message:
        values["batch_message"] = findings.batch_message
    return values


def size_row(series: Series) -> dict[str, Any]:
    """One size as the log-log chart and a table need it."""
    times = call_times([s for seconds in series.seconds.values() for s in seconds])
    median_s, n_atoms = series.median_s, series.n_atoms * series.n_structures
    row: dict[str, Any] = {
        "n_atoms": series.n_atoms,
        "n_structures": series.n_structures,
        "median_ms": 1e3 * median_s,
        "q1_ms": 1e3 * times.q1_s,
        "q3_ms": 1e3 * times.q3_s,
        "iqr_ms": 1e3 * (times.q3_s - times.q1_s),
        "process_medians_ms": [1e3 * s for s in series.medians_s],
        "n_calls": times.n_calls,
        "n_warmup": sum(series.n_warmup),
        "is_settled": all(series.is_settled),
        "atom_time_us": 1e6 * median_s / n_atoms,
        "atom_steps_s": n_atoms / median_s,
    }
    if series.n_structures == 1:
        row["nanoseconds_per_day"] = nanoseconds_per_day(median_s)
    if series.null_s:
        row |= _sandbox(series)
    if series.memory_MiB:
        row["memory_peak_MiB"] = max(series.memory_MiB)
    return row


def _sandbox(series: Series) -> dict[str, Any]:
    null_s = float(np.median(series.null_s))
    return {"sandbox_ms": 1e3 * null_s, "sandbox_share_percent": 100 * null_s / series.median_s}


def _small(findings: Findings) -> dict[str, Any]:
    series = findings.series[findings.small]
    values: dict[str, Any] = {
        "call_time_ms": 1e3 * series.median_s,
        "small_n_atoms": findings.small,
    }
    if series.null_s:
        values |= _sandbox(series)
    values["small_process_spread_percent"] = _spread_percent(series.medians_s)
    return values | _against_reference(findings)


def _against_reference(findings: Findings) -> dict[str, Any]:
    """The ratio, unless the reference was held up by what the submission does while it waits."""
    turns = findings.turns
    if not turns:
        message = findings.reference_message
        return {"reference_message": message} if message else {}
    slower = {
        i: 100 * (turn.reference_median_s / findings.alone_s[i] - 1) for i, turn in turns.items()
    }
    values = {
        "reference_ms": 1e3 * float(np.median([t.reference_median_s for t in turns.values()])),
        "reference_slower_percent": min(slower.values()),
    }
    # Round by round: whoever holds the reference up in some of them is judged by the others.
    ratios = [turn.ratio for i, turn in turns.items() if slower[i] <= MAX_SPREAD_PERCENT]
    if not ratios:
        return values | {
            "reference_message": "The reference potential took "
            f"{min(slower.values()):.0f} % longer beside this one than before it began, by its "
            "doing or another's: there is no ratio."
        }
    return values | {
        "reference_ratio": float(np.median(ratios)),
        "reference_ratio_spread_percent": _spread_percent(ratios),
    }


def _large(findings: Findings) -> dict[str, Any]:
    series = findings.series[findings.large]
    return {
        "large_n_atoms": findings.large,
        "atom_time_us": 1e6 * series.median_s / findings.large,
        "nanoseconds_per_day": nanoseconds_per_day(series.median_s),
        "process_spread_percent": _spread_percent(series.medians_s),
        "memory_peak_MiB": max(series.memory_MiB) if series.memory_MiB else None,
    }


def _spread_percent(values: Sequence[float]) -> float | None:
    spread = process_spread(values)
    return None if spread is None else 100 * spread


def why_unreliable(records: Sequence[Mapping[str, Any]]) -> str:
    """A sentence where fresh processes disagree by more than is ranked; empty where they agree.

    Times that a metric is made of count: those of the small and of the large size.
    """
    spreads = [
        (percent, values["formula"], values[size])
        for values in records
        for name, size in _SPREADS.items()
        if (percent := values.get(name)) is not None
    ]
    worst = max(spreads, default=None)
    if worst is None or worst[0] <= MAX_SPREAD_PERCENT:
        return ""
    percent, formula, n_atoms = worst
    return (
        f"Its times spread by {percent:.0f} % between processes ({formula}, {n_atoms} atoms), more "
        f"than {MAX_SPREAD_PERCENT:.0f} %."
    )


def _scaling(findings: Findings, ran: list[int]) -> dict[str, Any]:
    law = power_law(ran, [findings.series[n].median_s for n in ran])
    if law is None:
        return {}
    return {
        "scaling_exponent": law.exponent,
        "scaling_exponent_low": law.low,
        "scaling_exponent_high": law.high,
        "scaling_prefactor_ms": 1e3 * law.prefactor_s,
        "scaling_n_sizes": law.n_sizes,
        "scaling_smallest_n_atoms": law.smallest_n_atoms,
        "scaling_largest_n_atoms": law.largest_n_atoms,
    }


def _batch(series: Series) -> dict[str, Any]:
    row = size_row(series)
    return {
        "batched_structures_s": series.n_structures / series.median_s,
        "batched_atom_steps_s": row["atom_steps_s"],
        "batch": row,
    }
