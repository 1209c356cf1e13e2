from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk

from evaluator.wire import Status, StructureFailure
from tests.evaluator.calculators.families.asking import (
    Refused,
    Served,
    assert_batch_changes_nothing,
    assert_forces_are_the_gradient,
    assert_same_as_own,
    made,
    own_answers,
    served,
)

pytestmark = [pytest.mark.trained, pytest.mark.sandbox, pytest.mark.slow]


def copper() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def cluster() -> Atoms:
    return Atoms("Cu3", positions=[[0, 0, 0], [2.3, 0, 0], [1.1, 2.0, 0.2]])


SYSTEMS = (copper(), cluster())


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("nequip", "nequip", tmp_path_factory.mktemp("nequip"), ".nequip.zip")


@pytest.fixture(scope="module")
def server(package: Path) -> Iterator[Served]:
    with served("nequip", package) as server:
        yield server


def test_nequip_gives_the_numbers_of_its_own_calculator(server: Served, package: Path) -> None:
    assert server.info.dtype == "float64"
    assert_same_as_own(server.predictions(SYSTEMS), own_answers("nequip", package, SYSTEMS))


def test_nequip_is_conservative_and_alone_as_in_a_batch(server: Served) -> None:
    assert_forces_are_the_gradient(server, copper(), tolerance=1e-6)
    assert_batch_changes_nothing(server, SYSTEMS, tolerance=1e-9)


def test_nequip_loads_the_checkpoint_that_a_package_was_made_of(
    server: Served, package: Path
) -> None:
    with served("nequip", package.with_name(f"{package.name}.ckpt")) as other:
        [of_checkpoint], [of_package] = (s.predictions([copper()]) for s in (other, server))
    assert of_checkpoint.energy == pytest.approx(of_package.energy, abs=1e-9)


def test_nequip_refuses_an_element_it_does_not_know(server: Served) -> None:
    [answer] = server.answers([bulk("Al")])
    assert answer == StructureFailure(
        status=Status.UNSUPPORTED, message="this model does not know Al"
    )


def test_nequip_tells_what_another_file_is(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.nequip.zip"
    with zipfile.ZipFile(wrong, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with (
        pytest.raises(Refused, match="a zip archive of something else; expected is a package of"),
        served("nequip", wrong),
    ):
        pass
