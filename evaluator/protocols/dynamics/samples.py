"""From the records of all replicas to samples for the metrics, and to the survival curve."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from evaluator.arrays import FloatArray
from evaluator.metrics.survival import (
    kaplan_meier,
    pseudo_restricted_means,
    pseudo_survivals,
    restricted_mean_survival,
)
from evaluator.protocols.base import Outcome, Sample, System
from evaluator.protocols.dynamics.trajectory import LEAST_SEEN, End


def samples_of(
    systems: Sequence[System], outcomes: Sequence[Outcome | None], parameters: Mapping[str, Any]
) -> dict[str, Sample]:
    """One sample for each metric of the protocol; what does not apply is missing."""
    scored_share = float(parameters["scored_share"])
    restricted, completed = _survivals(outcomes, scored_share)
    is_censored = _ended(outcomes, End.CENSORED)
    is_nve = np.full(len(outcomes), parameters["ensemble"] == "nve")
    has_barostat = np.full(len(outcomes), parameters["ensemble"].startswith("npt"))
    has_control = is_nve & bool(parameters["has_control_run"])
    lacks_control = np.array([o is not None and _lacks_control(o) for o in outcomes], bool)
    has_rdf = np.array(["rdf" in s.reference for s in systems], bool) & ~is_nve & ~has_barostat
    density = np.array([s.reference.get("density_g_cm3", np.nan) for s in systems], float)

    def judged(
        values: FloatArray, applies: np.ndarray, is_broken_off: np.ndarray = is_censored
    ) -> Sample:
        """In a mean nothing is charged to a replica that the clock broke off."""
        return replace(
            _sample(values, is_broken_off | ~applies),
            errors=values,
            applies=applies,
        )

    column = partial(_column, outcomes)
    survived, has_completed = _survived(outcomes, scored_share)
    has_failed = _has_failed(outcomes, scored_share)
    density_error = 100 * np.abs(column("density_g_cm3") / density - 1)
    return {
        "time_fraction_stable": _survival_sample(restricted, has_failed, outcomes, 1 - survived),
        "trajectory_fraction_stable": _survival_sample(
            completed, has_failed, outcomes, 1 - has_completed
        ),
        "nve_energy_drift": judged(np.abs(column("nve_drift_meV_atom_ps")), is_nve),
        "nve_extrapolated_drift": judged(
            np.abs(column("nve_extrapolated_drift_meV_atom_ps")),
            has_control,
            is_censored | lacks_control,
        ),
        "nve_energy_rmse": judged(column("nve_fluctuation_meV_atom"), is_nve),
        "temperature_relative_error": judged(column("temperature_error_percent"), ~is_nve),
        "rdf_error": judged(column("rdf_error_percent"), has_rdf),
        "density_relative_error": judged(density_error, has_barostat & np.isfinite(density)),
    }


def summary_of(
    systems: Sequence[System], outcomes: Sequence[Outcome | None], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """How the replicas ended, and their survival curve with its band."""
    known = [o for o in outcomes if o is not None]
    if not known:
        return {}
    names = [structure_name(s.id) for s, o in zip(systems, outcomes, strict=True) if o]
    ends = Counter(o.values["end"] for o in known)
    reasons = Counter(o.values["failure_reason"] for o in known if o.values["failure_reason"])
    duration_ps = float(parameters["duration_ps"])
    shares, is_failure = _times(known)
    numbers = np.unique(names, return_inverse=True)[1]
    curve = kaplan_meier(shares, is_failure, numbers)
    mean = restricted_mean_survival(curve, 1.0)
    rows = zip(curve.times, curve.survival, curve.low, curve.high, curve.n_at_risk, strict=True)
    return {
        "n_completed": ends["completed"],
        "n_failed_physically": ends["failed"],
        "n_censored": ends["censored"],
        "n_by_reason": dict(sorted(reasons.items())),
        "restricted_mean_survival_ps": _number(mean * duration_ps),
        "duration_ps": duration_ps,
        "watched_until_ps": round(curve.last_time * duration_ps, 6),
        "survival": [
            {
                "time_ps": round(float(t) * duration_ps, 6),
                "survival": round(float(s), 6),
                "low": _number(low),
                "high": _number(high),
                "n_at_risk": int(n),
            }
            for t, s, low, high, n in rows
        ],
    }


def structure_name(system_id: str) -> str:
    """The structure's name of a replica, without its seed: "md-Al-64" of "md-Al-64-seed2"."""
    return re.sub(r"-seed\d+$", "", system_id)


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _lacks_control(outcome: Outcome) -> bool:
    return outcome.values.get("control_end") == End.CENSORED.value


