"""What the tests of the adapters share: structures, loading, comparing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from scipy.spatial.transform import Rotation

from evaluator.calculators.base import Adapter, LoadRequest
from evaluator.calculators.registry import make_adapter
from evaluator.wire import Info, Prediction, Structure

ALL = ("energy", "forces", "stress", "magmoms")


def as_structure(atoms: Atoms) -> Structure:
    return Structure(
        numbers=atoms.numbers.astype(np.int32),
        positions=atoms.positions.copy(),
        cell=atoms.cell.array.copy(),
        pbc=atoms.pbc.copy(),
        charge=atoms.info.get("charge", 0),
        spin=atoms.info.get("spin", 1),
    )


def loaded(
    kind: str, artifact: Path, *, dtype: str = "float64", **settings: Any
) -> tuple[Adapter, Info]:
    adapter = make_adapter(kind)
    return adapter, adapter.load(LoadRequest(artifact=artifact, settings=settings, dtype=dtype))


def ask(adapter: Adapter, atoms: Atoms) -> Prediction:
    return adapter.compute([as_structure(atoms)], ALL)[0]


def silicon() -> Atoms:
    """Eight atoms off their sites in a sheared cell, so that nothing is zero by symmetry."""
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=1)
    strain = np.eye(3) + np.array([[0.02, 0.01, 0.0], [0.01, -0.01, 0.005], [0.0, 0.005, 0.0]])
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    return atoms


def quartz_like() -> Atoms:
    """Silicon and oxygen in one small cell."""
    atoms = bulk("SiO", "zincblende", a=4.6)
    atoms.rattle(0.05, seed=2)
    return atoms


def water() -> Atoms:
    return molecule("H2O")


def rotated(atoms: Atoms, seed: int = 0) -> tuple[Atoms, np.ndarray]:
    turn = Rotation.random(random_state=seed).as_matrix()
    result = atoms.copy()
    result.set_cell(atoms.cell.array @ turn.T)
    result.positions = atoms.positions @ turn.T
    return result, turn


def mirror() -> Path:
    """The local mirror of reference data, or a skipped test."""
    folder = os.environ.get("TOUCHSTONE_DATA_MIRROR")
    if not folder:
        pytest.skip("TOUCHSTONE_DATA_MIRROR names no mirror of reference data")
    return Path(folder)


def assert_turns_with_the_structure(adapter: Adapter, atoms: Atoms, tolerance: float) -> None:
    turned, turn = rotated(atoms)
    before, after = ask(adapter, atoms), ask(adapter, turned)
    assert after.energy == pytest.approx(before.energy, abs=tolerance)
    np.testing.assert_allclose(after.forces, before.forces @ turn.T, atol=tolerance)


def assert_forces_are_the_gradient(adapter: Adapter, atoms: Atoms, tolerance: float) -> None:
    """Central differences of the energy, along one coordinate and along one strain."""
    prediction, h = ask(adapter, atoms), 1e-4
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[0, 0] += sign * h
        energies.append(ask(adapter, moved).energy)
    assert -(energies[0] - energies[1]) / (2 * h) == pytest.approx(
        prediction.forces[0, 0], abs=tolerance
    )

    energies = []
    for sign in (1, -1):
        strain = np.eye(3)
        strain[0, 1] = strain[1, 0] = sign * h / 2
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        energies.append(ask(adapter, strained).energy)
    assert prediction.stress is not None
    shear = (energies[0] - energies[1]) / (2 * h) / atoms.get_volume()
    assert shear == pytest.approx(prediction.stress[5], abs=tolerance)


def assert_batch_changes_nothing(adapter: Adapter, systems: list[Atoms], tolerance: float) -> None:
    together = adapter.compute([as_structure(atoms) for atoms in systems], ALL)
    for prediction, atoms in zip(together, systems, strict=True):
        alone = ask(adapter, atoms)
        assert prediction.energy == pytest.approx(alone.energy, abs=tolerance)
        np.testing.assert_allclose(prediction.forces, alone.forces, atol=tolerance)
        np.testing.assert_allclose(prediction.stress, alone.stress, atol=tolerance)
