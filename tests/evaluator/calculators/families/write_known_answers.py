"""Writes a runtime's known answers, as the package's own calculator gives them.

``python -m tests.evaluator.calculators.families.write_known_answers NAME ...``; the runtime must be
built. What is asked stands in ``QUESTIONS``.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.build import bulk

from evaluator.runtimes.definitions import definition_of
from tests.evaluator.calculators.adapters import silicon, water
from tests.evaluator.calculators.families.asking import made, own_answers, runtime_of, weights

_SEVENNET = "sevenn:pretrained_potentials"
#: By runtime: the artifact, its settings, and the precision that it is asked in.
QUESTIONS: dict[str, list[tuple[Any, dict[str, str], str]]] = {
    "sevennet": [
        (f"{_SEVENNET}/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth", {}, "float32"),
        (f"{_SEVENNET}/SevenNet_MF_0/checkpoint_sevennet_mf_0.pth", {"modal": "PBE"}, "float32"),
        (f"{_SEVENNET}/SevenNet_MF_0/checkpoint_sevennet_mf_0.pth", {"modal": "R2SCAN"}, "float32"),
    ],
    "xtb": [({"method": "GFN2-xTB"}, {}, "float64")],
    "orb": [("orb_conservative.pt", {}, "float64")],
    "mattersim": [("mattersim.pth", {}, "float32")],
    # What made.py leaves beside the package, which is eight times as large.
    "nequip": [("nequip.ckpt", {}, "float64")],
    "nequix": [("nequix.nqx", {}, "float32")],
    "grace": [("grace.zip", {}, "float64")],
    "diep": [("diep:pretrained_models/diep_fold1/", {}, "float32")],
    "metatomic": [("metatomic.pt", {"variant": "doubled"}, "float64")],
}


def main(names: list[str]) -> None:
    for name in names:
        answers = [_answered(name, *question) for question in QUESTIONS[name]]
        path = definition_of(name).known_answers_file
        path.write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
        print(path)


def _answered(name: str, artifact: Any, settings: dict[str, str], dtype: str) -> dict[str, Any]:
    atoms = {"xtb": water(), "nequip": bulk("Cu", cubic=True)}.get(name, silicon())
    if name == "nequip":
        atoms.rattle(0.05, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = _path_of(name, artifact, Path(folder))
        [own] = own_answers(name, path, [atoms], **settings)
    return {
        "kind": name,
        "artifact": artifact,
        "settings": settings,
        "dtype": dtype,
        "structure": _described(atoms),
        "energy_eV_per_atom": own["energy"] / len(atoms),
        "forces_eV_per_A": own["forces"],
    }


def _path_of(name: str, artifact: Any, folder: Path) -> Path:
    """The artifact's file; small random ones are made and kept beside the answers."""
    if isinstance(artifact, dict):
        path = folder / "artifact.json"
        path.write_text(json.dumps(artifact))
        return path
    package, colon, inside = artifact.partition(":")
    if colon:
        return weights(name, f"{package}/{inside}")
    path = definition_of(name).folder / artifact
    if name == "grace":  # its own calculator reads the folder that the zip is of
        model = made(name, name, folder, "")
        shutil.copy(model.with_suffix(".zip"), path)
        return model
    if not path.exists():
        runtime_of(name)
        made(name, path.name.partition(".")[0], path.parent, "." + path.name.partition(".")[2])
    return path


def _described(atoms: Atoms) -> dict[str, Any]:
    return {
        "numbers": atoms.numbers.tolist(),
        "positions_A": atoms.positions.tolist(),
        "cell_A": atoms.cell.array.tolist(),
        "pbc": atoms.pbc.tolist(),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
