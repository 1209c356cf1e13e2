from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.stress import full_3x3_to_voigt_6_stress

from evaluator.calculators.base import LoadError, UnsupportedStructure
from evaluator.potentials.names import resolve
from tests.evaluator.calculators.adapters import (
    ALL,
    as_structure,
    ask,
    assert_batch_changes_nothing,
    assert_forces_are_the_gradient,
    assert_turns_with_the_structure,
    loaded,
    quartz_like,
    silicon,
    water,
)

pytestmark = pytest.mark.trained


def checkpoint(name: str = "0.3.0") -> Path:
    return resolve(f"chgnet:{name}", Path("unused")).artifact


@pytest.mark.parametrize("name", ["0.3.0", "0.2.0", "r2scan"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_chgnet_gives_the_numbers_of_its_own_calculator(name: str, dtype: str) -> None:
    from chgnet.model import CHGNet
    from chgnet.model.dynamics import CHGNetCalculator

    model = CHGNet.load(model_name=name, use_device="cpu", verbose=False)
    calculator = CHGNetCalculator(model, use_device="cpu")
    adapter, info = loaded("chgnet", checkpoint(name), dtype=dtype)
    assert info.dtype == dtype

    for atoms in (silicon(), quartz_like()):
        atoms.calc = calculator
        prediction, n = ask(adapter, atoms), len(atoms)
        assert prediction.energy / n == pytest.approx(
            float(atoms.get_potential_energy()) / n, abs=1e-5
        )
        np.testing.assert_allclose(prediction.forces, atoms.get_forces(), atol=1e-4)
        stress = full_3x3_to_voigt_6_stress(calculator.results["stress"])
        np.testing.assert_allclose(prediction.stress, stress, atol=1e-5)
        np.testing.assert_allclose(prediction.magmoms, atoms.get_magnetic_moments(), atol=1e-4)


def test_chgnet_says_what_it_is() -> None:
    _, info = loaded("chgnet", checkpoint())
    assert info.elements is not None
    assert (info.elements[0], info.elements[-1], len(info.elements)) == ("H", "Pu", 94)
    assert (info.n_parameters, info.cutoff_A) == (412_525, 6.0)
    assert info.properties == ("energy", "forces", "stress", "magmoms")


def test_chgnet_in_double_precision_is_invariant_and_conservative() -> None:
    adapter, _ = loaded("chgnet", checkpoint())
    assert_turns_with_the_structure(adapter, silicon(), tolerance=1e-10)
    assert_forces_are_the_gradient(adapter, silicon(), tolerance=1e-5)


def test_chgnet_in_a_batch_answers_as_alone() -> None:
    adapter, _ = loaded("chgnet", checkpoint())
    assert_batch_changes_nothing(adapter, [silicon(), quartz_like()], tolerance=1e-10)


def test_chgnet_gives_magnetic_moments_only_when_asked() -> None:
    adapter, _ = loaded("chgnet", checkpoint(), dtype="float32")
    iron = as_structure(bulk("Fe"))
    assert adapter.compute([iron], ("energy", "forces"))[0].magmoms is None
    moments = adapter.compute([iron], ALL)[0].magmoms
    assert moments is not None
    assert 1.5 < moments[0] < 3.0  # bcc iron has about 2.2 μ_B


def test_chgnet_judges_a_molecule_as_if_in_a_large_box() -> None:
    adapter, _ = loaded("chgnet", checkpoint())
    boxed = water()
    boxed.center(vacuum=12.0)
    boxed.pbc = True
    free = ask(adapter, water())
    assert free.stress is None
    assert free.energy == pytest.approx(ask(adapter, boxed).energy, abs=1e-9)
    np.testing.assert_allclose(free.forces, ask(adapter, boxed).forces, atol=1e-9)


def test_chgnet_judges_a_slab_without_a_third_vector() -> None:
    adapter, _ = loaded("chgnet", checkpoint())
    slab = fcc111("Al", (1, 1, 3))
    boxed = slab.copy()
    boxed.center(vacuum=8.0, axis=2)
    boxed.pbc = True
    assert ask(adapter, slab).energy == pytest.approx(ask(adapter, boxed).energy, abs=1e-9)


def test_chgnet_energies_of_far_atoms_add_up() -> None:
    adapter, _ = loaded("chgnet", checkpoint())
    one, two = Atoms("O"), Atoms("O2", positions=[[0, 0, 0], [8, 0, 0]])
    assert ask(adapter, two).energy == pytest.approx(2 * ask(adapter, one).energy)
    assert not ask(adapter, two).forces.any()


def test_chgnet_refuses_an_element_it_does_not_know() -> None:
    adapter, _ = loaded("chgnet", checkpoint())
    with pytest.raises(UnsupportedStructure, match="this CHGNet does not know Am"):
        ask(adapter, bulk("Am", "fcc", a=4.6))


def test_chgnet_refuses_a_checkpoint_whose_weights_do_not_fit(tmp_path: Path) -> None:
    import torch

    state = torch.load(checkpoint(), map_location="cpu", weights_only=False)
    del state["model"]["state_dict"]["mlp.layers.0.weight"]
    torch.save(state, tmp_path / "torn.pth.tar")
    with pytest.raises(LoadError, match="do not make a CHGNet"):
        loaded("chgnet", tmp_path / "torn.pth.tar")


def test_chgnet_loads_weights_and_arguments_without_a_trainer_around(tmp_path: Path) -> None:
    import torch

    state = torch.load(checkpoint(), map_location="cpu", weights_only=False)
    torch.save(state["model"], tmp_path / "plain.pt")
    plain, _ = loaded("chgnet", tmp_path / "plain.pt")
    whole, _ = loaded("chgnet", checkpoint())
    assert ask(plain, silicon()).energy == ask(whole, silicon()).energy


@pytest.mark.slow
def test_chgnet_loads_a_whole_model_that_was_pickled(tmp_path: Path) -> None:
    import torch
    from chgnet.model import CHGNet

    torch.save(CHGNet.load(model_name="0.2.0", verbose=False), tmp_path / "whole.pt")
    whole, _ = loaded("chgnet", tmp_path / "whole.pt")
    parts, _ = loaded("chgnet", checkpoint("0.2.0"))
    assert ask(whole, silicon()).energy == ask(parts, silicon()).energy
