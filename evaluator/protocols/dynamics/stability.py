"""Molecular dynamics: does a trajectory stay in physics, and how long; does it keep its energy.

A system of the reference set is one replica: a starting structure with the seed of its velocities.
It is relaxed at fixed cell, and then run in one of five ensembles. A trajectory that leaves physics
is data: it has a time and a reason. One that the wall-clock limit breaks off is censored; it never
counts as unstable. Times are in ps or fs, as their names say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.optimize import FIRE

from evaluator.arrays import FloatArray
from evaluator.metrics.dynamics import extrapolated_drift
from evaluator.metrics.structure import rdf_error
from evaluator.protocols.base import (
    Outcome,
    Protocol,
    Sample,
    System,
    SystemFailure,
    UnsuitableReference,
    require_periodic,
    require_systems,
)
from evaluator.protocols.dynamics.failures import Watch
from evaluator.protocols.dynamics.integrators import set_velocities
from evaluator.protocols.dynamics.samples import samples_of, summary_of
from evaluator.protocols.dynamics.settings import RunSettings
from evaluator.protocols.dynamics.trajectory import Deadline, End, Plan, Trajectory, run_trajectory
from evaluator.protocols.dynamics.values import (
    Structure,
    bath,
    line,
    never_started,
    outcome_of,
    rounded,
)

_RELAXED_EV_A = 0.05
#: What a metric needs of every system of the reference set.
_NEEDED = {
    "rdf_error": ("rdf", "rdf_max_A", "rdf_noise_percent", "temperature_K"),
    "density_relative_error": ("density_g_cm3",),
}


class MDStabilityProtocol(Protocol):
    """Survival of trajectories under physical criteria; conservation of energy without a bath."""

    name = "md_stability"

    def check_reference(self, systems: Sequence[System], metrics: Sequence[str]) -> None:
        require_systems(systems)
        for system in systems:
            require_periodic(system)
            if len(system.atoms) < 2:
                raise UnsuitableReference(f"{system.id} needs two atoms or more.")
            for metric in metrics:
                lacking = [n for n in _NEEDED.get(metric, ()) if n not in system.reference]
                if lacking:
                    raise UnsuitableReference(
                        f"{metric} needs {', '.join(lacking)} of {system.id}."
                    )

    def reference_values(self, system: System) -> dict[str, Any]:
        values = super().reference_values(system)
        if "rdf" in system.reference:
            values["rdf"] = rounded(system.reference["rdf"])
        return values

    def simulate(
        self, system: System, calculator: Calculator, parameters: Mapping[str, Any]
    ) -> Outcome:
        settings = RunSettings(**parameters).for_system(system)
        if settings.has_barostat and "stress" not in calculator.implemented_properties:
            raise SystemFailure("The potential offers no stress, and a barostat needs it.")
        deadline = Deadline(calculator, settings.wall_limit_s)
        atoms = system.atoms.copy()
        atoms.set_cell(settings.initial_volume_ratio ** (1 / 3) * atoms.cell, scale_atoms=True)
        atoms.calc = calculator
        _relax(atoms, settings.n_relax_steps, deadline)
        set_velocities(atoms, settings.temperature_K, _generator(system))
        make_watch = partial(Watch, system.atoms, settings.bounds, system.reference)
        run = partial(run_trajectory, make_watch=make_watch, deadline=deadline)

        plan = settings.plan(atoms, calculator)
        if settings.ensemble != "nve":
            return _in_a_bath(run, atoms, system, settings, plan)
        first, thermostat = settings.equilibration(atoms)
        before = run(atoms, thermostat, first)
        if before.end is not End.COMPLETED:
            return never_started(before, system, plan)
        start = atoms.copy()
        start.calc = calculator
        trajectory = run(atoms, settings.dynamics(plan), plan)
        values: dict[str, Any] = {}
        if trajectory.end is End.FAILED:
            values = _until_failure(trajectory, len(atoms))
        if trajectory.end is End.COMPLETED:
            values = _conservation(trajectory, len(atoms))
            if settings.has_control_run:
                values |= _control(run, start, settings, plan, values["nve_drift_meV_atom_ps"])
        return outcome_of(trajectory, system, plan, values)

    def samples(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> tuple[dict[str, Sample], list[dict[str, Any]]]:
        return samples_of(systems, outcomes, parameters), [{} for _ in systems]

    def uninformed(
        self, systems: Sequence[System], parameters: Mapping[str, Any]
    ) -> dict[str, FloatArray]:
        """An ideal gas, for the structure: g(r) = 1; for a density, that of the start."""
        ratio = float(parameters["initial_volume_ratio"])
        density = {}
        if ratio != 1:
            density = {"density_relative_error": np.full(len(systems), 100 * abs(1 / ratio - 1))}
        return density | {
            "rdf_error": np.array(
                [
                    rdf_error(np.ones_like(s.reference["rdf"]), s.reference["rdf"])
                    if "rdf" in s.reference
                    else np.nan
                    for s in systems
                ]
            )
        }

    def has_failed(self, outcome: Outcome) -> bool:
        return bool(outcome.values["end"] == End.FAILED.value)

    def smoothness(self, outcomes: Sequence[Outcome | None]) -> dict[str, float]:
        """The drift at a vanishing time step; of a run that failed, the one that was seen."""
        names = ("nve_extrapolated_drift_meV_atom_ps", "nve_drift_until_failure_meV_atom_ps")
        drifts = [
            abs(outcome.values[name])
            for outcome in outcomes
            if outcome is not None
            for name in names
            if name in outcome.values
        ]
        return {"nve_drift_meV_atom_ps_mean": float(np.mean(drifts))} if drifts else {}

    def summary(
        self,
        systems: Sequence[System],
        outcomes: Sequence[Outcome | None],
        parameters: Mapping[str, Any],
    ) -> dict[str, Any]:
        return summary_of(systems, outcomes, parameters)


def _generator(system: System) -> np.random.Generator:
    """Random numbers that follow from the name of the replica, which holds its seed."""
    digest = hashlib.sha256(system.id.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _relax(atoms: Atoms, n_steps: int, deadline: Deadline) -> None:
    """Positions alone, at most so many steps: thermal motion goes beyond what is left."""
    with np.errstate(all="ignore"):
        optimizer = FIRE(atoms, logfile=None)
        for _ in optimizer.irun(fmax=_RELAXED_EV_A, steps=n_steps):
            if not np.isfinite(atoms.get_forces()).all():
                raise SystemFailure("Forces near the starting structure are not finite numbers.")
            if deadline.has_come():
                break


def _in_a_bath(
    run: Callable[..., Trajectory], atoms: Atoms, system: System, settings: RunSettings, plan: Plan
) -> Outcome:
    has_rdf = "rdf" in system.reference and not settings.has_barostat
    structure = Structure(system) if has_rdf else None
    observe = structure.observe if structure else None
    trajectory = run(atoms, settings.dynamics(plan), plan, observe=observe)
    values = bath(trajectory)
    if structure and trajectory.is_seen:
        values |= structure.values()
    return outcome_of(trajectory, system, plan, values)


def _conservation(trajectory: Trajectory, n_atoms: int) -> dict[str, Any]:
    fitted = line(trajectory, n_atoms)
    return {
        "nve_drift_meV_atom_ps": fitted.drift_meV_atom_ps,
        "nve_fluctuation_meV_atom": fitted.rms_meV_atom,
    }


def _until_failure(trajectory: Trajectory, n_atoms: int) -> dict[str, Any]:
    """How the energy was kept until physics was left; empty for a run too short for a line.

    Atoms that fly apart without a force keep it exactly.
    """
    try:
        drift = line(trajectory, n_atoms).drift_meV_atom_ps
    except ValueError:
        return {}
    return {"nve_drift_until_failure_meV_atom_ps": drift}


def _control(
    run: Callable[..., Trajectory], start: Atoms, settings: RunSettings, plan: Plan, drift: float
) -> dict[str, Any]:
    """Repeat the run from its start with half the time step."""
    half = Plan(
        n_steps=2 * plan.n_steps,
        timestep_fs=plan.timestep_fs / 2,
        temperature_K=plan.temperature_K,
        pressure_GPa=plan.pressure_GPa,
    )
    control = run(start, settings.dynamics(half), half)
    values: dict[str, Any] = {"control_end": control.end.value}
    if control.end is End.COMPLETED:
        fitted = line(control, len(start))
        values |= {
            "nve_drift_half_timestep_meV_atom_ps": fitted.drift_meV_atom_ps,
            "nve_fluctuation_half_timestep_meV_atom": fitted.rms_meV_atom,
            "nve_extrapolated_drift_meV_atom_ps": extrapolated_drift(
                drift, fitted.drift_meV_atom_ps
            ),
        }
    return values
