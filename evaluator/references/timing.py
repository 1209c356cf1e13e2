"""Structures for timing: materials whose neighbours lie differently dense.

Conventional cells from measured lattice constants, as in ``dynamics``; the protocol repeats them
to the sizes it asks for. Within 5 Å an atom has 86 others in diamond, 54 in water, 50 in Li3OCl, 42
in copper, 28 in silicon, 26 in rock salt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk

from evaluator.references.dynamics import STRUCTURES

_FAMILIES = {
    "C": "dense covalent",
    "Si": "covalent",
    "Cu": "metal",
    "NaCl": "ionic",
    "Li3OCl": "ionic conductor",
    "H2O": "molecular liquid",
}


def timing_systems(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """One conventional cell (a box of eight molecules, for water) of each of ``structures``."""
    frames = []
    for name in options["structures"]:
        atoms = _diamond() if name == "C" else STRUCTURES[name].build()
        # The file holds eight decimals: rounding first gives the same bytes on every machine.
        atoms.positions = np.round(atoms.positions, 6) + 0.0
        atoms.cell = np.round(atoms.cell.array, 6) + 0.0
        atoms.info = {"system_id": f"speed-{name}", "family": _FAMILIES[name]}
        frames.append(atoms)
    densities = {
        atoms.info["system_id"]: round(float(len(atoms) / atoms.get_volume()), 4)
        for atoms in frames
    }
    return frames, {"atoms_per_A3": densities}


def _diamond() -> Atoms:
    atoms: Atoms = bulk("C", "diamond", a=3.567, cubic=True)
    return atoms
