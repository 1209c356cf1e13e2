from __future__ import annotations

import json
import zipfile
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
    own_answers,
    served,
    weights,
)

pytestmark = [pytest.mark.trained, pytest.mark.sandbox, pytest.mark.slow]

FOLDER = "diep/pretrained_models/diep_fold1"
NAMES = ("model.json", "model.pt", "state.pt")


def packed(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    path = folder / "diep.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.write(weights("diep", FOLDER) / name, f"diep_fold1/{name}")
    return path


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served("diep", packed(tmp_path_factory.mktemp("diep")), dtype="float64") as server:
        yield server


def test_diep_gives_the_numbers_of_its_own_calculator(tmp_path: Path) -> None:
    # The package computes in float32 alone. Where an atom has neighbours in symmetric places its
    # frame of three bodies hangs on the last digit, hence the tolerance of the stress.
    systems = (silicon(), water())
    own = own_answers("diep", weights("diep", FOLDER), systems)
    with served("diep", packed(tmp_path)) as server:
        assert_same_as_own(server.predictions(systems), own, energy_eV_atom=2e-6, force_eV_A=5e-5)


def test_diep_in_double_precision_is_conservative(double: Served) -> None:
    assert (double.info.dtype, double.info.n_parameters) == ("float64", 403_181)
    assert_forces_are_the_gradient(double, silicon(), tolerance=1e-6)


def test_diep_in_a_batch_answers_as_alone(double: Served) -> None:
    assert_batch_changes_nothing(double, [silicon(), quartz_like(), water()], tolerance=1e-9)


def test_diep_refuses_an_element_it_does_not_know(double: Served) -> None:
    [answer] = double.answers([bulk("Am", "fcc", a=4.6)])
    assert answer == StructureFailure(
        status=Status.UNSUPPORTED, message="this DIEP does not know Am"
    )


def test_diep_says_what_its_zip_lacks(tmp_path: Path) -> None:
    with (
        pytest.raises(Refused, match=r"the folder of a DIEP model lacks model\.pt"),
        served("diep", packed(tmp_path, ("model.json", "state.pt"))),
    ):
        pass


def test_diep_sends_other_models_of_matgl_to_their_kind(tmp_path: Path) -> None:
    path = tmp_path / "m3gnet.zip"
    described = {"@class": "Potential", "kwargs": {"model": {"@class": "M3GNet"}}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.json", json.dumps(described))
        archive.writestr("model.pt", b"")
        archive.writestr("state.pt", b"")
    with pytest.raises(Refused, match="kin are kind matgl"), served("diep", path):
        pass
