from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import GPa

from evaluator.calculators.base import Adapter, InvalidArtifact, LoadError, UnsupportedStructure
from evaluator.potentials.names import resolve
from tests.evaluator.calculators.adapters import (
    ask,
    assert_batch_changes_nothing,
    assert_forces_are_the_gradient,
    assert_turns_with_the_structure,
    loaded,
    mirror,
    quartz_like,
    silicon,
    water,
)

pytestmark = [
    pytest.mark.trained,
    pytest.mark.mirror,
    # 2026-11: the released weights are of an older version of the class; matgl loads them.
    pytest.mark.filterwarnings("ignore:Incompatible model version detected:UserWarning"),
]

MODELS = ("M3GNet-MP-2021.2.8-PES", "TensorNet-MatPES-PBE-v2025.1-PES")


def folder_of(model: str) -> Path:
    folder = mirror() / "potentials" / model
    if not folder.is_dir():
        pytest.skip(f"the mirror has no {model}")
    return folder


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_matgl_gives_the_numbers_of_its_own_calculator(
    model: str, dtype: str, tmp_path: Path
) -> None:
    import matgl
    from matgl.ext.ase import PESCalculator

    potential = matgl.load_model(folder_of(model))
    calculator = PESCalculator(potential, stress_unit="eV/A3")
    artifact = resolve(f"matgl:{folder_of(model)}", tmp_path).artifact
    # matgl's calculator reads older weights under the newer rule of message passing.
    adapter, info = loaded("matgl", artifact, dtype=dtype, message_passing="source")
    assert info.dtype == dtype
    for atoms in (silicon(), quartz_like()):
        atoms.calc = calculator
        prediction, n = ask(adapter, atoms), len(atoms)
        energy = float(atoms.get_potential_energy())
        assert prediction.energy / n == pytest.approx(energy / n, abs=1e-5)
        np.testing.assert_allclose(prediction.forces, atoms.get_forces(), atol=1e-4)
        stress = full_3x3_to_voigt_6_stress(calculator.results["stress"])
        np.testing.assert_allclose(prediction.stress, stress, atol=1e-5)


def shifted_rocksalt(formula: str, a: float) -> Atoms:
    atoms = bulk(formula, "rocksalt", a=a, cubic=True)
    atoms.positions[0] += (0.1, 0.05, -0.02)
    return atoms


