"""What a reference set holds, and what looks wrong in it: units, signs, overlapping atoms.

Problems are sentences for an administrator; they do not stop him, since far-from-equilibrium sets
may hold what looks odd.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import minkowski_reduce
from ase.neighborlist import neighbor_list
from ase.units import GPa

from evaluator.protocols.base import System
from evaluator.references.conventions import Convention

#: Energies in eV, forces in eV/Å, stress in eV/Å³: as a canonical file has them.
CANONICAL = Convention()
MAX_FORCE_EV_A = 100.0
MAX_STRESS_GPA = 1000.0
#: The published sets farthest from equilibrium reach 1,165 GPa; their medians are 20 and 31 GPa.
TYPICAL_STRESS_GPA = 60.0
_LEAST_STRESSES = 3
MAX_ENERGY_PER_ATOM_EV = 100_000.0
MIN_DISTANCE_A = 0.5
MAX_NET_FORCE_EV_A = 0.1
#: A crystal at equilibrium is not so far from where it is looked for.
_VOLUME_RATIO = 1.6
#: The stretch of H2 has 132 THz.
_MAX_OMEGA_THZ = 140.0
#: Fractions of a cell this large would be atoms in one corner.
_LEAST_EDGE_A = 2.0
#: Times the sum of covalent radii: nothing is bonded so closely.
_CLOSE_BOND = 0.8
#: Volume of an atom beyond which neighbours are looked for, and where the nearest must be.
_GAS_A3 = 100.0
_GAS_A = 6.0
#: Above this, pairs are looked for by neighbourhood, not all with all.
_MANY_ATOMS = 300
#: At most this many sentences of one kind; the rest is counted.
_MAX_OF_A_KIND = 3


@dataclass(frozen=True, kw_only=True)
class ReferenceSummary:
    """What a file holds, and what looks wrong in it without making it unreadable."""

    n_systems: int
    n_atoms: int
    #: Number of structures that hold each element.
    elements: dict[str, int]
    #: Number of structures that carry each reference property.
    properties: dict[str, int]
    #: Number of structures of each family.
    families: dict[str, int]
    problems: tuple[str, ...]


def summarise(systems: Sequence[System], convention: Convention = CANONICAL) -> ReferenceSummary:
    """Count what there is and look at every number.

    Doubts about units speak of those that were declared, which the ``convention`` tells.
    """
    elements = Counter(e for s in systems for e in set(s.atoms.get_chemical_symbols()))
    properties = Counter(name for s in systems for name in s.reference)
    by_kind: dict[str, list[str]] = {}
    for system in systems:
        for kind, sentence in _problems(system, convention):
            by_kind.setdefault(kind, []).append(f"{system.id}: {sentence}")
    return ReferenceSummary(
        n_systems=len(systems),
        n_atoms=sum(len(s.atoms) for s in systems),
        elements=dict(sorted(elements.items())),
        properties=dict(sorted(properties.items())),
        families=dict(sorted(Counter(s.family for s in systems).items())),
        problems=(
            *(s for sentences in by_kind.values() for s in _capped(sentences)),
            *_typical_stress(systems, convention),
        ),
    )


def _capped(sentences: list[str]) -> list[str]:
    rest = len(sentences) - _MAX_OF_A_KIND
    return [*sentences[:_MAX_OF_A_KIND], *([f"and {rest} more alike."] if rest > 0 else [])]


def _problems(system: System, convention: Convention) -> list[tuple[str, str]]:
    problems: list[tuple[str, str]] = []
    n_atoms, reference = len(system.atoms), system.reference
    shortest = shortest_distance(system.atoms, MIN_DISTANCE_A)
    if shortest is not None:
        problems.append(("distance", f"two atoms are {shortest:.2f} Å apart."))
    if _are_fractions(system.atoms):
        problems.append(("fractions", "all positions lie within 1 Å; are they fractions?"))
    if system.atoms.pbc.all() and system.atoms.get_volume() / n_atoms > _GAS_A3:
        nearest = shortest_distance(system.atoms, _GAS_A)
        if nearest is None:
            problems.append(("gas", f"no two atoms are within {_GAS_A:g} Å: is it a crystal?"))
    problems += _sizes(system)
    if "energy" in reference and abs(reference["energy"]) / n_atoms > MAX_ENERGY_PER_ATOM_EV:
        how = _as_declared(convention.energy_unit, "eV")
        problems.append(("energy", f"{reference['energy'] / n_atoms:g} eV/atom {how}"))
    if "forces" in reference:
        problems += _force_problems(reference["forces"], n_atoms, convention.force_unit)
    if "stress" in reference:
        largest = float(np.abs(reference["stress"]).max()) / GPa
        if largest > MAX_STRESS_GPA:
            how = _as_declared(convention.stress_unit, "eV/Å³")
            problems.append(("stress", f"a stress of {_short(largest)} GPa {how}"))
        if not system.atoms.pbc.all():
            problems.append(("pbc", "has a stress, but is not periodic in three directions."))
    return problems


def _sizes(system: System) -> list[tuple[str, str]]:
    """Volumes and frequencies that other units or other cells would explain."""
    problems = []
    volume = system.reference.get("volume_per_atom_A3")
    if isinstance(volume, float) and system.atoms.pbc.all():
        own = system.atoms.get_volume() / len(system.atoms)
        if not own / _VOLUME_RATIO < volume < own * _VOLUME_RATIO:
            sentence = f"volume_per_atom_A3 is {volume:.4g}, and the cell has {own:.4g} Å³ an atom."
            problems.append(("volume", sentence))
    highest = system.reference.get("omega_max_THz")
    if isinstance(highest, float) and highest > _MAX_OMEGA_THZ:
        problems.append(
            ("omega", f"omega_max_THz is {highest:.4g}: is it in cm⁻¹? Divide by 33.36.")
        )
    return problems


def _short(number: float) -> str:
    return f"{number:.4g}" if number < 1e4 else f"{number:.0f}"


def _as_declared(unit: str, canonical: str) -> str:
    """Which unit was declared for a number that is told in ours, and the question about it."""
    told = f"as declared in {unit}" if unit == canonical else f"after conversion from {unit}"
    return f"{told}; is that the file's unit?"


def _typical_stress(systems: Sequence[System], convention: Convention) -> list[str]:
    """One sentence where half of the set is under more stress than sets from hot, dense matter."""
    known = [system.reference["stress"] for system in systems if "stress" in system.reference]
    largest = [float(np.abs(stress).max()) / GPa for stress in known]
    if len(largest) < _LEAST_STRESSES or (median := float(np.median(largest))) < TYPICAL_STRESS_GPA:
        return []
    sentence = (
        f"Half of the structures are under a stress of {median:.3g} GPa or more "
        f"{_as_declared(convention.stress_unit, 'eV/Å³')[:-1]}, or is it a virial (virial in eV)?"
    )
    return [sentence]


def _are_fractions(atoms: Atoms) -> bool:
    """Whether positions of a crystal look like fractions of its cell. Molecules of H may be so."""
    if len(atoms) < 2 or not atoms.pbc.all() or (atoms.numbers == 1).all():
        return False
    is_within = bool((atoms.positions >= 0).all() and (atoms.positions <= 1).all())
    if not is_within or (atoms.cell.lengths() <= _LEAST_EDGE_A).any():
        return False
    # Small primitive cells have all atoms within 1 Å of the corner, at honest distances.
    closest_A = _CLOSE_BOND * 2 * float(covalent_radii[atoms.numbers].min())
    return shortest_distance(atoms, closest_A) is not None


def shortest_distance(atoms: Atoms, below_A: float) -> float | None:
    """The shortest distance of two atoms (images included) in Å; None unless below ``below_A``."""
    heights = np.where(atoms.pbc, _heights(atoms), np.inf)
    if len(atoms) > _MANY_ATOMS or (heights <= 2 * below_A).any():
        return _shortest_by_neighbourhood(atoms, below_A)
    # A vector shorter than half of every height is the nearest image: all pairs at once.
    i, j = np.triu_indices(len(atoms), k=1)
    vectors = atoms.positions[j] - atoms.positions[i]
    if atoms.pbc.any() and len(vectors):
        cell = atoms.cell.complete()
        vectors = vectors - np.where(atoms.pbc, np.rint(cell.scaled_positions(vectors)), 0) @ cell
    lengths = np.linalg.norm(vectors, axis=1)
    return float(lengths.min()) if len(lengths) and lengths.min() < below_A else None


def _shortest_by_neighbourhood(atoms: Atoms, below_A: float) -> float | None:
    """As ``shortest_distance``, in the lattice's reduced cell: a skewed one has images without end.

    In a reduced cell no lattice vector is shorter than the shortest edge.
    """
    reduced = atoms.copy()
    if atoms.pbc.any():
        reduced.set_cell(minkowski_reduce(atoms.cell, atoms.pbc)[0])
        shortest_edge = float(reduced.cell.lengths()[atoms.pbc].min())
        if shortest_edge < below_A:
            return shortest_edge
    distances = neighbor_list("d", reduced, below_A)
    return float(distances.min()) if len(distances) else None


def _heights(atoms: Atoms) -> np.ndarray:
    """Distances of opposite faces of the cell, in Å, shape (3,)."""
    return np.asarray(1 / np.linalg.norm(atoms.cell.complete().reciprocal(), axis=1))


def _force_problems(forces: np.ndarray, n_atoms: int, unit: str) -> list[tuple[str, str]]:
    if forces.shape != (n_atoms, 3):
        return [("shape", f"forces of shape {forces.shape} for {n_atoms} atoms.")]
    problems = []
    largest = float(np.linalg.norm(forces, axis=1).max())
    if largest > MAX_FORCE_EV_A:
        how = _as_declared(unit, "eV/Å")
        problems.append(("force", f"a force of {_short(largest)} eV/Å {how}"))
    net = float(np.linalg.norm(forces.sum(axis=0)))
    if net > MAX_NET_FORCE_EV_A:
        problems.append(("net", f"the forces sum to {net:.2f} eV/Å, not to zero."))
    return problems
