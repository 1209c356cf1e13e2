"""Molecular dynamics: does a trajectory stay in physics, and how long; does it keep its energy.

A system of the reference set is one replica: a starting structure with the seed of its velocities.
It is relaxed at fixed cell, and then run in one of four ensembles. A trajectory that leaves physics
is data: it has a time and a reason. One that the wall-clock limit breaks off is censored; it never
counts as unstable. Times are in ps or fs, as their names say.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.optimize import FIRE

from evaluator.metrics.dynamics import (
    EnergyLine,
    energy_line,
    extrapolated_drift,
    temperature_relative_error,
)
from evaluator.metrics.survival import (
    kaplan_meier,
    pseudo_restricted_means,
    pseudo_survivals,
    restricted_mean_survival,
)
from evaluator.protocols.base import (
    FloatArray,
    Outcome,
    Protocol,
    Sample,
    System,
    SystemFailure,
    UnsuitableReference,
)
from evaluator.protocols.md_failures import Watch
from evaluator.protocols.md_integrators import set_velocities
from evaluator.protocols.md_settings import Settings
from evaluator.protocols.md_trajectory import End, Plan, Trajectory, run_trajectory

_RELAXED_EV_A = 0.05
#: Share of a run that is left out of lines and means.
_WARM_UP = 0.2


class MDStabilityProtocol(Protocol):
    """Survival of trajectories under physical criteria; conservation of energy without a bath."""

    name = "md_stability"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        if not systems:
            raise UnsuitableReference("The reference set is empty.")
        for system in systems:
            if not system.atoms.pbc.all() or system.atoms.get_volume() <= 0:
                raise UnsuitableReference(f"{system.id} is not periodic in three directions.")
            if len(system.atoms) < 2:
                raise UnsuitableReference(f"{system.id} needs two atoms or more.")

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        settings = Settings(**parameters)
        if settings.ensemble == "npt_ramp" and "stress" not in calculator.implemented_properties:
            raise SystemFailure("The potential offers no stress, and a barostat needs it.")
        deadline = time.monotonic() + settings.wall_limit_s
        atoms = system.atoms.copy()
        atoms.calc = calculator
        _relax(atoms, settings.n_relax_steps, deadline)
        set_velocities(atoms, settings.temperature_K, _generator(system))
        make_watch = partial(Watch, system.atoms, settings.bounds, system.reference)
        run = partial(run_trajectory, make_watch=make_watch, deadline=deadline)

        plan = settings.plan(atoms, calculator)
        if settings.ensemble == "nve":
            first, thermostat = settings.equilibration(atoms)
            before = run(atoms, thermostat, first)
            if before.end is not End.COMPLETED:
                return _never_started(before, system, plan)
        start = atoms.copy()
        trajectory = run(atoms, settings.dynamics(plan), plan)
        values = _values(trajectory, system, plan)
        if settings.ensemble != "nve":
            values |= _bath(trajectory)
        if settings.ensemble == "nve" and trajectory.end is End.COMPLETED:
            start.calc = calculator
            values |= _conservation(trajectory, len(atoms))
            if settings.has_control_run:
                values |= _control(run, start, settings, plan, values["nve_drift_meV_atom_ps"])
        return Outcome(values=values)

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        restricted, completed = _survivals(outcomes)
        is_censored = np.array([o is not None and o.values["end"] == "censored" for o in outcomes])
        is_nve = parameters["ensemble"] == "nve"
        left_out = is_censored if is_nve else np.ones(len(outcomes), dtype=bool)
        no_control = left_out | np.full(len(outcomes), not parameters["has_control_run"])
        no_control |= np.array([o is not None and _lacks_control(o) for o in outcomes], dtype=bool)
        no_bath = is_censored if not is_nve else np.ones(len(outcomes), dtype=bool)
        drift = np.abs(_column(outcomes, "nve_drift_meV_atom_ps"))
        extrapolated = np.abs(_column(outcomes, "nve_extrapolated_drift_meV_atom_ps"))
        fluctuation = _column(outcomes, "nve_fluctuation_meV_atom")
        thermostat = _column(outcomes, "temperature_error_percent")
        return {
            "time_fraction_stable": _survival_sample(restricted, outcomes),
            "trajectory_fraction_stable": _survival_sample(completed, outcomes),
            "nve_energy_drift": _sample(drift, left_out),
            "nve_extrapolated_drift": _sample(extrapolated, no_control),
            "nve_energy_rmse": _sample(fluctuation, left_out),
            "temperature_relative_error": _sample(thermostat, no_bath),
        }, [{} for _ in systems]

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        known = [o for o in outcomes if o is not None]
        if not known:
            return {}
        ends = Counter(o.values["end"] for o in known)
        reasons = Counter(o.values["failure_reason"] for o in known if o.values["failure_reason"])
        duration_ps = float(parameters["duration_ps"])
        shares, is_failure = _times(known)
        curve = kaplan_meier(shares, is_failure)
        mean = restricted_mean_survival(curve, 1.0)
        rows = zip(curve.times, curve.survival, curve.low, curve.high, curve.n_at_risk, strict=True)
        return {
            "n_completed": ends["completed"],
            "n_failed_physically": ends["failed"],
            "n_censored": ends["censored"],
            "n_by_reason": dict(sorted(reasons.items())),
            "restricted_mean_survival_ps": _number(mean * duration_ps),
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


def _number(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None


def _generator(system: System) -> np.random.Generator:
    """Random numbers that follow from the name of the replica, which holds its seed."""
    digest = hashlib.sha256(system.id.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _relax(atoms: Atoms, n_steps: int, deadline: float) -> None:
    """Positions alone, at most so many steps: thermal motion goes beyond what is left."""
    with np.errstate(all="ignore"):
        optimizer = FIRE(atoms, logfile=None)
        for _ in optimizer.irun(fmax=_RELAXED_EV_A, steps=n_steps):
            if not np.isfinite(atoms.get_forces()).all():
                raise SystemFailure("Forces near the starting structure are not finite numbers.")
            if time.monotonic() >= deadline:
                break


def _values(trajectory: Trajectory, system: System, plan: Plan) -> dict[str, Any]:
    failure, series = trajectory.failure, trajectory.series
    values: dict[str, Any] = {
        "formula": system.atoms.get_chemical_formula(empirical=True),
        "end": trajectory.end.value,
        "survived_ps": round(trajectory.survived_ps, 6),
        "survived_share": min(1.0, trajectory.survived_ps / plan.duration_ps),
        "failure_reason": failure.reason.value if failure else "",
        "failure_message": failure.message if failure else "",
        "min_distance_ratio": min(series["series_distance_ratio"]),
        "max_temperature_K": round(float(trajectory.temperatures_K.max()), 1),
        "timestep_fs": plan.timestep_fs,
        **series,
    }
    if trajectory.end is End.COMPLETED:
        if pressures := series.get("series_pressure_GPa"):
            values["pressure_mean_GPa"] = float(
                np.mean(pressures[int(_WARM_UP * len(pressures)) :])
            )
        values["density_g_cm3"] = _density(system.atoms, series["series_volume_A3_atom"])
    return values


def _bath(trajectory: Trajectory) -> dict[str, Any]:
    """Whether the temperature followed its target."""
    if trajectory.end is not End.COMPLETED:
        return {}
    error = temperature_relative_error(
        trajectory.temperatures_K, trajectory.targets_K, warm_up=_WARM_UP
    )
    return {"temperature_error_percent": error}


def _density(atoms: Atoms, volumes_A3_atom: Sequence[float]) -> float:
    """Mean after the warm-up; 1 amu/Å³ is 1.66054 g/cm³."""
    kept = volumes_A3_atom[int(_WARM_UP * len(volumes_A3_atom)) :]
    return float(1.66053907 * atoms.get_masses().mean() / np.mean(kept))


def _never_started(before: Trajectory, system: System, plan: Plan) -> Outcome:
    """Of a run at constant energy that ended in its equilibration: it survived for no time."""
    values = _values(before, system, plan) | {"survived_ps": 0.0, "survived_share": 0.0}
    if before.failure is not None:
        values["failure_message"] = (
            f"In the equilibration, after {before.survived_ps:.3f} ps: {before.failure.message}"
        )
    return Outcome(values=values)


def _line(trajectory: Trajectory, n_atoms: int) -> EnergyLine:
    return energy_line(trajectory.times_ps, trajectory.total_energies, n_atoms, warm_up=_WARM_UP)


def _conservation(trajectory: Trajectory, n_atoms: int) -> dict[str, Any]:
    line = _line(trajectory, n_atoms)
    return {
        "nve_drift_meV_atom_ps": line.drift_meV_atom_ps,
        "nve_fluctuation_meV_atom": line.rms_meV_atom,
    }


def _control(
    run: Callable[..., Trajectory], start: Atoms, settings: Settings, plan: Plan, drift: float
) -> dict[str, Any]:
    """The same run from the same start with half the time step."""
    half = Plan(
        n_steps=2 * plan.n_steps,
        timestep_fs=plan.timestep_fs / 2,
        temperature_K=plan.temperature_K,
        pressure_GPa=plan.pressure_GPa,
    )
    control = run(start, settings.dynamics(half), half)
    values: dict[str, Any] = {"control_end": control.end.value}
    if control.end is End.COMPLETED:
        line = _line(control, len(start))
        values |= {
            "nve_drift_half_timestep_meV_atom_ps": line.drift_meV_atom_ps,
            "nve_fluctuation_half_timestep_meV_atom": line.rms_meV_atom,
            "nve_extrapolated_drift_meV_atom_ps": extrapolated_drift(drift, line.drift_meV_atom_ps),
        }
    return values


def _lacks_control(outcome: Outcome) -> bool:
    return outcome.values.get("control_end") == End.CENSORED.value


# ------------------------------------------------------------------------------------------ samples


def _times(outcomes: Sequence[Outcome]) -> tuple[FloatArray, np.ndarray]:
    """Share of the duration survived, and whether physics ended it; shapes (n,)."""
    shares = np.array([o.values["survived_share"] for o in outcomes], dtype=float)
    return shares, np.array([o.values["end"] == "failed" for o in outcomes], dtype=bool)


def _survivals(outcomes: Sequence[Outcome | None]) -> tuple[FloatArray, FloatArray]:
    """Pseudo-observations of the restricted mean and of S at the end; NaN where there is none."""
    restricted, completed = np.full((2, len(outcomes)), np.nan)
    where = [i for i, outcome in enumerate(outcomes) if outcome is not None]
    if where:
        times, is_failure = _times([o for o in outcomes if o is not None])
        restricted[where] = pseudo_restricted_means(times, is_failure, 1.0)
        completed[where] = pseudo_survivals(times, is_failure, 1.0)
    return restricted, completed


def _survival_sample(values: FloatArray, outcomes: Sequence[Outcome | None]) -> Sample:
    """What the wall-clock limit left undetermined is missing; it is never charged."""
    is_known = np.array([outcome is not None for outcome in outcomes], dtype=bool)
    return _sample(values, is_known & ~np.isfinite(values))


def _column(outcomes: Sequence[Outcome | None], name: str) -> FloatArray:
    return np.array([np.nan if o is None else o.values.get(name, np.nan) for o in outcomes], float)


def _sample(values: FloatArray, missing: np.ndarray) -> Sample:
    return Sample(values=values, weights=np.ones(len(values)), missing=missing)
