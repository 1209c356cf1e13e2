"""Crystals in which symmetry forbids every force: what any sane potential answers is known.

Each atom sits where the symmetry of the crystal leaves no direction for a force to point in. The
elements come from ASE's copy of the Δ project's crystals, at their PBE volumes; where those are
cubic, PBE's stress is zero as well. Compounds stand at rounded measured lattice constants, which
decide nothing: their stress is not compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

#: Cubic: forces and stress vanish.
_CUBIC = (
    "Ne Al Si Ar K Ca V Cr Mn Fe Ni Cu Ge Kr Rb Sr Nb Mo Rh Pd Ag Sn Xe Cs Ba Ta W Ir Pt Au Pb Po "
    "Rn"
)
#: Others whose atoms all sit on such sites: forces vanish.
_OTHERS = "He Be Mg S Sc Ti Co Zn Y Zr Tc Ru Cd In Lu Hf Re Os Hg Tl"

#: Formula, structure (ASE's name) and lattice constant in Å; they bring the elements that have no
#: such crystal of their own, and oblique cells.
_COMPOUNDS = (
    ("C", "diamond", 3.567),
    ("LiH", "rocksalt", 4.084),
    ("BN", "zincblende", 3.616),
    ("CaF2", "fluorite", 5.463),
    ("MgO", "rocksalt", 4.212),
    ("NaCl", "rocksalt", 5.640),
    ("AlP", "zincblende", 5.451),
    ("KBr", "rocksalt", 6.600),
    ("TiN", "rocksalt", 4.242),
    ("GaAs", "zincblende", 5.653),
    ("ZnSe", "zincblende", 5.668),
    ("InSb", "zincblende", 6.479),
    ("CdTe", "zincblende", 6.482),
    ("CsI", "cesiumchloride", 4.567),
    ("CeO2", "fluorite", 5.411),
    ("LaBi", "rocksalt", 6.578),
    ("UO2", "fluorite", 5.471),
)

#: Crystals that come repeated too, along each axis: 16 to 64 atoms.
_LARGE = {"Al": 2, "Si": 2, "MgO": 2, "NaCl": 3}


def symmetric_crystals(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """All of them, the small ones first."""
    from ase.collections import dcdft

    small = {
        **{element: (_bare(dcdft[element]), True) for element in _CUBIC.split()},
        **{element: (_bare(dcdft[element]), False) for element in _OTHERS.split()},
        **{formula: (bulk(formula, structure, a=a), False) for formula, structure, a in _COMPOUNDS},
    }
    frames = [
        _frame(name, atoms, has_stress=has_stress) for name, (atoms, has_stress) in small.items()
    ]
    for name, n in _LARGE.items():
        atoms, has_stress = small[name]
        repeated = atoms.repeat(n)
        frames.append(_frame(f"{name}-{len(repeated)}-atoms", repeated, has_stress=has_stress))
    return frames, {"n_crystals": len(small), "n_repeated": len(_LARGE)}


def _bare(atoms: Atoms) -> Atoms:
    """Atoms without moments, which no potential is told."""
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)


def _frame(name: str, atoms: Atoms, *, has_stress: bool) -> Atoms:
    frame = Atoms(
        atoms.numbers, np.round(atoms.positions, 8), cell=np.round(atoms.cell, 8), pbc=True
    )
    frame.info = {"system_id": name, "family": "repeated" if "-" in name else "crystal"}
    known = {"stress": np.zeros(6)} if has_stress else {}
    frame.calc = SinglePointCalculator(frame, forces=np.zeros((len(frame), 3)), **known)
    return frame
