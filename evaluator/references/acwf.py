"""Reference sets of equations of state of elements and oxides in simple structures (ACWF)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import GPa

from evaluator.references.published import read_json

_FCC = ((0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0))
_BCC = ((-0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.5, 0.5, -0.5))
_CUBIC = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

_Places = tuple[tuple[float, float, float], ...]
_ORIGIN: _Places = ((0.0, 0.0, 0.0),)
_QUARTERS: _Places = ((0.25, 0.25, 0.25), (0.75, 0.75, 0.75))
_EDGES: _Places = ((0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5))
_FACES: _Places = ((0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5))
_ODD: _Places = ((0.25, 0.25, 0.75), (0.25, 0.75, 0.25), (0.75, 0.25, 0.25), (0.75, 0.75, 0.75))
_EVEN: _Places = ((0.75, 0.75, 0.25), (0.75, 0.25, 0.75), (0.25, 0.75, 0.75), (0.25, 0.25, 0.25))

#: By the project's name: family, lattice, fractional places of the element X and of oxygen.
#: Symmetry fixes them all, so that a crystal is its structure and its volume.
_STRUCTURES: dict[str, tuple[str, Any, _Places, _Places]] = {
    "X/FCC": ("fcc", _FCC, _ORIGIN, ()),
    "X/BCC": ("bcc", _BCC, _ORIGIN, ()),
    "X/SC": ("simple cubic", _CUBIC, _ORIGIN, ()),
    "X/Diamond": ("diamond", _FCC, (*_ORIGIN, _QUARTERS[0]), ()),
    "XO": ("XO, rocksalt", _FCC, _ORIGIN, ((0.5, 0.5, 0.5),)),
    "X2O": ("X2O, antifluorite", _FCC, _QUARTERS, _ORIGIN),
    "XO2": ("XO2, fluorite", _FCC, _ORIGIN, _QUARTERS),
    "XO3": ("XO3, cubic", _CUBIC, _ORIGIN, _EDGES),
    "X2O3": ("X2O3, cubic", _CUBIC, _EVEN, (*_EDGES, *_FACES)),
    "X2O5": (
        "X2O5, cubic",
        _CUBIC,
        (*_ORIGIN, *_FACES),
        (*_EDGES, (0.5, 0.5, 0.5), *_EVEN[:3], *_ODD[:3]),
    ),
}


def acwf_crystals(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """Crystals with their all-electron equation of state, from the table of fits of ACWF.

    ``elements`` names the elements whose crystals are taken.
    """
    (file,) = files
    table = read_json(file)
    fits, n_cell_atoms = table["BM_fit_data"], table["num_atoms_in_sim_cell"]
    frames = []
    for name, fit in fits.items():
        element, structure = name.split("-", 1)
        if element in options["elements"] and fit is not None:
            frames.append(_frame(element, structure, fit, n_cell_atoms[name]))
    frames.sort(key=lambda atoms: str(atoms.info["system_id"]))
    return frames, {"n_not_taken": len(fits) - len(frames)}


def _frame(element: str, structure: str, fit: Mapping[str, float], n_atoms: int) -> Atoms:
    family, lattice, of_element, of_oxygen = _STRUCTURES[structure]
    if len(of_element) + len(of_oxygen) != n_atoms:
        raise ValueError(f"the fit of {element}-{structure} is of {n_atoms} atoms in its cell")
    edge_A = (fit["min_volume"] / abs(np.linalg.det(lattice))) ** (1 / 3)
    atoms = Atoms(
        [element] * len(of_element) + ["O"] * len(of_oxygen),
        scaled_positions=[*of_element, *of_oxygen],
        cell=np.round(edge_A * np.array(lattice), 8) + 0.0,
        pbc=True,
    )
    atoms.info = {
        "system_id": f"{element}-{structure.removeprefix('X/')}",
        "family": family,
        "volume_per_atom_A3": round(fit["min_volume"] / n_atoms, 8),
        "bulk_modulus_GPa": round(fit["bulk_modulus_ev_ang3"] / GPa, 6),
        "bulk_modulus_derivative": round(fit["bulk_deriv"], 6),
    }
    return atoms
