from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ase.build import fcc111

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
def conservative(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("orb", "orb_conservative", tmp_path_factory.mktemp("orb"))


@pytest.fixture(scope="module")
def double(conservative: Path) -> Iterator[Served]:
    with served("orb", conservative, dtype="float64") as server:
        yield server


def test_orb_gives_the_numbers_of_its_own_calculator(double: Served, conservative: Path) -> None:
    assert_same_as_own(
        double.predictions(SYSTEMS), own_answers("orb", conservative, SYSTEMS), energy_eV_atom=1e-7
    )


def test_orb_with_direct_forces_is_told_charge_and_spin(tmp_path: Path) -> None:
    artifact = made("orb", "orb_direct", tmp_path)
    anion = water()
    anion.info.update(charge=-1, spin=2)
    with served("orb", artifact, dtype="float64") as server:
        predictions = server.predictions([*SYSTEMS, anion])
    assert_same_as_own(predictions[:3], own_answers("orb", artifact, SYSTEMS))
    assert abs(predictions[3].energy - predictions[2].energy) > 1e-6


def test_orb_is_conservative(double: Served) -> None:
    assert_forces_are_the_gradient(double, silicon(), tolerance=1e-6)


def test_orb_in_a_batch_answers_as_alone(double: Served) -> None:
    assert_batch_changes_nothing(double, SYSTEMS, tolerance=1e-9)


def test_orb_judges_a_slab_as_if_in_a_tall_box(double: Served) -> None:
    slab = fcc111("Al", (1, 1, 3))
    boxed = slab.copy()
    boxed.center(vacuum=8.0, axis=2)
    boxed.pbc = True
    open_, closed = double.predictions([slab, boxed])
    assert open_.energy == pytest.approx(closed.energy, abs=1e-8)
    np.testing.assert_allclose(open_.forces, closed.forces, atol=1e-8)


def test_orb_lists_the_models_that_weights_may_belong_to(tmp_path: Path) -> None:
    artifact = made("orb", "orb_v2_weights", tmp_path)
    with (
        pytest.raises(Refused, match="set architecture to one of orb-v3-conservative-omol, "),
        served("orb", artifact),
    ):
        pass
    with (
        pytest.raises(Refused, match="the weights are not those of orb-v3-direct-inf-omat"),
        served("orb", artifact, architecture="orb-v3-direct-inf-omat"),
    ):
        pass
    with served("orb", artifact, architecture="orb-d3-xs-v2") as server:
        assert server.info.name == "orb-d3-xs-v2"