def test_tensornet_of_before_matgl_2_2_gives_the_numbers_of_its_own_time(tmp_path: Path) -> None:
    """Energy and first force of matgl 2.1.2's own calculator, float32; matgl 4.1 gives -18 eV."""
    artifact = resolve(f"matgl:{folder_of(MODELS[1])}", tmp_path).artifact
    adapter, info = loaded("matgl", artifact)
    assert info.versions["message_passing"] == "destination"

    prediction = ask(adapter, shifted_rocksalt("MgO", 4.25))
    assert prediction.energy == pytest.approx(-46.904736, abs=1e-4)
    assert prediction.forces[0] == pytest.approx([-0.633839, -0.301516, 0.118919], abs=1e-4)
    prediction = ask(adapter, shifted_rocksalt("NaCl", 5.6))
    assert prediction.energy == pytest.approx(-26.820087, abs=1e-4)
    assert prediction.forces[1] == pytest.approx([0.098790, 0.005142, -0.002054], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_forces_on_compounds_follow_those_of_dft(model: str, tmp_path: Path) -> None:
    path = mirror() / "mattersim_benchmarks" / "mpf-TP.xyz"
    frames = [f for f in read(path, "::100") if len(f) < 30 and is_moderate(f)]
    assert len(frames) >= 4
    artifact = resolve(f"matgl:{folder_of(model)}", tmp_path).artifact

    told, _ = loaded("matgl", artifact)
    misread, _ = loaded("matgl", artifact, message_passing="source")

    assert cosine_with_dft(told, frames) > 0.9
    assert cosine_with_dft(misread, frames) < 0.8


def is_moderate(frame: Atoms) -> bool:
    pressure_GPa = -frame.get_stress()[:3].mean() / GPa
    return pressure_GPa < 100 and 0.5 < abs(frame.get_forces()).max() < 15


def cosine_with_dft(adapter: Adapter, frames: list[Atoms]) -> float:
    reference = np.concatenate([f.get_forces().ravel() for f in frames])
    predicted = np.concatenate([ask(adapter, f).forces.ravel() for f in frames])
    return float(predicted @ reference / np.linalg.norm(predicted) / np.linalg.norm(reference))


def test_m3gnet_that_does_not_tell_its_rule_is_asked_for_it(tmp_path: Path) -> None:
    folder = shutil.copytree(folder_of(MODELS[0]), tmp_path / "model")
    described = json.loads((folder / "model.json").read_text())
    described["kwargs"]["model"]["init_args"]["dropout"] = None
    (folder / "model.json").chmod(0o644)
    (folder / "model.json").write_text(json.dumps(described))
    artifact = resolve(f"matgl:{folder}", tmp_path).artifact

    with pytest.raises(LoadError, match='Set "message_passing" to "destination"'):
        loaded("matgl", artifact)
    _, info = loaded("matgl", artifact, message_passing="source")
    assert info.versions["message_passing"] == "source"


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_matgl_in_double_precision_is_invariant_and_conservative(
    model: str, tmp_path: Path
) -> None:
    adapter, _ = loaded("matgl", resolve(f"matgl:{folder_of(model)}", tmp_path).artifact)
    assert_turns_with_the_structure(adapter, silicon(), tolerance=1e-10)
    assert_forces_are_the_gradient(adapter, silicon(), tolerance=1e-5)
    assert_batch_changes_nothing(adapter, [silicon(), quartz_like()], tolerance=1e-10)


def test_matgl_judges_a_molecule_as_if_in_a_large_box(tmp_path: Path) -> None:
    adapter, _ = loaded("matgl", resolve(f"matgl:{folder_of(MODELS[0])}", tmp_path).artifact)
    boxed = water()
    boxed.center(vacuum=12.0)
    boxed.pbc = True
    assert ask(adapter, water()).energy == pytest.approx(ask(adapter, boxed).energy, abs=1e-9)


def test_matgl_refuses_an_element_it_does_not_know(tmp_path: Path) -> None:
    adapter, info = loaded("matgl", resolve(f"matgl:{folder_of(MODELS[0])}", tmp_path).artifact)
    assert (info.name, len(info.elements or ()), info.cutoff_A) == ("M3GNet", 89, 5.0)
    with pytest.raises(UnsupportedStructure, match="this MatGL model does not know Po"):
        ask(adapter, bulk("Po", "sc", a=3.3))


def test_matgl_takes_a_folder_in_the_zip(tmp_path: Path) -> None:
    folder = folder_of(MODELS[0])
    artifact = shutil.make_archive(str(tmp_path / "m"), "zip", folder.parent, folder.name)
    adapter, _ = loaded("matgl", Path(artifact))
    assert ask(adapter, silicon()).energy < 0


def test_matgl_refuses_weights_that_were_rounded_to_half_precision(tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "rounded"
    shutil.copytree(folder_of(MODELS[0]), folder)
    state = torch.load(folder / "state.pt", map_location="cpu", weights_only=False)
    is_float = torch.is_floating_point
    rounded = {name: w.half() if is_float(w) else w for name, w in state.items()}
    torch.save(rounded, folder / "state.pt")
    artifact = shutil.make_archive(str(tmp_path / "m"), "zip", folder)
    with pytest.raises(LoadError, match="weights in float16"):
        loaded("matgl", Path(artifact))


def zip_of(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_matgl_refuses_a_zip_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtifact, match=r"must hold one model\.json; it holds 0"):
        loaded("matgl", zip_of(tmp_path / "a.zip", {"readme": b""}))
    with pytest.raises(InvalidArtifact, match=r"lacks model\.pt, state\.pt"):
        loaded("matgl", zip_of(tmp_path / "b.zip", {"model.json": b"{}"}))
    files = {"model.json": b"[1]", "model.pt": b"", "state.pt": b""}
    with pytest.raises(InvalidArtifact, match=r"model\.json is not one of MatGL"):
        loaded("matgl", zip_of(tmp_path / "c.zip", files))
    files["model.json"] = json.dumps({"@class": "MEGNet", "@module": "matgl.models"}).encode()
    with pytest.raises(LoadError, match="the model is a 'MEGNet'"):
        loaded("matgl", zip_of(tmp_path / "d.zip", files))
    files["model.json"] = json.dumps({"@class": "Potential", "@module": "matgl.apps.pes"}).encode()
    with pytest.raises(
        LoadError, match="the file is empty; expected is the weights of a MatGL potential"
    ):
        loaded("matgl", zip_of(tmp_path / "e.zip", files))
    (tmp_path / "f.zip").write_text("no zip")
    with pytest.raises(InvalidArtifact, match="not a zip"):
        loaded("matgl", tmp_path / "f.zip")
