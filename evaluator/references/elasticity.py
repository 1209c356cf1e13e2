"""Reference sets of elastic moduli."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms

from evaluator.references.phonons import anion_family
from evaluator.references.published import pymatgen_atoms, read_json


def elastic_moduli(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """Binaries with the moduli of their polycrystals, from the list of MatCalc-Benchmark.

    Where ``max_atoms`` is given, larger cells are left out; where ``n_crystals`` is, so many are
    drawn by the hash of their identifier. Entries with a modulus that is not positive are left out.
    """
    (file,) = files
    entries = read_json(file)
    frames = [
        _frame(entry)
        for entry in entries
        if entry["bulk_modulus_vrh"] > 0 and entry["shear_modulus_vrh"] > 0
    ]
    n_positive = len(frames)
    most = options.get("max_atoms", float("inf"))
    frames = [frame for frame in frames if len(frame) <= most]
    n_small = len(frames)
    if "n_crystals" in options:
        frames.sort(key=lambda a: hashlib.sha256(a.info["system_id"].encode()).hexdigest())
        frames = frames[: options["n_crystals"]]
    frames.sort(key=lambda atoms: str(atoms.info["system_id"]))
    return frames, {
        "n_published": len(entries),
        "n_without_positive_moduli": len(entries) - n_positive,
        "n_larger_cells": n_positive - n_small,
        "n_not_taken": n_small - len(frames),
    }


def _frame(entry: Mapping[str, Any]) -> Atoms:
    atoms = pymatgen_atoms(entry["structure"])
    atoms.info = {
        "system_id": f"{entry['mp_id']}-{entry['formula']}",
        "family": anion_family(set(atoms.get_chemical_symbols())),
        "bulk_modulus_vrh_GPa": entry["bulk_modulus_vrh"],
        "shear_modulus_vrh_GPa": entry["shear_modulus_vrh"],
    }
    return atoms
