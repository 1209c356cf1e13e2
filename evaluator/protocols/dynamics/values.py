"""From a trajectory to the numbers of a record; names with units, as in the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms

from evaluator.arrays import FloatArray
from evaluator.metrics.dynamics import EnergyLine, energy_line, temperature_relative_error
from evaluator.metrics.structure import RadialDistribution, block_error, rdf_error
from evaluator.protocols.base import Outcome, System, material
from evaluator.protocols.dynamics.recorder import TRAJECTORY_FILE, Records, trajectory_file
from evaluator.protocols.dynamics.trajectory import End, Plan, Trajectory

#: Share of a run that is left out of lines and means.
WARM_UP = 0.2
_AMU_PER_A3_IN_G_PER_CM3 = 1.66053907


def outcome_of(
    trajectory: Trajectory, system: System, plan: Plan, more: dict[str, Any] | None = None
) -> Outcome:
    """The record of a trajectory, and its file to download."""
    values = _values(trajectory, system, plan) | (more or {})
    snapshots = trajectory.records.snapshots
    return Outcome(values=values, files={TRAJECTORY_FILE: trajectory_file(system.atoms, snapshots)})


def never_started(before: Trajectory, system: System, plan: Plan) -> Outcome:
    """Values of a run that ended in its equilibration: it survived for no time."""
    more: dict[str, Any] = {"survived_ps": 0.0, "survived_share": 0.0}
    if before.failure is not None:
        more["failure_message"] = (
            f"It left physics in the equilibration, after {before.survived_ps:.3f} ps. Seen first: "
            f"{before.failure.message}"
        )
    return outcome_of(before, system, plan, more)


def _values(trajectory: Trajectory, system: System, plan: Plan) -> dict[str, Any]:
    failure, records = trajectory.failure, trajectory.records
    values: dict[str, Any] = {
        "formula": material(system.atoms),
        "end": trajectory.end.value,
        "survived_ps": round(trajectory.survived_ps, 6),
        "survived_share": min(1.0, trajectory.survived_ps / plan.duration_ps),
        "failure_reason": failure.reason.value if failure else "",
        "failure_message": _failure_message(trajectory),
        "min_distance_ratio": round(trajectory.least_distance_ratio, 4),
        "max_temperature_K": _hottest(records),
        "timestep_fs": plan.timestep_fs,
        **records.series,
    }
    if trajectory.is_seen:
        values |= _density(records, system.atoms) | _pressure(records)
    return values


def _failure_message(trajectory: Trajectory) -> str:
    """The time, which is the measurement, and then the description of what was seen."""
    if trajectory.failure is None:
        return ""
    return (
        f"It left physics after {trajectory.survived_ps:.3f} ps. Seen first: "
        f"{trajectory.failure.message}"
    )


def _hottest(records: Records) -> float:
    """The hottest of all steps, that of the failure included where it had a temperature."""
    last = records.series["series_temperature_K"][-1]
    seen = float(records.temperatures_K.max())
    return round(seen if last is None else max(seen, last), 1)


def _density(records: Records, atoms: Atoms) -> dict[str, Any]:
    mass = _AMU_PER_A3_IN_G_PER_CM3 * float(atoms.get_masses().sum())
    densities = mass / records.volumes_A3[_after_warm_up(records.times_ps)]
    values: dict[str, Any] = {"density_g_cm3": float(mass / np.mean(mass / densities))}
    if np.ptp(densities) > 0:
        values |= _error("density_error_g_cm3", densities)
    return values


def _pressure(records: Records) -> dict[str, Any]:
    times = records.pressure_times_ps
    if not len(times):
        return {}
    pressures_GPa = records.pressures_GPa[_after_warm_up(times)]
    values: dict[str, Any] = {
        "pressure_mean_GPa": float(pressures_GPa.mean()),
        "pressure_sd_GPa": float(pressures_GPa.std()),
    }
    return values | _error("pressure_error_GPa", pressures_GPa)


def _error(name: str, values: FloatArray) -> dict[str, Any]:
    error = block_error(values)
    return {name: error} if np.isfinite(error) else {}


def _after_warm_up(times_ps: FloatArray) -> slice:
    return slice(int(np.searchsorted(times_ps, WARM_UP * times_ps[-1])), None)


def bath(trajectory: Trajectory) -> dict[str, Any]:
    """Whether the temperature followed its target."""
    if trajectory.end is not End.COMPLETED:
        return {}
    records = trajectory.records
    error = temperature_relative_error(records.temperatures_K, records.targets_K, warm_up=WARM_UP)
    return {"temperature_error_percent": error}


def line(trajectory: Trajectory, n_atoms: int) -> EnergyLine:
    """The line through the conserved energy."""
    records = trajectory.records
    return energy_line(records.times_ps, records.total_energies, n_atoms, warm_up=WARM_UP)


class Structure:
    """g(r) of a run beside the reference's, gathered after the warm-up."""

    def __init__(self, system: System) -> None:
        self._reference: FloatArray = np.asarray(system.reference["rdf"], dtype=float)
        self._r_max = float(system.reference["rdf_max_A"])
        self._noise = float(system.reference["rdf_noise_percent"])
        self._found = RadialDistribution(
            system.atoms.cell.array, len(system.atoms), len(self._reference), self._r_max
        )

    def observe(self, atoms: Atoms, share_done: float) -> None:
        if share_done > WARM_UP:
            self._found.add(atoms.positions)

    def values(self) -> dict[str, Any]:
        """Empty where nothing was gathered."""
        if self._found.n_frames == 0:
            return {}
        g = self._found.g()
        return {
            "rdf_error_percent": rdf_error(g, self._reference),
            "rdf_noise_percent": self._noise,
            "rdf_max_A": self._r_max,
            "rdf": rounded(g),
        }


def rounded(g: FloatArray) -> Sequence[float]:
    """Rounded values for plots."""
    return [round(float(value), 3) for value in g]
