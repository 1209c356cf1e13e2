"""Reference sets of mixing energies: orderings of alloys, and the cells of their elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from evaluator.references.published import pymatgen_atoms, read_json


def solid_solutions(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """Orderings of bcc alloys of two elements with their mixing energies.

    ``files`` are the lists of strained cells of each element (as many as ``n_elements`` says), then
    those of the alloys. An element is its cell of lowest energy, with all others as ``cells_A``;
    mixing is counted from its energy per atom. ``every`` keeps each n-th ordering.
    """
    n_elements, every = options["n_elements"], int(options.get("every", 1))
    frames, energies = [], {}
    for file in files[:n_elements]:
        element, energy = _element(read_json(file))
        energies[element.get_chemical_symbols()[0]] = energy
        frames.append(element)
    n_published = 0
    for file in files[n_elements:]:
        entries = read_json(file)
        n_published += len(entries)
        name = file.name.partition("_")[0]
        frames += [
            _ordering(entries[i], f"{name}-{i:03d}", energies)
            for i in range(0, len(entries), every)
        ]
    return frames, {
        "energy_of_elements_eV_atom": {s: round(e, 8) for s, e in energies.items()},
        "n_not_taken": n_published - (len(frames) - n_elements),
    }


def _element(entries: Sequence[Mapping[str, Any]]) -> tuple[Atoms, float]:
    """The cell of lowest energy, which carries the others, and that energy per atom."""
    crystals = [pymatgen_atoms(entry["structure"]) for entry in entries]
    energies = [
        entry["outputs"]["energy"] / len(crystal)
        for entry, crystal in zip(entries, crystals, strict=True)
    ]
    lowest = int(np.argmin(energies))
    element = crystals[lowest]
    symbol = element.get_chemical_symbols()[0]
    cells = [crystal.cell.array.ravel() for i, crystal in enumerate(crystals) if i != lowest]
    element.info = {
        "system_id": f"element-{symbol}",
        "family": "element",
        "cells_A": np.round(cells, 8) + 0.0,
    }
    return element, float(energies[lowest])


def _ordering(entry: Mapping[str, Any], name: str, energies: Mapping[str, float]) -> Atoms:
    atoms = pymatgen_atoms(entry["structure"])
    symbols = atoms.get_chemical_symbols()
    mixing_eV = entry["outputs"]["energy"] - sum(energies[symbol] for symbol in symbols)
    atoms.info = {
        "system_id": name,
        "family": "-".join(sorted(set(symbols))),
        "mixing_energy_meV_atom": round(1000 * mixing_eV / len(atoms), 5) + 0.0,
    }
    return atoms
