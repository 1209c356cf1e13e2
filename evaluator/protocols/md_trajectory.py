"""One trajectory: steps, what was recorded on the way, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from ase import Atoms, units

from evaluator.metrics.dynamics import kinetic_temperature
from evaluator.protocols.base import FloatArray, SystemFailure
from evaluator.protocols.md_failures import Failure, FailureReason, State, Watch
from evaluator.protocols.md_integrators import Dynamics

#: Points of the series that a record keeps for plots.
_N_POINTS = 120


class End(StrEnum):
    """How a trajectory ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    #: The wall-clock limit of the task came first: nobody knows what would have been.
    CENSORED = "censored"


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """From one value to another over a trajectory, linearly."""

    start: float
    end: float

    def at(self, share: float) -> float:
        return self.start + (self.end - self.start) * share


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a trajectory is to be."""

    n_steps: int
    timestep_fs: float
    temperature_K: Ramp
    pressure_GPa: Ramp = Ramp(start=0.0, end=0.0)
    records_pressure: bool = False

    @property
    def duration_ps(self) -> float:
        return self.n_steps * self.timestep_fs / 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """What was found. Arrays have a frame for the start and each step done, n_frames in all."""

    end: End
    failure: Failure | None
    survived_ps: float
    times_ps: FloatArray
    #: Potential plus kinetic energy in eV.
    total_energies: FloatArray
    temperatures_K: FloatArray
    targets_K: FloatArray
    #: Thinned, for plots: lists of numbers by name with unit.
    series: dict[str, list[float]]


class _Recorder:
    def __init__(self, plan: Plan, atoms: Atoms) -> None:
        self._plan, self._atoms = plan, atoms
        self._every = max(1, -(-plan.n_steps // _N_POINTS))
        self.frames: list[tuple[float, float, float, float]] = []
        self.series: dict[str, list[float]] = {
            "series_time_ps": [],
            "series_temperature_K": [],
            "series_energy_meV_atom": [],
            "series_distance_ratio": [],
            "series_volume_A3_atom": [],
        }
        if plan.records_pressure:
            self.series["series_pressure_GPa"] = []
        self._start_energy: float | None = None

    def add(self, step: int, state: State, watch: Watch) -> None:
        time_ps = step * self._plan.timestep_fs / 1000
        kinetic = float(self._atoms.get_kinetic_energy())
        total = state.potential_energy + kinetic
        self.frames.append((time_ps, total, state.temperature_K, state.target_K))
        if self._start_energy is None:
            self._start_energy = state.potential_energy
        if step % self._every and step != self._plan.n_steps:
            return
        n_atoms = len(self._atoms)
        change = 1000 * (state.potential_energy - self._start_energy) / n_atoms
        series = self.series
        series["series_time_ps"].append(round(time_ps, 5))
        series["series_temperature_K"].append(round(state.temperature_K, 1))
        series["series_energy_meV_atom"].append(round(change, 2))
        series["series_distance_ratio"].append(round(watch.distance_ratio, 3))
        series["series_volume_A3_atom"].append(round(self._atoms.get_volume() / n_atoms, 3))
        if self._plan.records_pressure:
            pressure = -float(self._atoms.get_stress(include_ideal_gas=True)[:3].mean())
            series["series_pressure_GPa"].append(round(pressure / units.GPa, 3))


def run_trajectory(
    atoms: Atoms,
    make_dynamics: Callable[[Atoms], Dynamics],
    plan: Plan,
    make_watch: Callable[[], Watch],
    deadline: float,
) -> Trajectory:
    """Run until the plan is done, physics fails, or ``time.monotonic()`` reaches the deadline.

    The atoms carry their calculator and velocities, and move. Raises SystemFailure when the
    calculator gives nothing for the start; a calculator that fails later ends the trajectory.
    """
    watch = make_watch()
    recorder = _Recorder(plan, atoms)
    first = _state(atoms, plan, 0)
    _check_start(atoms, first)
    dynamics = make_dynamics(atoms)
    failure = watch.look(atoms, first, 0)
    recorder.add(0, first, watch)

    step, is_censored = 0, False
    while failure is None and step < plan.n_steps:
        if time.monotonic() >= deadline:
            is_censored = True
            break
        failure = _advance(dynamics, plan, step)
        step += 1
        if failure is None:
            state = _state(atoms, plan, step)
            failure = watch.look(atoms, state, step)
        if failure is None:
            recorder.add(step, state, watch)
    return _finish(recorder, step, plan, failure, is_censored)


def _advance(dynamics: Dynamics, plan: Plan, step: int) -> Failure | None:
    share = (step + 1) / plan.n_steps
    dynamics.set_targets(plan.temperature_K.at(share), plan.pressure_GPa.at(share))
    try:
        # Numbers that overflow are looked at right after the step.
        with np.errstate(all="ignore"):
            dynamics.step()
    except SystemFailure as failed:
        # The potential gave no number for a structure to which it had led itself.
        return Failure(reason=FailureReason.NON_FINITE, message=str(failed))
    return None


def _state(atoms: Atoms, plan: Plan, step: int) -> State:
    with np.errstate(all="ignore"):
        kinetic = float(atoms.get_kinetic_energy())
        return State(
            potential_energy=float(atoms.get_potential_energy()),
            temperature_K=kinetic_temperature(kinetic, len(atoms)),
            target_K=plan.temperature_K.at(step / plan.n_steps),
        )


def _check_start(atoms: Atoms, first: State) -> None:
    if not np.isfinite(first.potential_energy) or not np.isfinite(atoms.get_forces()).all():
        raise SystemFailure("Energy or forces of the starting structure are not finite numbers.")


def _finish(
    recorder: _Recorder, step: int, plan: Plan, failure: Failure | None, is_censored: bool
) -> Trajectory:
    times, totals, temperatures, targets = np.array(recorder.frames, dtype=float).T
    end = End.FAILED if failure else End.CENSORED if is_censored else End.COMPLETED
    return Trajectory(
        end=end,
        failure=failure,
        survived_ps=step * plan.timestep_fs / 1000,
        times_ps=times,
        total_energies=totals,
        temperatures_K=temperatures,
        targets_K=targets,
        series=recorder.series,
    )
