"""From files as their authors publish them to frames of a reference set.

A frame is an ``Atoms`` with ``system_id`` and ``family`` in its info, scalar reference values
beside them, and energy (eV, total), forces (eV/Å) and stress (eV/Å³, ASE's order and sign) in a
single-point calculator.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.vasp import read_vasp
from ase.units import GPa

from evaluator.references.acwf import acwf_crystals
from evaluator.references.aimd import aimd_structure
from evaluator.references.alloys import solid_solutions
from evaluator.references.dynamics import md_systems
from evaluator.references.elasticity import elastic_moduli
from evaluator.references.measured_phonons import measured_gamma
from evaluator.references.molecules import s22
from evaluator.references.phonons import heat_capacities, phonondb
from evaluator.references.surfaces import surface_slabs
from evaluator.references.symmetric_crystals import symmetric_crystals
from evaluator.references.timing import timing_systems
from evaluator.references.vacancies import vacancies

#: The frames, and what is to be said of them (counts of what was left out and why).
Built = tuple[list[Atoms], dict[str, Any]]
Builder = Callable[[Sequence[Path], Mapping[str, Any]], Built]

#: Where ASE's xx yy zz yz xz xy stand in mlearn's virial_stress: xx yy zz xy xz yz, but xx yy zz xy
#: yz xz in lithium and in strained silicon and germanium. The files do not say so. It was found by
#: comparison with the stresses of EMT (Cu, Ni) and CHGNet (the others), kind by kind: in the wrong
#: order the two shears are off by as much as they are large, in the right one by a third or less.
_XZ_THEN_YZ, _YZ_THEN_XZ = [0, 1, 2, 5, 4, 3], [0, 1, 2, 4, 5, 3]


def elemental_crystals(files: Sequence[Path], options: Mapping[str, Any]) -> Built:
    """The crystals of the Δ project as ASE ships them, with one of its two columns of values.

    The cells are left as they are; the protocol scales them. Moments are dropped: no potential
    is told any.
    """
    from ase.collections import dcdft

    column = options["column"]
    frames, left_out = [], []
    for element in dcdft.names:
        data = dcdft.data[element]
        if f"{column}_B" not in data:
            left_out.append(element)
            continue
        crystal = dcdft[element]
        atoms = Atoms(crystal.numbers, crystal.positions, cell=crystal.cell, pbc=True)
        atoms.info = {
            "system_id": f"dcdft-{element}",
            "family": _block(int(atoms.numbers[0])),
            "volume_per_atom_A3": data[f"{column}_volume"],
            "bulk_modulus_GPa": data[f"{column}_B"],
            "bulk_modulus_derivative": data[f"{column}_Bp"],
        }
        frames.append(atoms)
    return frames, {"elements_without_values": left_out}


def _block(atomic_number: int) -> str:
    """Coarse chemical family, for a table by family."""
    noble, halogens = (2, 10, 18, 36, 54, 86), (1, 7, 8, 9, 17, 35, 53)
    if atomic_number in noble:
        return "noble gas"
    if atomic_number in halogens:
        return "molecular"
    if atomic_number in (3, 4, 11, 12, 19, 20, 37, 38, 55, 56):
        return "s metal"
    if 21 <= atomic_number <= 30 or 39 <= atomic_number <= 48 or 71 <= atomic_number <= 80:
        return "d metal"
    return "p element"


def mlearn(files: Sequence[Path], options: Mapping[str, Any]) -> Built:
    """One JSON list per element of mlearn, in the order of the files.

    ``virial_stress`` is minus the stress in kbar, so ASE's stress in GPa is a tenth of its
    negative. ``every`` keeps each n-th structure of each group of each element.
    """
    frames: list[Atoms] = []
    every, n_skipped = int(options.get("every", 1)), 0
    for file in files:
        seen: dict[str, int] = {}
        for index, entry in enumerate(json.loads(file.read_text(encoding="utf-8"))):
            group = entry["group"]
            seen[group] = seen.get(group, 0) + 1
            if (seen[group] - 1) % every:
                n_skipped += 1
                continue
            frames.append(_mlearn_frame(entry, file.stem, index))
    return frames, {"n_not_taken": n_skipped}


def _mlearn_frame(entry: Mapping[str, Any], split: str, index: int) -> Atoms:
    structure, outputs = entry["structure"], entry["outputs"]
    atoms = Atoms(
        symbols=[site["species"][0]["element"] for site in structure["sites"]],
        positions=[site["xyz"] for site in structure["sites"]],
        cell=structure["lattice"]["matrix"],
        pbc=True,
    )
    element = entry["element"]
    stress = -np.array(outputs["virial_stress"])[_mlearn_order(entry)] / 10 * GPa
    atoms.info = {
        "system_id": f"mlearn-{element}-{split}-{index:03d}",
        "family": f"{element} {_MLEARN_GROUPS[entry['group']]}",
    }
    return _with_results(atoms, outputs["energy"], np.array(outputs["forces"]), stress)


def _mlearn_order(entry: Mapping[str, Any]) -> list[int]:
    element, is_strained = entry["element"], entry["group"] == "Elastic"
    if element == "Li" or (element in ("Si", "Ge") and is_strained):
        return _YZ_THEN_XZ
    return _XZ_THEN_YZ


_MLEARN_GROUPS = {
    "AIMD-NVT": "molecular dynamics",
    "Vacancy": "vacancy",
    "Elastic": "strained",
    "Surface": "surface",
}


def mattersim(files: Sequence[Path], options: Mapping[str, Any]) -> Built:
    """Frames at high temperature and pressure, those beyond the stated bounds left out.

    ``max_force_eV_A`` and ``max_pressure_GPa`` (absolute) bound the reference; where ``n_frames``
    is given, that many are drawn by the hash of their identifier, so that the choice depends on
    nothing else.
    """
    frames = [atoms for file in files for atoms in ase.io.read(file, ":", format="extxyz")]
    kept, n_force, n_pressure = [], 0, 0
    for atoms in frames:
        largest = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
        pressure = -float(atoms.get_stress()[:3].mean()) / GPa
        if largest > options["max_force_eV_A"]:
            n_force += 1
        elif abs(pressure) > options["max_pressure_GPa"]:
            n_pressure += 1
        else:
            kept.append(_mattersim_frame(atoms, pressure))
    n_within = len(kept)
    if "n_frames" in options:
        kept.sort(key=lambda a: hashlib.sha256(a.info["system_id"].encode()).hexdigest())
        kept = sorted(kept[: options["n_frames"]], key=lambda a: str(a.info["system_id"]))
    return kept, {
        "n_frames_published": len(frames),
        "n_left_out_for_force": n_force,
        "n_left_out_for_pressure": n_pressure,
        "n_not_taken": n_within - len(kept),
    }


def _mattersim_frame(frame: Atoms, pressure: float) -> Atoms:
    atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=True)
    bounds = ((0, "tension"), (25, "0 to 25 GPa"), (50, "25 to 50 GPa"))
    family = next((name for bound, name in bounds if pressure < bound), "above 50 GPa")
    atoms.info = {"system_id": frame.info["internal_id"], "family": family}
    return _with_results(
        atoms, frame.get_potential_energy(), frame.get_forces(), frame.get_stress()
    )


def jarvis_mlearn(files: Sequence[Path], options: Mapping[str, Any]) -> Built:
    """All frames of mlearn as JARVIS re-packed them: energies and forces of each structure.

    The order of the published stresses differs from kind to kind of structure, and the re-packed
    file does not tell the kinds apart: stresses are left out.
    """
    (file,) = files
    with zipfile.ZipFile(file) as archive:
        entries = json.loads(archive.read("mlearn.json"))
    frames = []
    for entry in entries:
        published = entry["atoms"]
        coordinates = "positions" if published["cartesian"] else "scaled_positions"
        atoms = Atoms(
            symbols=published["elements"],
            cell=published["lattice_mat"],
            pbc=True,
            **{coordinates: published["coords"]},
        )
        element = published["elements"][0]
        atoms.info = {"system_id": f"jarvis-mlearn-{entry['jid']}", "family": element}
        frames.append(_with_results(atoms, entry["energy"], np.array(entry["forces"])))
    return frames, {"stresses": "left out"}


def silicon_rare_events(files: Sequence[Path], options: Mapping[str, Any]) -> Built:
    """Silicon with a migrating vacancy or interstitial, its migrating atoms marked.

    ``files`` holds, for each of the ``families``, the authors' DATA.json and their archive of
    structures. An atom at distance zero from the nearest migrating atom is one itself. Forces and
    energies are those of the densest k-mesh.
    """
    families = options["families"]
    frames: list[Atoms] = []
    for family, data_file, archive_file in zip(families, files[::2], files[1::2], strict=True):
        data = json.loads(data_file.read_text(encoding="utf-8"))
        energies, forces = data["Energies"]["DFT_K4"], data["Forces"]["DFT_K4"]
        with zipfile.ZipFile(archive_file) as archive:
            for index, distances in enumerate(data["r"]):
                text = io.StringIO(archive.read(f"{index}.POSCAR.vasp").decode())
                poscar = read_vasp(text)
                atoms = Atoms(poscar.numbers, poscar.positions, cell=poscar.cell, pbc=True)
                atoms.info = {"system_id": f"si-{family}-{index:03d}", "family": family}
                atoms.set_array("migrating", np.array(distances) == 0)
                frames.append(_with_results(atoms, energies[index], np.array(forces[index])))
    n_migrating = sum(int(atoms.arrays["migrating"].sum()) for atoms in frames)
    return frames, {"n_migrating_atoms": n_migrating}


def _with_results(
    atoms: Atoms,
    energy: float,
    forces: Any,  # noqa: ANN401
    stress: Any = None,  # noqa: ANN401
) -> Atoms:
    """Attach the reference; stress is rounded so that the file's bytes are the same everywhere."""
    known = {} if stress is None else {"stress": np.round(stress, 10)}
    atoms.calc = SinglePointCalculator(atoms, energy=float(energy), forces=forces, **known)
    return atoms


BUILDERS: dict[str, Builder] = {
    "elemental_crystals": elemental_crystals,
    "mlearn": mlearn,
    "mattersim": mattersim,
    "phonondb": phonondb,
    "heat_capacities": heat_capacities,
    "measured_gamma": measured_gamma,
    "jarvis_mlearn": jarvis_mlearn,
    "silicon_rare_events": silicon_rare_events,
    "md_systems": md_systems,
    "aimd_structure": aimd_structure,
    "timing_systems": timing_systems,
    "symmetric_crystals": symmetric_crystals,
    "solid_solutions": solid_solutions,
    "surface_slabs": surface_slabs,
    "s22": s22,
    "elastic_moduli": elastic_moduli,
    "vacancies": vacancies,
    "acwf_crystals": acwf_crystals,
}
