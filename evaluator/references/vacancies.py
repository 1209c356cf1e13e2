"""Reference sets of vacancies in metals."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, reference_states

#: Sites of the supercells: 3 x 3 x 3 cubes of fcc, and 4 x 4 x 3 cells of hcp.
_SUPERCELLS = {
    "fcc": 3 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]),
    "hcp": np.diag([4, 4, 3]),
}


def vacancies(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """Metals with the formation energy of a vacancy, from the tables of Angsten et al.

    ``files`` are the tables of fcc and of hcp, ``fcc`` and ``hcp`` the rows that are taken; Ni_mag
    is that of nickel with spin. The tables give the volume alone: hcp starts at the ratio of its
    axes that was measured, as ASE has it.
    """
    frames, n_published = [], 0
    for structure, file in zip(("fcc", "hcp"), files, strict=True):
        with file.open(encoding="utf-8", newline="") as table:
            rows = {row["symbol"]: row for row in csv.DictReader(table)}
        n_published += len(rows)
        frames += [_frame(rows[name], structure) for name in options[structure]]
    return frames, {"n_not_taken": n_published - len(frames)}


def _frame(row: Mapping[str, str], structure: str) -> Atoms:
    symbol = row["symbol"].partition("_")[0]
    volume_A3 = float(row["volume_per_atom"])
    if structure == "fcc":
        crystal = bulk(symbol, "fcc", a=(4 * volume_A3) ** (1 / 3))
    else:
        measured: Any = reference_states[atomic_numbers[symbol]]
        ratio = measured["c/a"]
        a = (4 * volume_A3 / (np.sqrt(3) * ratio)) ** (1 / 3)
        crystal = bulk(symbol, "hcp", a=a, c=ratio * a)
    atoms = Atoms(
        crystal.numbers,
        np.round(crystal.positions, 8) + 0.0,
        cell=np.round(crystal.cell.array, 8) + 0.0,
        pbc=True,
    )
    atoms.info = {
        "system_id": f"{structure}-{symbol}",
        "family": structure,
        "vacancy_formation_eV": float(row["e_vacform"]),
        "volume_per_atom_A3": volume_A3,
        "supercell_matrix": _SUPERCELLS[structure],
    }
    return atoms
