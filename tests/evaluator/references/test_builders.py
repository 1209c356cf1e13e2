import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from evaluator.protocols.base import UnsuitableReference
from evaluator.references import sets
from evaluator.references.builders import jarvis_mlearn, silicon_rare_events

POSCAR = "Si2\n1.0\n3 0 0\n0 3 0\n0 0 3\nSi\n2\ndirect\n0 0 0 Si\n0.5 0.5 {z} Si\n"


def write_rare_events(folder: Path) -> list[Path]:
    """Two snapshots of two atoms as the authors publish them; names sort otherwise than numbers."""
    forces = [[[0.0, 0.0, float(i)], [1.0, 0.0, 0.0]] for i in range(2)]
    data: dict[str, Any] = {
        "Energies": {"DFT_K4": [-1.0, -2.0], "DFT_K2": [5.0, 5.0]},
        "Forces": {"DFT_K4": forces, "DFT_K2": [[[9.0, 9.0, 9.0]] * 2] * 2},
        "r": [[0.0, 2.3], [5.5, 5.5]],
    }
    (folder / "DATA.json").write_text(json.dumps(data), encoding="utf-8")
    with zipfile.ZipFile(folder / "structure_poscars.zip", "w") as archive:
        for i in (1, 0):
            archive.writestr(f"{i}.POSCAR.vasp", POSCAR.format(z=0.5 + 0.1 * i))
    return [folder / "DATA.json", folder / "structure_poscars.zip"]


def test_snapshots_carry_their_own_forces_and_marks(tmp_path: Path) -> None:
    frames, metadata = silicon_rare_events(write_rare_events(tmp_path), {"families": ["vacancy"]})
    path = tmp_path / "set.extxyz"
    path.write_bytes(sets.canonical_bytes(frames))
    first, second = sets.read(path)

    assert metadata == {"n_migrating_atoms": 1}
    assert (first.id, second.id) == ("si-vacancy-000", "si-vacancy-001")
    assert first.family == "vacancy"
    assert first.reference["energy"] == -1.0
    assert first.reference["migrating"].tolist() == [True, False]
    assert second.reference["migrating"].tolist() == [False, False]
    assert second.reference["forces"].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert second.atoms.positions[1] == pytest.approx([1.5, 1.5, 1.8])
    assert not first.atoms.has("migrating")


def test_families_need_their_own_files(tmp_path: Path) -> None:
    files = write_rare_events(tmp_path)
    with pytest.raises(ValueError, match="zip"):
        silicon_rare_events(files, {"families": ["vacancy", "interstitial"]})


@pytest.mark.parametrize("is_cartesian", [True, False])
def test_frames_of_jarvis_are_read_in_both_kinds_of_coordinates(
    tmp_path: Path, is_cartesian: bool
) -> None:
    copper = bulk("Cu", cubic=True)
    coordinates = copper.positions if is_cartesian else copper.get_scaled_positions()
    entry = {
        "jid": "Cu-7",
        "energy": -3.0,
        "forces": [[0.1, 0.0, 0.0]] * 4,
        "stresses": [1.0] * 6,
        "atoms": {
            "elements": ["Cu"] * 4,
            "lattice_mat": copper.cell.tolist(),
            "coords": coordinates.tolist(),
            "cartesian": is_cartesian,
        },
    }
    path = tmp_path / "mlearn.json.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mlearn.json", json.dumps([entry]))

    (frame,), metadata = jarvis_mlearn([path], {})

    assert metadata == {"stresses": "left out"}
    assert frame.info == {"system_id": "jarvis-mlearn-Cu-7", "family": "Cu"}
    assert frame.positions == pytest.approx(copper.positions, abs=1e-12)
    assert frame.pbc.all()
    assert frame.get_potential_energy() == -3.0
    assert frame.get_forces() == pytest.approx(np.array([[0.1, 0, 0]] * 4))
    assert "stress" not in frame.calc.results


def test_marks_that_are_numbers_are_unsuitable(tmp_path: Path) -> None:
    path = tmp_path / "set.extxyz"
    path.write_text(
        '1\nProperties=species:S:1:pos:R:3:migrating:R:1 system_id=a pbc="F F F"\nSi 0 0 0 nan\n',
        encoding="utf-8",
    )
    with pytest.raises(UnsuitableReference, match="migrating must be true or false"):
        sets.read(path)