# ------------------------------------------------------------------------------------------ samples


def _times(outcomes: Sequence[Outcome]) -> tuple[FloatArray, np.ndarray]:
    """Share of the duration survived, and whether physics ended it; shapes (n,)."""
    shares = np.array([o.values["survived_share"] for o in outcomes], dtype=float)
    return shares, _ended(outcomes, End.FAILED)


def _ended(outcomes: Sequence[Outcome | None], end: End) -> np.ndarray:
    """Which trajectories ended so, shape (n,)."""
    return np.array([o is not None and o.values["end"] == end.value for o in outcomes], dtype=bool)


def _survivals(
    outcomes: Sequence[Outcome | None], scored_share: float
) -> tuple[FloatArray, FloatArray]:
    """Pseudo-observations of the restricted mean and of S at the end of what is scored.

    NaN where there is none.
    """
    restricted, completed = np.full((2, len(outcomes)), np.nan)
    where = [i for i, outcome in enumerate(outcomes) if outcome is not None]
    if where:
        known = [o for o in outcomes if o is not None]
        times = np.minimum(_times(known)[0] / scored_share, 1.0)
        is_failure = _has_failed(known, scored_share)
        # A zero is the difference of two sums: their round-off is no number to show.
        restricted[where] = np.round(pseudo_restricted_means(times, is_failure, 1.0), 12)
        completed[where] = np.round(pseudo_survivals(times, is_failure, 1.0), 12)
    return restricted, completed


def _has_failed(outcomes: Sequence[Outcome | None], scored_share: float) -> np.ndarray:
    """Which left physics within the time that is scored."""
    is_within = _column(outcomes, "survived_share") < scored_share
    return _ended(outcomes, End.FAILED) & (is_within | (scored_share == 1))


def _survived(
    outcomes: Sequence[Outcome | None], scored_share: float
) -> tuple[FloatArray, FloatArray]:
    """Share of the scored time that each replica survived, and 1 where that was all of it, else 0.

    NaN where the clock broke it off before enough of it was seen: nobody knows what would have
    been, and waiting must not pay.
    """
    shares = np.minimum(_column(outcomes, "survived_share") / scored_share, 1.0)
    has_failed = _has_failed(outcomes, scored_share)
    is_seen = shares >= LEAST_SEEN
    survived = np.where(has_failed, shares, np.where(is_seen, 1.0, np.nan))
    return survived, np.where(np.isfinite(survived), (~has_failed).astype(float), np.nan)


def _survival_sample(
    values: FloatArray,
    has_failed: np.ndarray,
    outcomes: Sequence[Outcome | None],
    errors: FloatArray,
) -> Sample:
    """In the mean, what the wall-clock limit left undetermined is missing; it is never charged."""
    is_known = np.array([outcome is not None for outcome in outcomes], dtype=bool)
    return replace(
        _sample(values, is_known & ~np.isfinite(values)),
        has_failed=has_failed,
        errors=errors,
        applies=np.ones(len(values), dtype=bool),
    )


def _column(outcomes: Sequence[Outcome | None], name: str) -> FloatArray:
    return np.array([np.nan if o is None else o.values.get(name, np.nan) for o in outcomes], float)


def _sample(values: FloatArray, missing: np.ndarray) -> Sample:
    return Sample(values=values, weights=np.ones(len(values)), missing=missing)
