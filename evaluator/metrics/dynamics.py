"""Quantities of molecular-dynamics trajectories.

Energies in eV, lengths in Å; times in ps and temperatures in K, as the names say. Arrays run over
frames, then atoms, then Cartesian axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from ase import units
from ase.data import covalent_radii
from numpy.typing import NDArray

from evaluator.arrays import FloatArray

#: ASE's unit of time, Å (amu/eV)^(1/2), in ps: 10.1805 fs.
TIME_UNIT_IN_PS = 1e-3 / units.fs

_MIN_FRAMES = 10
#: The cell itself and the cells around it, shape (27, 3).
_NEIGHBOURS = np.array(list(product((-1.0, 0.0, 1.0), repeat=3)))


@dataclass(frozen=True, kw_only=True)
class EnergyLine:
    """The straight line through a conserved energy per atom, and what is left around it."""

    drift_meV_atom_ps: float
    rms_meV_atom: float


def energy_line(
    times_ps: FloatArray, total_energies: FloatArray, n_atoms: int, *, warm_up: float = 0.2
) -> EnergyLine:
    """Least-squares line through E(t) after the first share ``warm_up`` of the time.

    The oscillation of velocity Verlet, of order dt², is bounded and averages out: the slope is the
    secular drift, the root mean square around the line the fluctuation.

    Parameters
    ----------
    times_ps
        Time of each frame in ps, shape (n_frames,), strictly increasing.
    total_energies
        Kinetic plus potential energy in eV, shape (n_frames,).

    Raises
    ------
    ValueError
        For fewer than ten frames after the warm-up, times that do not increase, or numbers that
        are not finite.
    """
    if times_ps.shape != total_energies.shape or (np.diff(times_ps) <= 0).any():
        raise ValueError("frames need one energy each and strictly increasing times")
    if not np.isfinite(total_energies).all():
        raise ValueError("energies must be finite")
    is_fitted = times_ps >= times_ps[0] + warm_up * (times_ps[-1] - times_ps[0])
    if is_fitted.sum() < _MIN_FRAMES:
        raise ValueError(f"{int(is_fitted.sum())} frames are too few for a line")
    # Relative to their means: total energies are large numbers that differ in their last digits.
    t = times_ps[is_fitted] - times_ps[is_fitted].mean()
    e = 1000 * (total_energies[is_fitted] - total_energies[is_fitted].mean()) / n_atoms
    slope = float(t @ e / (t @ t))
    return EnergyLine(
        drift_meV_atom_ps=slope, rms_meV_atom=float(np.sqrt(np.mean((e - slope * t) ** 2)))
    )


def extrapolated_drift(drift: float, drift_half_timestep: float) -> float:
    """The drift left at a vanishing time step: what the integrator adds falls with its square."""
    return (4 * drift_half_timestep - drift) / 3


def kinetic_temperature(kinetic_energy: float, n_atoms: int) -> float:
    """The temperature in K of ``n_atoms`` whose centre of mass is at rest.

    They have 3n - 3 free motions.
    """
    return 2 * kinetic_energy / ((3 * n_atoms - 3) * units.kB)


def nearby_distances(positions: FloatArray, cell: FloatArray) -> tuple[FloatArray, float]:
    """Distances in Å between different atoms, shape (n, n), and the radius up to which they hold.

    ``cell`` has shape (3, 3) and is periodic in all directions. A vector shorter than half the
    cell's least height, the radius, has fractions below one half, so that rounding them finds it;
    what is longer may have a shorter image. An atom's distance to itself is infinite.
    """
    inverse = np.linalg.inv(cell)
    fractions = positions @ inverse
    fractions = fractions[:, None] - fractions[None, :]
    fractions -= np.rint(fractions)
    vectors = fractions @ cell
    distances = np.sqrt(np.einsum("ijk,ijk->ij", vectors, vectors))
    np.fill_diagonal(distances, np.inf)
    return distances, float(0.5 / np.linalg.norm(inverse, axis=0).max())


def distances(positions: FloatArray, cell: FloatArray) -> FloatArray:
    """Shortest distances in Å between different atoms under periodic images, shape (n, n).

    ``cell`` has shape (3, 3) and is periodic in all directions; an atom's distance to itself is
    infinite (its own images are not looked at).
    """
    fractions = positions @ np.linalg.inv(cell)
    shortest = []
    # A few rows at a time: the 27 images of all pairs of a large cell would not fit in a cache.
    n_parts = -(-(len(positions) ** 2) // 4096)
    for rows in np.array_split(fractions, min(n_parts, len(positions))):
        between = rows[:, None] - fractions[None, :]
        between -= np.rint(between)
        vectors = (between[:, :, None] + _NEIGHBOURS) @ cell
        shortest.append(np.einsum("ijkl,ijkl->ijk", vectors, vectors).min(axis=-1))
    shortest_distances: FloatArray = np.sqrt(np.concatenate(shortest))
    np.fill_diagonal(shortest_distances, np.inf)
    return shortest_distances


def distance_ratios(all_distances: FloatArray, numbers: NDArray[np.int64]) -> FloatArray:
    """Distances over the sums of the covalent radii (Cordero et al., doi:10.1039/b801115j)."""
    radii = covalent_radii[numbers]
    return np.asarray(all_distances / (radii[:, None] + radii[None, :]))


def lindemann_ratio(
    fractions: FloatArray, start_fractions: FloatArray, cell: FloatArray, nearest: float
) -> float:
    """Root-mean-square displacement from the start over the distance of nearest neighbours.

    ``fractions`` are not wrapped, shape (n_atoms, 3); a common displacement is taken off.
    """
    moved = fractions - start_fractions
    moved = (moved - moved.mean(axis=0)) @ cell
    return float(np.sqrt(np.mean(np.sum(moved**2, axis=1))) / nearest)


def temperature_relative_error(
    temperatures_K: FloatArray, targets_K: FloatArray, *, warm_up: float = 0.2
) -> float:
    """100 abs(<T / T target> - 1) over the frames after the first share ``warm_up``, in percent."""
    first = int(warm_up * len(temperatures_K))
    return float(100 * abs(np.mean(temperatures_K[first:] / targets_K[first:]) - 1))
