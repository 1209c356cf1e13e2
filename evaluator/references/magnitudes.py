"""Doubts about an energy that is off by the factor between two units, whatever else is known.

Where near structures tell (``differences.py``), they tell best. Without them three things are left:
structures of one cell that lie further apart, whose changes of energy and works of the forces are
alike in size if not in detail; total energies of all electrons, which are known for every element;
and energies of one composition, which differ by less than bonds hold.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise, product

import numpy as np
from ase import Atoms
from ase.units import Hartree
from numpy.typing import NDArray

from evaluator.references.checks import MAX_FORCE_EV_A
from evaluator.references.conventions import ENERGY_UNITS, FORCE_UNITS, Convention

_FARTHEST_A = 1.5
_LEAST_PAIRS, _MOST_PAIRS = 5, 1000
_LEAST_CHANGE_eV = 1e-3
#: Changes and works of pairs that are far apart agree within this factor; beyond the second one
#: another unit must be meant.
_ALIKE, _OFF = 3.0, 8.0
#: Total energies of all electrons, by the formula, are known to a few per cent.
_AS_KNOWN = 0.04
#: Half of all bonds of an atom hold less, in eV.
_LARGEST_SPREAD_eV = 4.0
#: What an atom of a solid or a molecule has where energies are told against free atoms, in eV.
_BOND_eV = (0.3, 12.0)


def magnitude_doubts(
    frames: Sequence[Atoms], convention: Convention, *, forces_are_judged: bool
) -> list[str]:
    """At most one sentence; ``forces_are_judged`` where near structures have told already."""
    known = [frame for frame in frames if "energy" in frame.calc.results]
    if not known:
        return []
    sentence = "" if forces_are_judged else _against_forces(known, convention)
    sentence = sentence or _against_all_electrons(known, convention)
    sentence = sentence or _within_compositions(known, convention)
    sentence = sentence or _as_bonds_have(known, convention)
    sentence = sentence or _beside_large_forces(known, convention)
    return [sentence] if sentence else []


def _against_forces(frames: Sequence[Atoms], convention: Convention) -> str:
    """Compare how far energies change with how far the forces say they do, in size alone."""
    pairs = list(_far_pairs(frames))
    if len(pairs) < _LEAST_PAIRS:
        return ""
    changes = np.array([second.calc.results["energy"] - first.calc.results["energy"]
                        for first, second, _ in pairs])  # fmt: skip
    works = np.array([_work(*pair) for pair in pairs])
    n_atoms = np.array([len(first) for first, _, _ in pairs])
    is_told = (np.abs(changes) > _LEAST_CHANGE_eV) & (np.abs(works) > 1e-9)
    if is_told.sum() < _LEAST_PAIRS:
        return ""
    changes, works, n_atoms = changes[is_told], works[is_told], n_atoms[is_told]
    ratio = _ratio(changes, works)
    if 1 / _OFF < ratio < _OFF:
        return ""
    fitting = [
        (words, other)
        for words, energies, forces in _other_units(convention, n_atoms)
        if 1 / _ALIKE < (other := _ratio(changes * energies, works * forces)) < _ALIKE
    ]
    if not fitting:
        return ""
    n_changes = min(words.count("_unit") for words, _ in fitting)
    best = [(w, r) for w, r in fitting if w.count("_unit") == n_changes]
    advice = " or ".join(words for words, _ in sorted(best, key=lambda x: abs(np.log(x[1])))[:2])
    how = f"{ratio:.3g} times as far" if ratio > 1 else f"{1 / ratio:.3g} times less far"
    return (
        f"Energies change {how} as the forces say, over {len(changes)} pairs of structures of one "
        f"cell: energies are declared in {convention.energy_unit}, forces in "
        f"{convention.force_unit}. {advice} would fit."
    )


def _far_pairs(frames: Sequence[Atoms]) -> Iterator[tuple[Atoms, Atoms, NDArray[np.float64]]]:
    """Structures of the same atoms and cell that follow each other, with the steps between them."""
    groups: dict[Hashable, list[Atoms]] = {}
    for frame in frames:
        if "forces" in frame.calc.results:
            kind = (frame.numbers.tobytes(), frame.pbc.tobytes(), _rounded_cell(frame))
            groups.setdefault(kind, []).append(frame)
    n_left = _MOST_PAIRS
    for group in groups.values():
        for first, second in pairwise(group):
            steps = second.positions - first.positions
            if first.pbc.any():
                cell = first.cell.complete().array
                parts = np.linalg.solve(cell.T, steps.T).T
                steps = (parts - np.where(first.pbc, np.rint(parts), 0)) @ cell
            steps = steps - steps.mean(axis=0)
            if np.linalg.norm(steps, axis=1).max() <= _FARTHEST_A and n_left > 0:
                n_left -= 1
                yield first, second, steps


def _rounded_cell(frame: Atoms) -> bytes:
    return (np.rint(frame.cell.array / 1e-4) + 0.0).tobytes() if frame.pbc.any() else b""


def _work(first: Atoms, second: Atoms, steps: NDArray[np.float64]) -> float:
    forces = (first.calc.results["forces"] + second.calc.results["forces"]) / 2
    return -float((forces * steps).sum())


def _ratio(changes: NDArray[np.float64], works: NDArray[np.float64]) -> float:
    """How large the one is beside the other, whatever a few pairs say."""
    return float(np.median(np.abs(changes)) / np.median(np.abs(works)))


def _other_units(
    convention: Convention, n_atoms: NDArray[np.int64]
) -> Iterator[tuple[str, NDArray[np.float64], float]]:
    """Each other choice in words, and what it would multiply energies and forces by."""
    for energy_unit, force_unit in product(ENERGY_UNITS, FORCE_UNITS):
        words = [f"energy_unit {energy_unit}"] * (energy_unit != convention.energy_unit)
        words += [f"force_unit {force_unit}"] * (force_unit != convention.force_unit)
        if words:
            scale = _scale(convention.energy_unit, energy_unit, n_atoms)
            forces = FORCE_UNITS[force_unit] / FORCE_UNITS[convention.force_unit]
            yield " with ".join(words), scale, forces


def _scale(unit: str, other: str, n_atoms: NDArray[np.int64]) -> NDArray[np.float64]:
    """What an energy in eV is to be multiplied by where the other unit is the true one."""
    per_atom = float(other.endswith("/atom")) - float(unit.endswith("/atom"))
    return np.asarray(ENERGY_UNITS[other] / ENERGY_UNITS[unit] * n_atoms**per_atom)


def _against_all_electrons(frames: Sequence[Atoms], convention: Convention) -> str:
    """Find totals of all electrons in another unit than the one that was declared."""
    energies = np.array([frame.calc.results["energy"] for frame in frames])
    n_atoms = np.array([len(frame) for frame in frames])
    totals = np.array([all_electron_energy(frame.numbers) for frame in frames])
    if _are_alike(energies, totals):
        return ""
    for unit in ENERGY_UNITS:
        scaled = energies * _scale(convention.energy_unit, unit, n_atoms)
        if unit != convention.energy_unit and _are_alike(scaled, totals):
            return (
                f"{frames[0].info['system_id']}: {energies[0] / n_atoms[0]:.6g} eV/atom "
                f"{_declared(convention.energy_unit)}. The electrons of these atoms have "
                f"{totals[0] / n_atoms[0]:.6g} eV/atom in all: energy_unit {unit} would fit."
            )
    return ""


def all_electron_energy(numbers: NDArray[np.int64]) -> float:
    """Total energy of free atoms in eV, by the expansion of the Thomas-Fermi model in Z^(1/3).

    Hartree-Fock energies of atoms from carbon on lie within one per cent of it.
    """
    Z = np.asarray(numbers, dtype=float)
    per_atom = 0.768745 * Z ** (7 / 3) - 0.5 * Z**2 + 0.269900 * Z ** (5 / 3)
    return -float(per_atom.sum()) * Hartree


def _are_alike(energies: NDArray[np.float64], totals: NDArray[np.float64]) -> bool:
    ratios = energies / totals
    return bool(abs(np.median(ratios) - 1) < _AS_KNOWN and np.ptp(ratios) < 4 * _AS_KNOWN)


def _within_compositions(frames: Sequence[Atoms], convention: Convention) -> str:
    """Say where structures of one composition differ by more than bonds hold."""
    bound = [frame for frame in frames if len(frame) > 1]
    by_composition: dict[Hashable, list[float]] = {}
    for frame in bound:
        counts = np.bincount(frame.numbers, minlength=119)
        shares = counts // np.gcd.reduce(counts)
        energy = frame.calc.results["energy"] / len(frame)
        by_composition.setdefault(shares.tobytes(), []).append(energy)
    rests = [np.abs(np.array(e) - np.median(e)) for e in by_composition.values() if len(e) > 2]
    if not rests or (typical := float(np.median(np.concatenate(rests)))) < _LARGEST_SPREAD_eV:
        return ""
    return (
        f"Half of the structures differ from others of their composition by {typical:.3g} eV/atom "
        f"or more {_declared(convention.energy_unit)}: bonds hold less. Is that the file's unit?"
    )


def _as_bonds_have(frames: Sequence[Atoms], convention: Convention) -> str:
    """Numbers of Ha that would be, as eV, what most codes give of whole solids and molecules."""
    if convention.energy_unit != "Ha":
        return ""
    per_atom = np.array([frame.calc.results["energy"] / len(frame) for frame in frames])
    if _are_alike(per_atom, np.array([_all_electrons_per_atom(frame) for frame in frames])):
        return ""
    least, most = _BOND_eV
    given = -per_atom / Hartree
    if not (least <= given.min() and given.max() <= most):
        return ""
    return (
        f"{frames[0].info['system_id']}: {per_atom[0]:.4g} eV/atom after conversion from Ha. The "
        f"same number in eV, {-given[0]:.4g}, would be what bonds hold; is that the file's unit?"
    )


def _beside_large_forces(frames: Sequence[Atoms], convention: Convention) -> str:
    """Where forces are too large in the unit that was declared, energies may share the fault."""
    forces = [frame.calc.results["forces"] for frame in frames if "forces" in frame.calc.results]
    if convention.energy_unit == "eV" or convention.force_unit == "eV/Å" or not forces:
        return ""
    largest = max(float(np.linalg.norm(of_one, axis=1).max()) for of_one in forces)
    if largest <= MAX_FORCE_EV_A:
        return ""
    per_atom = [frame.calc.results["energy"] / len(frame) for frame in frames]
    return (
        f"Energies are {min(per_atom):.4g} to {max(per_atom):.4g} eV/atom after conversion from "
        f"{convention.energy_unit}, beside forces of up to {largest:.4g} eV/Å: are they in eV, as "
        "those would be in eV/Å?"
    )


def _all_electrons_per_atom(frame: Atoms) -> float:
    return all_electron_energy(frame.numbers) / len(frame)


def _declared(unit: str) -> str:
    return "as declared in eV" if unit == "eV" else f"after conversion from {unit}"
