"""Reference sets of surface energies, from slabs and crystals published as training data."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk

from evaluator.protocols.surface_energy import area_of
from evaluator.references.published import pymatgen_atoms, read_json


def surface_slabs(
    files: Sequence[Path], options: Mapping[str, Any]
) -> tuple[list[Atoms], dict[str, Any]]:
    """Slabs of elements with γ = (E - n e) / 2A, e the lowest energy per atom in all the files.

    ``slabs`` says of each file that holds some (by its place in ``files``) from which entry on, and
    of which facets. ``crystals`` tells structure and lattice constant (Å) of each element. A file
    that ends with .zip is JARVIS' list. ``facets``, where given, keeps those named, as "Cu-100".
    """
    energies = _lowest_energies(files)
    crystals = {
        symbol: bulk(symbol, structure, a=a)
        for symbol, (structure, a) in options["crystals"].items()
    }
    wanted = options.get("facets")
    frames, n_published = [], 0
    for place, first, facets in options["slabs"]:
        entries = read_json(files[place])
        for entry, facet in zip(entries[first:], facets, strict=False):
            slab = pymatgen_atoms(entry["structure"])
            symbol = slab.get_chemical_symbols()[0]
            name = f"{symbol}-{facet}"
            n_published += 1
            if wanted is None or name in wanted:
                excess = entry["outputs"]["energy"] - len(slab) * energies[symbol]
                frames.append(_frame(slab, name, excess, crystals[symbol]))
    if wanted is not None and len(frames) != len(wanted):
        raise ValueError(f"{len(wanted)} facets named, {len(frames)} found")
    frames.sort(key=lambda atoms: str(atoms.info["system_id"]))
    return frames, {
        "bulk_energies_eV_atom": {s: round(energies[s], 6) for s in sorted(crystals)},
        "n_not_taken": n_published - len(frames),
    }


def _frame(slab: Atoms, name: str, excess_eV: float, crystal: Atoms) -> Atoms:
    slab.info = {
        "system_id": name,
        "family": slab.get_chemical_symbols()[0],
        "surface_energy_eV_A2": round(excess_eV / (2 * area_of(slab)), 6),
        "bulk_cell_A": crystal.cell.array,
        "bulk_scaled_positions": np.round(crystal.get_scaled_positions(), 8) + 0.0,
        "bulk_numbers": crystal.numbers,
    }
    return slab


def _lowest_energies(files: Sequence[Path]) -> dict[str, float]:
    """The lowest energy per atom that the files hold of each element."""
    lowest: dict[str, float] = {}
    for symbol, energy in (pair for file in files for pair in _energies(file)):
        lowest[symbol] = min(energy, lowest.get(symbol, energy))
    return lowest


def _energies(file: Path) -> list[tuple[str, float]]:
    """Element and energy per atom of each entry of a file."""
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            entries = json.loads(archive.read("mlearn.json"))
        return [
            (e["atoms"]["elements"][0], e["energy"] / len(e["atoms"]["elements"])) for e in entries
        ]
    return [
        (sites[0]["species"][0]["element"], entry["outputs"]["energy"] / len(sites))
        for entry in read_json(file)
        for sites in (entry["structure"]["sites"],)
    ]
