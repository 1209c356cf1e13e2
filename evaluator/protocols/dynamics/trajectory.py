"""One trajectory: steps, what was recorded on the way, and how it ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from evaluator.metrics.dynamics import kinetic_temperature
from evaluator.protocols.base import SystemFailure
from evaluator.protocols.dynamics.failures import Failure, FailureReason, State, Watch
from evaluator.protocols.dynamics.integrators import Dynamics
from evaluator.protocols.dynamics.recorder import Recorder, Records

#: Share of the asked time that must have been seen for a trajectory to be judged.
LEAST_SEEN = 0.9


class Deadline:
    """Comes so long after it was made, without the time that calls waited for those of others.

    ``calculator.waited_s()``, where there is one, tells that time.
    """

    def __init__(self, calculator: Calculator, limit_s: float) -> None:
        self._waited_s: Callable[[], float] = getattr(calculator, "waited_s", lambda: 0.0)
        self._ends_at = self._own_time() + limit_s

    def has_come(self) -> bool:
        return self._own_time() >= self._ends_at

    def _own_time(self) -> float:
        return time.monotonic() - self._waited_s()


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


#: Of a step at which the potential gave no number.
_UNSEEN = State(
    potential_energy=math.nan, kinetic_energy=math.nan, temperature_K=math.nan, target_K=math.nan
)
#: Called with the atoms and the share of the run that is done, at every sampled step.
Observe = Callable[[Atoms, float], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """How a run ended, and its records up to there."""

    end: End
    failure: Failure | None
    survived_ps: float
    #: Least distance ever looked at, over the sum of the covalent radii.
    least_distance_ratio: float
    records: Records
    #: Of the time that was asked for.
    seen_share: float = 1.0

    @property
    def is_seen(self) -> bool:
        """Whether enough of it was seen, all of it in physics, to be judged."""
        return self.end is not End.FAILED and self.seen_share >= LEAST_SEEN


def run_trajectory(
    atoms: Atoms,
    make_dynamics: Callable[[Atoms], Dynamics],
    plan: Plan,
    make_watch: Callable[[], Watch],
    deadline: Deadline,
    observe: Observe | None = None,
) -> Trajectory:
    """Run until the plan is done, physics fails, or the deadline has come.

    The atoms carry their calculator and velocities, and move. Raises SystemFailure when the
    calculator gives nothing for the start; a calculator that fails later ends the trajectory.
    """
    watch = make_watch()
    recorder = Recorder(
        atoms,
        n_steps=plan.n_steps,
        timestep_fs=plan.timestep_fs,
        records_pressure=plan.records_pressure,
    )
    first = _state(atoms, plan, 0)
    _check_start(atoms, first)
    dynamics = make_dynamics(atoms)
    failure = watch.look(atoms, first, 0)
    recorder.add(0, first, watch)

    step, is_censored, state = 0, False, first
    while failure is None and step < plan.n_steps:
        if deadline.has_come():
            is_censored = True
            break
        failure = _advance(dynamics, plan, step)
        step, state = step + 1, _UNSEEN
        if failure is None:
            state = _state(atoms, plan, step)
            failure = watch.look(atoms, state, step)
        if failure is None:
            recorder.add(step, state, watch)
            if observe is not None and recorder.is_sampled(step):
                observe(atoms, step / plan.n_steps)
    if failure is not None and step:
        recorder.add_failure(step, state, watch)
    return Trajectory(
        end=End.FAILED if failure else End.CENSORED if is_censored else End.COMPLETED,
        failure=failure,
        survived_ps=step * plan.timestep_fs / 1000,
        least_distance_ratio=watch.least_distance_ratio,
        records=recorder.records(),
        seen_share=step / plan.n_steps,
    )


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
            kinetic_energy=kinetic,
            temperature_K=kinetic_temperature(kinetic, len(atoms)),
            target_K=plan.temperature_K.at(step / plan.n_steps),
        )


def _check_start(atoms: Atoms, first: State) -> None:
    if not np.isfinite(first.potential_energy) or not np.isfinite(atoms.get_forces()).all():
        raise SystemFailure("Energy or forces of the starting structure are not finite numbers.")
