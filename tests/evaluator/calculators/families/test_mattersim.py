from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ase.build import bulk

from evaluator.wire import Status, StructureFailure
from tests.evaluator.calculators.adapters import quartz_like, silicon, water
from tests.evaluator.calculators.families.asking import (
    Refused,
    Served,
    assert_batch_changes_nothing,
    assert_same_as_own,
    made,
    own_answers,
    served,
)

pytestmark = [pytest.mark.trained, pytest.mark.sandbox, pytest.mark.slow]

SYSTEMS = (silicon(), quartz_like(), water())


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("mattersim", "mattersim", tmp_path_factory.mktemp("mattersim"), ".pth")


@pytest.fixture(scope="module")
def server(artifact: Path) -> Iterator[Served]:
    with served("mattersim", artifact, dtype="float64") as server:
        yield server


def test_mattersim_gives_the_numbers_of_its_own_calculator(server: Served, artifact: Path) -> None:
    own = own_answers("mattersim", artifact, SYSTEMS)
    assert_same_as_own(server.predictions(SYSTEMS), own)


def test_mattersim_says_that_it_stays_in_single_precision(server: Served) -> None:
    assert server.info.dtype == "float32"


def test_mattersim_in_a_batch_answers_as_alone(server: Served) -> None:
    assert_batch_changes_nothing(server, SYSTEMS, tolerance=1e-5)


def test_mattersim_refuses_an_element_it_does_not_know(server: Served) -> None:
    [answer] = server.answers([bulk("Am", "fcc", a=4.6)])
    assert answer == StructureFailure(
        status=Status.UNSUPPORTED, message="this MatterSim does not know Am"
    )


def test_mattersim_leaves_no_weight_at_random(artifact: Path, tmp_path: Path) -> None:
    torn = made("mattersim", "mattersim_torn", tmp_path, ".pth")
    with (
        pytest.raises(Refused, match="do not make a MatterSim: RuntimeError: Error"),
        served("mattersim", torn),
    ):
        pass
