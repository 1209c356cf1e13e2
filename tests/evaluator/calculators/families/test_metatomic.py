from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, fcc111

from evaluator.wire import Status, StructureFailure
from tests.evaluator.calculators.adapters import quartz_like, silicon, water
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

SYSTEMS = (silicon(), quartz_like(), water())


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("metatomic", "metatomic", tmp_path_factory.mktemp("metatomic"))


@pytest.fixture(scope="module")
def server(artifact: Path) -> Iterator[Served]:
    with served("metatomic", artifact) as server:
        yield server


def test_metatomic_gives_the_numbers_of_its_own_calculator(server: Served, artifact: Path) -> None:
    assert server.info.dtype == "float64"
    own = own_answers("metatomic", artifact, SYSTEMS)
    assert_same_as_own(server.predictions(SYSTEMS), own, energy_eV_atom=1e-9, force_eV_A=1e-9)


def test_metatomic_takes_the_variant_that_is_named(server: Served, artifact: Path) -> None:
    own = own_answers("metatomic", artifact, SYSTEMS, variant="doubled")
    with served("metatomic", artifact, variant="doubled") as doubled:
        predictions = doubled.predictions(SYSTEMS)
    assert_same_as_own(predictions, own, energy_eV_atom=1e-9, force_eV_A=1e-9)
    [plain] = server.predictions([silicon()])
    assert predictions[0].energy == pytest.approx(2 * plain.energy)


def test_metatomic_lists_the_variants_that_there_are(artifact: Path) -> None:
    with (
        pytest.raises(Refused, match="this model has no variant 'PBE'; it has doubled"),
        served("metatomic", artifact, variant="PBE"),
    ):
        pass


def test_metatomic_is_conservative_and_remembers_nothing(server: Served) -> None:
    assert_forces_are_the_gradient(server, silicon(), tolerance=1e-6)
    assert_batch_changes_nothing(server, SYSTEMS, tolerance=1e-12)


def test_metatomic_knows_slabs_and_refuses_elements_that_it_does_not_know(server: Served) -> None:
    slab = fcc111("Si", (1, 1, 3), a=5.0, vacuum=8.0)
    closed = slab.copy()
    closed.pbc = True
    of_slab, of_crystal = server.predictions([slab, closed])
    assert of_slab.energy == pytest.approx(of_crystal.energy, abs=1e-9)
    np.testing.assert_allclose(of_slab.forces, of_crystal.forces, atol=1e-9)
    [answer] = server.answers([bulk("Al")])
    assert answer == StructureFailure(
        status=Status.UNSUPPORTED, message="this model does not know Al"
    )


def test_metatomic_tells_what_another_file_is(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pt"
    wrong.write_bytes(b"weights")
    with (
        pytest.raises(Refused, match="no TorchScript archive; expected is an exported metatomic"),
        served("metatomic", wrong),
    ):
        pass
