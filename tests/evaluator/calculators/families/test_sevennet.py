from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk

from evaluator.wire import Status, StructureFailure
from tests.evaluator.calculators.adapters import quartz_like, silicon, water
from tests.evaluator.calculators.families.asking import (
    Refused,
    Served,
    assert_batch_changes_nothing,
    assert_forces_are_the_gradient,
    assert_same_as_own,
    own_answers,
    served,
    weights,
)

pytestmark = [pytest.mark.trained, pytest.mark.sandbox, pytest.mark.slow]

_CHECKPOINTS = "sevenn/pretrained_potentials"
NEWEST = f"{_CHECKPOINTS}/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth"
FIRST = f"{_CHECKPOINTS}/SevenNet_0__22May2024/checkpoint_sevennet_0.pth"
L3I5 = f"{_CHECKPOINTS}/SevenNet_l3i5/checkpoint_l3i5.pth"
MF = f"{_CHECKPOINTS}/SevenNet_MF_0/checkpoint_sevennet_mf_0.pth"
SYSTEMS = (silicon(), quartz_like(), water())


@pytest.fixture(scope="module")
def double() -> Iterator[Served]:
    with served("sevennet", weights("sevennet", NEWEST), dtype="float64") as server:
        yield server


@pytest.mark.parametrize(
    ("checkpoint", "modal"),
    [(NEWEST, ""), (FIRST, ""), (L3I5, ""), (MF, "PBE"), (MF, "R2SCAN")],
)
def test_sevennet_gives_the_numbers_of_its_own_calculator(checkpoint: str, modal: str) -> None:
    artifact = weights("sevennet", checkpoint)
    own = own_answers("sevennet", artifact, SYSTEMS, modal=modal)
    with served("sevennet", artifact, modal=modal) as server:
        assert_same_as_own(server.predictions(SYSTEMS), own, force_eV_A=2e-5)


def test_sevennet_in_double_precision_is_conservative(double: Served) -> None:
    assert (double.info.dtype, double.info.n_parameters) == ("float64", 842_623)
    assert_forces_are_the_gradient(double, silicon(), tolerance=1e-6)


def test_sevennet_in_a_batch_answers_as_alone(double: Served) -> None:
    assert_batch_changes_nothing(double, SYSTEMS, tolerance=1e-10)


def test_sevennet_energies_of_far_atoms_add_up(double: Served) -> None:
    one, two = double.predictions([Atoms("O"), Atoms("O2", positions=[[0, 0, 0], [8, 0, 0]])])
    assert two.energy == pytest.approx(2 * one.energy)
    assert not two.forces.any()


def test_sevennet_refuses_an_element_it_does_not_know(double: Served) -> None:
    [answer] = double.answers([bulk("Am", "fcc", a=4.6)])
    assert answer == StructureFailure(
        status=Status.UNSUPPORTED, message="this SevenNet does not know Am"
    )


def test_sevennet_guesses_no_modality() -> None:
    with (
        pytest.raises(Refused, match="set modal to one of PBE, R2SCAN"),
        served("sevennet", weights("sevennet", MF)),
    ):
        pass


def test_sevennet_of_one_modality_takes_none() -> None:
    with (
        pytest.raises(Refused, match='nothing to choose by "modal": leave it out'),
        served("sevennet", weights("sevennet", NEWEST), modal="PBE"),
    ):
        pass


def test_sevennet_tells_what_another_file_is(tmp_path: Path) -> None:
    wrong = tmp_path / "notes.pth"
    wrong.write_text("E = mc^2\n")
    with (
        pytest.raises(Refused, match="the file is text; expected is a SevenNet checkpoint"),
        served("sevennet", wrong),
    ):
        pass
