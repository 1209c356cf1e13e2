"""What is kept of a trajectory: every step's energy, samples, series for plots, and snapshots.

Energies in eV, lengths in Å, volumes in Å³; other units stand in the names.
"""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase.io
import numpy as np
from ase import Atoms, units

from evaluator.arrays import FloatArray
from evaluator.protocols.dynamics.failures import State, Watch

#: Points of the series that a record keeps for plots, the first and the last beside them.
_N_POINTS = 58
#: Snapshots of a trajectory, and atoms in all of them together.
_N_SNAPSHOTS = 100
_N_SNAPSHOT_ATOMS = 20000
_MAX_FILE_BYTES = 1024**2
#: Time between two samples of pressure and structure: an atom's motion is correlated for longer.
_SAMPLING_FS = 10.0

TRAJECTORY_FILE = "trajectory.extxyz.gz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """One frame of the stored trajectory; what is not known is left out of ``info``."""

    positions: FloatArray
    cell: FloatArray
    info: dict[str, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Records:
    """Arrays have a frame for the start and each step done, n_frames in all, but for the samples.

    A step that ended in a failure stands in the series and the snapshots alone.
    """

    times_ps: FloatArray
    #: Potential plus kinetic energy in eV.
    total_energies: FloatArray
    temperatures_K: FloatArray
    targets_K: FloatArray
    volumes_A3: FloatArray
    #: At every sampled step, (n_samples,) each; empty where no pressure was asked for.
    pressure_times_ps: FloatArray
    pressures_GPa: FloatArray
    #: Thinned, for plots: lists of numbers (None where there is none) by name with unit.
    series: dict[str, list[float | None]]
    snapshots: list[Snapshot]


class Recorder:
    """Follows the atoms of one trajectory."""

    def __init__(
        self, atoms: Atoms, *, n_steps: int, timestep_fs: float, records_pressure: bool
    ) -> None:
        self._atoms, self._n_steps, self._timestep_fs = atoms, n_steps, timestep_fs
        self._records_pressure = records_pressure
        self._series_every = -(-n_steps // _N_POINTS)
        n_snapshots = min(_N_SNAPSHOTS, max(10, _N_SNAPSHOT_ATOMS // len(atoms)))
        self._snapshot_every = -(-n_steps // n_snapshots)
        self._sample_every = max(1, round(_SAMPLING_FS / timestep_fs))
        self._frames: list[tuple[float, float, float, float, float]] = []
        self._pressures: list[tuple[float, float]] = []
        self._points: list[dict[str, float | None]] = []
        self._snapshots: list[Snapshot] = []
        self._start_energy = math.nan

    def is_sampled(self, step: int) -> bool:
        return step % self._sample_every == 0

    def add(self, step: int, state: State, watch: Watch) -> None:
        """Record a step that physics has survived."""
        if step == 0:
            self._start_energy = state.potential_energy
        time_ps = step * self._timestep_fs / 1000
        total = state.potential_energy + state.kinetic_energy
        volume = float(self._atoms.get_volume())
        self._frames.append((time_ps, total, state.temperature_K, state.target_K, volume))

        is_last = step == self._n_steps
        is_point = is_last or step % self._series_every == 0
        is_snapshot = is_last or step % self._snapshot_every == 0
        is_sampled = self.is_sampled(step)
        pressure = None
        if self._records_pressure and (is_point or is_snapshot or is_sampled):
            stress = self._atoms.get_stress(include_ideal_gas=True)
            pressure = -float(stress[:3].mean()) / units.GPa
            if is_sampled:
                self._pressures.append((time_ps, pressure))
        if is_point:
            self._points.append(self._point(time_ps, state, watch, pressure))
        if is_snapshot:
            self._snapshots.append(self._snapshot(time_ps, state, watch, pressure))

    def add_failure(self, step: int, state: State, watch: Watch) -> None:
        """Record the step that ended in a failure, as far as it is numbers; asks for no force."""
        time_ps = step * self._timestep_fs / 1000
        self._points.append(self._point(time_ps, state, watch, None))
        if np.isfinite(self._atoms.positions).all() and np.isfinite(self._atoms.cell.array).all():
            self._snapshots.append(self._snapshot(time_ps, state, watch, None))

    def records(self) -> Records:
        times, totals, temperatures, targets, volumes = np.array(self._frames, dtype=float).T
        sampled = np.array(self._pressures, dtype=float).reshape(-1, 2)
        names = list(self._points[0])
        return Records(
            times_ps=times,
            total_energies=totals,
            temperatures_K=temperatures,
            targets_K=targets,
            volumes_A3=volumes,
            pressure_times_ps=sampled[:, 0],
            pressures_GPa=sampled[:, 1],
            series={name: [point[name] for point in self._points] for name in names},
            snapshots=self._snapshots,
        )

    def _point(
        self, time_ps: float, state: State, watch: Watch, pressure: float | None
    ) -> dict[str, float | None]:
        n_atoms = len(self._atoms)
        change = 1000 * (state.potential_energy - self._start_energy) / n_atoms
        kinetic = 1000 * state.kinetic_energy / n_atoms
        point = {
            "series_time_ps": _rounded(time_ps, 5),
            "series_temperature_K": _rounded(state.temperature_K, 1),
            "series_energy_meV_atom": _rounded(change, 2),
            "series_total_energy_meV_atom": _rounded(change + kinetic, 3),
            "series_distance_ratio": _rounded(watch.distance_ratio, 3),
            "series_volume_A3_atom": _rounded(self._atoms.get_volume() / n_atoms, 3),
        }
        if self._records_pressure:
            point["series_pressure_GPa"] = None if pressure is None else _rounded(pressure, 3)
        return point

    def _snapshot(
        self, time_ps: float, state: State, watch: Watch, pressure: float | None
    ) -> Snapshot:
        known = {
            "time_ps": time_ps,
            "temperature_K": state.temperature_K,
            "target_temperature_K": state.target_K,
            "potential_energy_eV": state.potential_energy,
            "kinetic_energy_eV": state.kinetic_energy,
            "min_distance_A": watch.distance_A,
            "pressure_GPa": math.nan if pressure is None else pressure,
        }
        return Snapshot(
            positions=np.array(self._atoms.positions),
            cell=np.array(self._atoms.cell.array),
            info={name: round(v, 6) for name, v in known.items() if math.isfinite(v)},
        )


def _rounded(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def trajectory_file(
    atoms: Atoms, snapshots: Sequence[Snapshot], max_bytes: int = _MAX_FILE_BYTES
) -> bytes:
    """A gzipped extxyz file of fewer bytes than that, the same for the same snapshots.

    Where it would be larger, every other snapshot is left out, but never the last.
    """
    frames = list(snapshots)
    while True:
        content = gzip.compress(_extxyz(atoms, frames), compresslevel=6, mtime=0)
        if len(content) < max_bytes or len(frames) == 1:
            return content
        frames = frames[::-2][::-1]


def _extxyz(atoms: Atoms, snapshots: Sequence[Snapshot]) -> bytes:
    text = io.StringIO()
    frames: list[Any] = []
    for snapshot in snapshots:
        # Five decimals are less than thermal motion by far, and compress well.
        positions = np.round(snapshot.positions, 5) + 0.0
        frame = Atoms(atoms.numbers, positions, cell=np.round(snapshot.cell, 6) + 0.0, pbc=True)
        frame.info = dict(snapshot.info)
        frames.append(frame)
    ase.io.write(text, frames, format="extxyz")
    return text.getvalue().encode()
