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
    assert_forces_are_the_gradient,
    assert_same_as_own,
    made,
    own_answers,
    served,
)

pytestmark = [pytest.mark.trained, pytest.mark.sandbox, pytest.mark.slow]

SYSTEMS = (silicon(), quartz_like(), water())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made("grace", "grace", tmp_path_factory.mktemp("grace"), "")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    with served("grace", folder.with_suffix(".zip"), dtype="float64") as server:
        yield server


def test_grace_gives_the_numbers_of_its_own_calculator(server: Served, folder: Path) -> None:
    assert_same_as_own(server.predictions(SYSTEMS), own_answers("grace", folder, SYSTEMS))


def test_grace_is_conservative_and_its_answers_depend_on_none_before(server: Served) -> None:
    assert_forces_are_the_gradient(server, silicon(), tolerance=1e-6)
    assert_batch_changes_nothing(server, SYSTEMS, tolerance=1e-9)


def test_grace_refuses_an_element_it_does_not_know(server: Served) -> None:
    [answer] = server.answers([bulk("Al")])
    assert answer == StructureFailure(
        status=Status.UNSUPPORTED, message="this GRACE does not know Al"
    )


def test_grace_tells_what_another_file_is(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.zip"
    wrong.write_bytes(b"no zip")
    with (
        pytest.raises(Refused, match="the file is not a zip that can be unpacked"),
        served("grace", wrong),
    ):
        pass
