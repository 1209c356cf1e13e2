from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from evaluator.exceptions import SubmissionError
from tests.evaluator.calculators.adapters import ask, loaded

pytestmark = pytest.mark.trained


def copper_frames(n: int, seed: int = 0) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    frames = []
    for _ in range(n):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell * rng.uniform(0.97, 1.03), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        frames.append(atoms)
    return frames


@pytest.mark.slow
def test_training_makes_a_model_that_the_adapter_loads_and_that_has_learnt(tmp_path: Path) -> None:
    from evaluator.potentials.training import train_small_mace

    done: list[float] = []
    path = tmp_path / "small.model"
    train_small_mace(
        copper_frames(60), path, n_epochs=40, seed=1, progress=lambda share, _: done.append(share)
    )
    assert done == sorted(done)
    assert len(done) == 40
    assert [p.name for p in tmp_path.iterdir()] == ["small.model"]

    adapter, info = loaded("mace", path)
    assert (info.elements, info.cutoff_A) == (("Cu",), 4.5)
    unseen = copper_frames(10, seed=7)
    errors = [ask(adapter, atoms).forces - atoms.get_forces() for atoms in unseen]
    true = [atoms.get_forces() for atoms in unseen]
    assert np.sqrt(np.mean(np.square(errors))) < 0.3 * np.sqrt(np.mean(np.square(true)))


def test_training_refuses_frames_without_forces(tmp_path: Path) -> None:
    from evaluator.potentials.training import train_small_mace

    with pytest.raises(SubmissionError, match="needs an energy and forces"):
        train_small_mace([bulk("Cu")], tmp_path / "small.model")
    with pytest.raises(SubmissionError, match="no frames to train on"):
        train_small_mace([], tmp_path / "small.model")
    assert list(tmp_path.iterdir()) == []


def test_training_from_the_command_line_tells_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from evaluator.potentials.training import main

    ase.io.write(tmp_path / "bare.extxyz", bulk("Cu"))
    paths = ["--frames", str(tmp_path / "bare.extxyz"), "--out", str(tmp_path / "m.model")]
    assert main(paths) == 1
    assert "training: every frame needs an energy and forces" in capsys.readouterr().err
    assert main(["--frames", str(tmp_path / "none.extxyz"), *paths[2:]]) == 1
