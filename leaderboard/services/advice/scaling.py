"""How long a simulation takes and what memory it needs, from the sizes that were timed.

Pure: records of the protocol ``efficiency`` in, estimates out. Between two measured sizes times are
interpolated on logarithmic axes, memory linearly. Beyond the largest the time follows the fitted
power law, but grows at least in proportion to the atoms: over small cells a law is flattened by
what every call costs, and would promise too much.

A range spans the measured materials, whose neighbours lie up to three times as dense in one as in
another: from the fastest one's first quartile to the slowest one's third, and beyond the largest
size the 95 % interval of the exponent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: No local potential takes longer than a look at all pairs of atoms.
_STEEPEST = 2.0
_SECONDS_PER_HOUR = 3600.0
_MIB_PER_GIB = 1024.0

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one potential needs on one hardware, for a number of atoms and of steps."""

    hours: float
    hours_low: float
    hours_high: float
    #: Of the hungriest measured material; None where memory was not measured.
    memory_GiB: float | None
    #: The number of atoms is larger than any that every measured material ran with.
    is_extrapolated: bool
    #: The largest size that all of them ran with.
    largest_n_atoms: int
    nanoseconds_per_day: float
    n_materials: int


@dataclass(frozen=True, kw_only=True)
class _CallTime:
    ms: float
    low_ms: float
    high_ms: float


def estimate(
    materials: Sequence[Record], *, n_atoms: int, n_steps: float, timestep_fs: float
) -> Estimate | None:
    """Time and memory of ``n_steps`` force calls; None where fewer than two sizes were timed.

    ``materials`` are the ``values`` of an evaluation's records: ``sizes`` with their ``n_atoms``,
    ``median_ms``, ``q1_ms``, ``q3_ms`` and ``memory_peak_MiB``, and ``scaling_exponent`` with its
    interval.
    """
    timed = [m for m in materials if len(m.get("sizes") or ()) > 1]
    if not timed:
        return None
    calls = [_call_time(material, n_atoms) for material in timed]
    central_ms = math.exp(float(np.mean([math.log(call.ms) for call in calls])))
    hours_per_ms = n_steps / 1e3 / _SECONDS_PER_HOUR
    memory = [m for m in (_memory_peak(material, n_atoms) for material in timed) if m is not None]
    largest = min(_sizes(material)[-1]["n_atoms"] for material in timed)
    return Estimate(
        hours=central_ms * hours_per_ms,
        hours_low=min(call.low_ms for call in calls) * hours_per_ms,
        hours_high=max(call.high_ms for call in calls) * hours_per_ms,
        memory_GiB=max(memory) / _MIB_PER_GIB if memory else None,
        is_extrapolated=n_atoms > largest,
        largest_n_atoms=largest,
        nanoseconds_per_day=86400e-6 * timestep_fs / (central_ms / 1e3),
        n_materials=len(timed),
    )


def ran_out_of_memory(materials: Sequence[Record], n_atoms: int) -> Record | None:
    """The material that had no memory for so many atoms or fewer, if any: the smallest such."""
    failed = [
        m
        for m in materials
        if str(m.get("first_failed_reason") or "").startswith("out_of_memory")
        and m.get("first_failed_n_atoms") is not None
        and m["first_failed_n_atoms"] <= n_atoms
    ]
    return min(failed, key=lambda m: int(m["first_failed_n_atoms"]), default=None)


def _call_time(material: Record, n_atoms: int) -> _CallTime:
    sizes = _sizes(material)
    last = sizes[-1]
    if n_atoms > last["n_atoms"]:
        return _extrapolated(material, sizes, math.log(n_atoms / last["n_atoms"]))
    at = [math.log(row["n_atoms"]) for row in sizes]

    def between(name: str) -> float:
        # Under the smallest size nothing is gained: that is what every call costs.
        logs = [math.log(row.get(name) or row["median_ms"]) for row in sizes]
        return math.exp(float(np.interp(math.log(n_atoms), at, logs)))

    return _CallTime(ms=between("median_ms"), low_ms=between("q1_ms"), high_ms=between("q3_ms"))


def _extrapolated(material: Record, sizes: Sequence[Record], log_ratio: float) -> _CallTime:
    """From the largest size on. The curve bends upwards, so its last piece is the least slope."""
    before, last = sizes[-2], sizes[-1]
    last_slope = math.log(last["median_ms"] / before["median_ms"]) / math.log(
        last["n_atoms"] / before["n_atoms"]
    )
    exponent = material.get("scaling_exponent")
    slope = min(max(1.0, last_slope if exponent is None else exponent), _STEEPEST)
    low, high = material.get("scaling_exponent_low"), material.get("scaling_exponent_high")
    least = min(slope, max(last_slope, last_slope if low is None else low))
    most = max(slope, min(_STEEPEST if high is None else high, _STEEPEST))
    return _CallTime(
        ms=last["median_ms"] * math.exp(slope * log_ratio),
        low_ms=(last.get("q1_ms") or last["median_ms"]) * math.exp(least * log_ratio),
        high_ms=(last.get("q3_ms") or last["median_ms"]) * math.exp(most * log_ratio),
    )


def _memory_peak(material: Record, n_atoms: int) -> float | None:
    """Estimate the peak in MiB, beyond the largest size by the steepest growth seen."""
    measured_peaks = [
        (row["n_atoms"], float(row["memory_peak_MiB"]))
        for row in _sizes(material)
        if row.get("memory_peak_MiB") is not None
    ]
    if len(measured_peaks) < 2:
        return None
    sizes, peaks = zip(*measured_peaks, strict=True)
    if n_atoms <= sizes[-1]:
        return float(np.interp(n_atoms, sizes, peaks))
    growth = float(np.max(np.diff(peaks) / np.diff(sizes)))
    return float(peaks[-1] + max(growth, 0.0) * (n_atoms - sizes[-1]))


def _sizes(material: Record) -> list[Record]:
    return sorted(material["sizes"], key=lambda row: int(row["n_atoms"]))
