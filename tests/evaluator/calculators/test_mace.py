from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from evaluator.calculators.base import LoadError, UnsupportedStructure
from tests.evaluator.calculators.adapters import (
    as_structure,
    ask,
    assert_batch_changes_nothing,
    assert_forces_are_the_gradient,
    assert_turns_with_the_structure,
    loaded,
    quartz_like,
    silicon,
)

pytestmark = pytest.mark.trained


def write_mace(path: Path, heads: list[str] | None = None, **more: Any) -> Path:
    """A small MACE of silicon and oxygen with random weights."""
    import torch

    torch.serialization.add_safe_globals([slice])
    from e3nn import o3
    from mace import modules

    torch.manual_seed(0)
    more |= {} if heads is None else {"heads": heads}
    n_heads = len(heads or ["Default"])
    blocks = modules.interaction_classes
    model = modules.ScaleShiftMACE(
        r_max=4.0,
        num_bessel=4,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=blocks["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=blocks["RealAgnosticInteractionBlock"],
        num_interactions=2,
        num_elements=2,
        hidden_irreps=o3.Irreps("8x0e+8x1o"),
        MLP_irreps=o3.Irreps("8x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.array([[-1.0 - k, -2.0 - k] for k in range(n_heads)]),
        avg_num_neighbors=8.0,
        atomic_numbers=[8, 14],
        correlation=2,
        radial_type="bessel",
        atomic_inter_scale=[3.0] * n_heads,
        atomic_inter_shift=[0.0] * n_heads,
        **more,
    )
    torch.save(model, path)
    return path


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mace(tmp_path_factory.mktemp("mace") / "small.model")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mace_gives_the_numbers_of_its_own_calculator(artifact: Path, dtype: str) -> None:
    from mace.calculators import MACECalculator

    calculator = MACECalculator(model_paths=str(artifact), device="cpu", default_dtype=dtype)
    adapter, info = loaded("mace", artifact, dtype=dtype)
    assert info.dtype == dtype
    for atoms in (silicon(), quartz_like()):
        atoms.calc = calculator
        prediction, n = ask(adapter, atoms), len(atoms)
        assert prediction.energy / n == pytest.approx(atoms.get_potential_energy() / n, abs=1e-5)
        np.testing.assert_allclose(prediction.forces, atoms.get_forces(), atol=1e-5)
        np.testing.assert_allclose(prediction.stress, atoms.get_stress(), atol=1e-6)


def test_mace_says_what_it_is(artifact: Path) -> None:
    _, info = loaded("mace", artifact)
    assert (info.name, info.elements, info.cutoff_A) == (
        "ScaleShiftMACE, head Default",
        ("O", "Si"),
        4.0,
    )


def test_mace_in_double_precision_is_invariant_and_conservative(artifact: Path) -> None:
    adapter, _ = loaded("mace", artifact)
    assert_turns_with_the_structure(adapter, quartz_like(), tolerance=1e-10)
    assert_forces_are_the_gradient(adapter, quartz_like(), tolerance=1e-6)


def test_mace_in_a_batch_answers_as_alone(artifact: Path) -> None:
    adapter, _ = loaded("mace", artifact)
    assert_batch_changes_nothing(adapter, [silicon(), quartz_like(), silicon()], tolerance=1e-10)


@pytest.mark.slow
def test_mace_that_embeds_charge_and_spin_is_told_those_of_each_structure(tmp_path: Path) -> None:
    from mace.calculators import MACECalculator

    embedding = {"type": "categorical", "emb_dim": 4, "num_classes": 8, "per": "graph"}
    specs = {"total_charge": {**embedding, "offset": 4}, "total_spin": {**embedding, "offset": 0}}
    model = write_mace(tmp_path / "ions.model", embedding_specs=specs)
    calculator = MACECalculator(model_paths=str(model), device="cpu", default_dtype="float64")
    states = [(0, 1), (1, 2), (-1, 2), (0, 3)]
    ions = [silicon() for _ in states]
    for ion, (charge, spin) in zip(ions, states, strict=True):
        ion.info = {"charge": charge, "spin": spin}
        ion.calc = calculator
    expected = [ion.get_potential_energy() for ion in ions]
    assert min(abs(np.diff(expected))) > 1e-4

    adapter, _ = loaded("mace", model)
    answers = adapter.compute([as_structure(ion) for ion in ions], ("energy", "forces"))
    np.testing.assert_allclose([answer.energy for answer in answers], expected, atol=1e-9)


def test_mace_judges_a_molecule_as_if_in_a_large_box(artifact: Path) -> None:
    adapter, _ = loaded("mace", artifact)
    free = Atoms("SiO", positions=[[0, 0, 0], [1.5, 0.3, 0]])
    boxed = free.copy()
    boxed.center(vacuum=9.0)
    boxed.pbc = True
    assert ask(adapter, free).energy == pytest.approx(ask(adapter, boxed).energy, abs=1e-12)
    assert ask(adapter, free).stress is None
    assert ask(adapter, Atoms("O")).energy == pytest.approx(-1.0)


def test_mace_refuses_an_element_it_does_not_know(artifact: Path) -> None:
    adapter, _ = loaded("mace", artifact)
    with pytest.raises(UnsupportedStructure, match="this MACE model does not know Cu"):
        ask(adapter, bulk("Cu"))


def test_mace_is_recognised_where_a_chgnet_is_expected(artifact: Path) -> None:
    with pytest.raises(LoadError, match=r"a MACE model \(ScaleShiftMACE\): submit it as kind mace"):
        loaded("chgnet", artifact)


@pytest.mark.slow
def test_mace_answers_with_the_head_that_was_named(tmp_path: Path) -> None:
    artifact = write_mace(tmp_path / "two.model", heads=["pbe", "scan"])
    pbe, _ = loaded("mace", artifact, head="pbe")
    scan, _ = loaded("mace", artifact, head="scan")
    # The atomic energies of the second head are 1 eV lower.
    assert ask(pbe, Atoms("O")).energy == pytest.approx(-1.0)
    assert ask(scan, Atoms("O")).energy == pytest.approx(-2.0)
    with pytest.raises(LoadError, match="no head 'b3lyp'; it has pbe, scan"):
        loaded("mace", artifact, head="b3lyp")
    with pytest.raises(LoadError, match="no default: give the setting head one of pbe, scan"):
        loaded("mace", artifact)


def test_a_model_is_taken_out_of_what_it_is_wrapped_in(artifact: Path, tmp_path: Path) -> None:
    import torch

    model = torch.load(artifact, weights_only=False)
    for n, wrapped in enumerate(
        ([model], {"model": model, "epoch": 3}, torch.nn.ModuleList([model]))
    ):
        path = tmp_path / f"{n}.model"
        torch.save(wrapped, path)
        assert loaded("mace", path)[1].name == "ScaleShiftMACE, head Default"


def test_what_holds_no_whole_model_is_told_which_file_to_send(
    artifact: Path, tmp_path: Path
) -> None:
    import torch

    model = torch.load(artifact, weights_only=False)
    weights = model.state_dict()
    cases = {
        "an ensemble of 2 models: send one of them": [model, model],
        "a checkpoint of a training run": {"model": weights, "optimizer": {}, "epoch": 3},
        "weights without the arguments that rebuild the model: send the .model": weights,
    }
    for n, (message, wrapped) in enumerate(cases.items()):
        path = tmp_path / f"{n}.model"
        torch.save(wrapped, path)
        with pytest.raises(LoadError, match=message):
            loaded("mace", path)
