"""Reference sets of phonons: harmonic modes of crystals on a mesh of q-points.

A frame is the primitive cell, with ``frequencies_THz`` on ``qpoints`` (fractional, of that cell)
with ``qpoint_weights``, the ``supercell_matrix`` (phonopy's convention, of that cell) and the
scalar numbers made of the modes, in its info. Where only the heat capacity was published, it
stands alone.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from evaluator.arrays import FloatArray
from evaluator.protocols.phonons.protocol import mode_numbers

_STRUCTURES = {225: "rocksalt", 216: "zincblende", 186: "wurtzite"}


def phonondb(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """The binaries of PhononDB that the conductivity benchmark k_SRME uses, without NAC.

    ``files`` are its structures (extxyz) and its table of modes (json.gz). ``compounds`` keeps
    those named, as "ZnO wurtzite"; ``cubic_cells`` and ``hexagonal_cells`` replace the reference's
    own supercells, in conventional cells along each axis.
    """
    structures, table_file = files
    with gzip.open(table_file, "rt", encoding="utf-8") as table:
        columns = json.load(table)
    modes = {
        mp_id: {name: columns[name][i] for name in ("frequencies", "qpoints", "weights")}
        for i, mp_id in columns["mp_id"].items()
    }
    frames = []
    published = ase.io.read(structures, ":", format="extxyz")
    for crystal in published:
        structure = _STRUCTURES[int(crystal.info["symm.no"])]
        name = f"{crystal.info['name']} {structure}"
        if "compounds" in options and name not in options["compounds"]:
            continue
        frames.append(_frame(crystal, structure, modes[str(crystal.info["mp_id"])], options))
    if "compounds" in options and len(frames) != len(options["compounds"]):
        raise ValueError(f"{len(options['compounds'])} compounds named, {len(frames)} found")
    frames.sort(key=lambda atoms: str(atoms.info["system_id"]))
    return frames, {"n_not_taken": len(published) - len(frames)}


def heat_capacities(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """Binaries with their harmonic heat capacity at 300 K alone, per mole of atoms.

    ``files`` is the list of MatCalc-Benchmark (json.gz). Where ``max_atoms`` is given, larger cells
    are left out; where ``n_crystals`` is, so many are drawn by the hash of their identifier.
    """
    (file,) = files
    with gzip.open(file, "rt", encoding="utf-8") as table:
        entries = json.load(table)
    most = options.get("max_atoms", float("inf"))
    frames = [_binary(e) for e in entries if len(e["structure"]["sites"]) <= most]
    n_small = len(frames)
    if "n_crystals" in options:
        frames.sort(key=lambda a: hashlib.sha256(a.info["system_id"].encode()).hexdigest())
        frames = frames[: options["n_crystals"]]
    frames.sort(key=lambda atoms: str(atoms.info["system_id"]))
    return frames, {
        "n_published": len(entries),
        "n_larger_cells": len(entries) - n_small,
        "n_not_taken": n_small - len(frames),
    }


def _binary(entry: Mapping[str, Any]) -> Atoms:
    structure = entry["structure"]
    sites = structure["sites"]
    atoms = Atoms(
        [site["species"][0]["element"] for site in sites],
        scaled_positions=[site["abc"] for site in sites],
        cell=structure["lattice"]["matrix"],
        pbc=True,
    )
    atoms.info = {
        "system_id": f"alexandria-{entry['mp_id']}-{entry['formula']}",
        "family": anion_family(set(atoms.get_chemical_symbols())),
        "heat_capacity_J_K_mol": round(entry["heat_capacity"] / len(atoms), 6),
    }
    return atoms


#: The first that a compound has an element of names its family.
_ANIONS = (
    ("fluoride", {"F"}),
    ("oxide", {"O"}),
    ("halide", {"Cl", "Br", "I"}),
    ("chalcogenide", {"S", "Se", "Te"}),
    ("pnictide", {"N", "P", "As", "Sb", "Bi"}),
    ("hydride", {"H"}),
    ("boride, carbide, silicide", {"B", "C", "Si", "Ge"}),
)


def anion_family(elements: set[str]) -> str:
    return next((family for family, anions in _ANIONS if elements & anions), "intermetallic")


def _frame(
    crystal: Atoms, structure: str, modes: Mapping[str, Any], options: Mapping[str, Any]
) -> Atoms:
    frequencies: FloatArray = np.round(np.array(modes["frequencies"], dtype=float), 4) + 0.0
    qpoints: FloatArray = np.array(modes["qpoints"], dtype=float)
    weights: FloatArray = np.array(modes["weights"], dtype=float)
    is_gamma = np.abs(qpoints).max(axis=1) == 0
    n_cells = options.get("hexagonal_cells" if structure == "wurtzite" else "cubic_cells")
    supercell = np.asarray(crystal.info["fc2_supercell"] if n_cells is None else np.diag(n_cells))
    atoms, to_conventional = _primitive(crystal)
    numbers = mode_numbers(frequencies, weights, float(frequencies[is_gamma].max()))
    atoms.info = {
        "system_id": f"phonondb-{crystal.info['name']}-{structure}",
        "family": structure,
        **{key: round(float(value), 6) + 0.0 for key, value in numbers.items()},
        "supercell_matrix": to_conventional @ supercell,
        "qpoints": qpoints,
        "qpoint_weights": weights.astype(int),
        "frequencies_THz": frequencies,
    }
    return atoms


def _primitive(crystal: Atoms) -> tuple[Atoms, np.ndarray]:
    """The primitive cell, and the matrix that makes the conventional cell of it."""
    if "primitive_matrix" not in crystal.info:  # wurtzite is given as it is
        bare = Atoms(crystal.numbers, crystal.positions, cell=crystal.cell, pbc=True)
        return bare, np.eye(3, dtype=int)
    matrix = np.asarray(crystal.info["primitive_matrix"], dtype=float)
    # Each element of rocksalt and zincblende occupies one face-centred lattice.
    first = [int(np.flatnonzero(crystal.numbers == z)[0]) for z in sorted(set(crystal.numbers))]
    atoms = Atoms(
        crystal.numbers[first],
        crystal.positions[first],
        cell=matrix.T @ crystal.cell.array,
        pbc=True,
    )
    return atoms, np.rint(np.linalg.inv(matrix)).astype(int)
