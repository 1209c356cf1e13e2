from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111

from evaluator.wire import Status, StructureFailure
from tests.evaluator.calculators.adapters import mirror, quartz_like, silicon, water
from tests.evaluator.calculators.families.asking import (
    Refused,
    Served,
    assert_batch_changes_nothing,
    assert_forces_are_the_gradient,
    assert_same_as_own,
    own_answers,
    served,
)

pytestmark = [pytest.mark.trained, pytest.mark.sandbox, pytest.mark.slow, pytest.mark.mirror]

SYSTEMS = [silicon(), water()]
ONE = SYSTEMS[:1]  # each size of its own is compiled for


def checkpoint(name: str = "nequix-mp-1") -> Path:
    return mirror() / "potentials" / f"{name}.nqx"


@pytest.fixture(scope="module")
def double() -> Iterator[Served]:
    with served("nequix", checkpoint(), dtype="float64") as server:
        yield server


@pytest.mark.parametrize(("name", "systems"), [("nequix-mp-1", SYSTEMS), ("nequix-oam-1", ONE)])
def test_nequix_gives_the_numbers_of_its_own_calculator(name: str, systems: list[Atoms]) -> None:
    # The package computes in float32 alone; sums over edges come in another order when padded.
    own = own_answers("nequix", checkpoint(name), systems)
    with served("nequix", checkpoint(name)) as server:
        assert_same_as_own(server.predictions(systems), own, energy_eV_atom=2e-6, force_eV_A=3e-5)


def test_nequix_in_double_precision_is_conservative_and_alone_as_in_a_batch(
    double: Served,
) -> None:
    assert double.info.dtype == "float64"
    assert_forces_are_the_gradient(double, silicon(), tolerance=1e-6)
    assert_batch_changes_nothing(double, [silicon(), quartz_like()], tolerance=1e-9)


def test_nequix_judges_a_slab_as_if_in_a_tall_box(double: Served) -> None:
    slab = fcc111("Al", (1, 1, 3))
    boxed = slab.copy()
    boxed.center(vacuum=8.0, axis=2)
    boxed.pbc = True
    open_, closed = double.predictions([slab, boxed])
    assert open_.energy == pytest.approx(closed.energy, abs=1e-8)
    np.testing.assert_allclose(open_.forces, closed.forces, atol=1e-8)


def test_nequix_judges_atoms_without_neighbours_and_refuses_elements_that_it_does_not_know(
    double: Served,
) -> None:
    one, unknown = double.answers([Atoms("O"), bulk("Am", "fcc", a=4.6)])
    assert not isinstance(one, StructureFailure)
    assert np.isfinite(one.energy) and not one.forces.any()
    assert unknown == StructureFailure(
        status=Status.UNSUPPORTED, message="this Nequix does not know Am"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04", "written by torch.save"),
        (b'{"hello": 1}\n', "it has no cutoff"),
        (b"\x00\x01\n", "does not begin with the line of JSON"),
    ],
)
def test_nequix_tells_what_another_file_is(content: bytes, message: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.nqx"
    wrong.write_bytes(content)
    with pytest.raises(Refused, match=message), served("nequix", wrong):
        pass


def test_nequix_tells_of_a_file_that_was_cut_short(tmp_path: Path) -> None:
    cut = tmp_path / "cut.nqx"
    cut.write_bytes(checkpoint().read_bytes()[:100_000])
    with pytest.raises(Refused, match="do not make a Nequix"), served("nequix", cut):
        pass
