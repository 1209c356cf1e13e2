from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk, fcc111

from evaluator.wire import StructureFailure
from tests.evaluator.calculators.adapters import quartz_like, silicon, water
from tests.evaluator.calculators.families.asking import (
    Refused,
    Served,
    assert_batch_changes_nothing,
    assert_forces_are_the_gradient,
    assert_same_as_own,
    own_answers,
    served,
)

pytestmark = [pytest.mark.trained, pytest.mark.sandbox, pytest.mark.slow]

SYSTEMS = (water(), silicon(), quartz_like())


def written(folder: Path, **content: object) -> Path:
    path = folder / "method.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def gfn2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    artifact = written(tmp_path_factory.mktemp("xtb"), method="GFN2-xTB")
    with served("xtb", artifact, dtype="float64") as server:
        yield server


def hydroxide() -> Atoms:
    atoms = Atoms("OH", positions=[[0, 0, 0], [0, 0, 0.97]])
    atoms.info.update(charge=-1, spin=1)
    return atoms


@pytest.mark.parametrize("method", ["GFN2-xTB", "GFN1-xTB"])
def test_xtb_gives_the_numbers_of_its_own_calculator(method: str, tmp_path: Path) -> None:
    artifact = written(tmp_path, method=method)
    own = own_answers("xtb", artifact, SYSTEMS)
    with served("xtb", artifact, dtype="float64") as server:
        assert_same_as_own(server.predictions(SYSTEMS), own)


def test_xtb_takes_the_charge_and_the_spin_of_each_structure(gfn2: Served, tmp_path: Path) -> None:
    cation, radical = water(), hydroxide()
    cation.info.update(charge=1, spin=2)
    radical.info.update(charge=0, spin=2)
    systems = (hydroxide(), cation, radical)
    own = own_answers("xtb", written(tmp_path, method="GFN2-xTB"), systems)
    predictions = gfn2.predictions(systems)
    assert_same_as_own(predictions, own)
    assert predictions[0].energy != pytest.approx(predictions[2].energy, abs=1.0)


def test_xtb_is_conservative(gfn2: Served) -> None:
    assert_forces_are_the_gradient(gfn2, silicon(), tolerance=1e-3)  # self-consistent to 1e-6 Ha


def test_xtb_answers_do_not_depend_on_those_before(gfn2: Served) -> None:
    assert_batch_changes_nothing(gfn2, SYSTEMS, tolerance=1e-9)


def test_xtb_refuses_what_is_periodic_in_two_directions(gfn2: Served) -> None:
    slab = fcc111("Al", (1, 1, 3), vacuum=6.0)
    answer, unknown = gfn2.answers([slab, bulk("Am", "fcc", a=4.6)])
    assert isinstance(answer, StructureFailure) and isinstance(unknown, StructureFailure)
    assert "not in one or two" in answer.message
    assert unknown.message == "GFN2-xTB does not know Am"


def test_xtb_names_the_methods_that_there_are(tmp_path: Path) -> None:
    with (
        pytest.raises(Refused, match="must be one of GFN2-xTB, GFN1-xTB, IPEA1-xTB, not 'PM7'"),
        served("xtb", written(tmp_path, method="PM7")),
    ):
        pass
