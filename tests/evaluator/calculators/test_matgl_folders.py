"""A MatGL potential made here, in the folders and zips that people send."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.calculators.base import InvalidArtifact, LoadError
from tests.evaluator.calculators.adapters import ask, loaded, quartz_like

pytestmark = pytest.mark.trained


@pytest.fixture(scope="module")
def potential() -> Any:
    import torch
    from matgl.apps.pes import Potential
    from matgl.models import TensorNet

    torch.manual_seed(1)
    network = TensorNet(element_types=("O", "Si"), is_intensive=False, units=8, nblocks=1)
    return Potential(network, element_refs=np.zeros(2))


@pytest.fixture(scope="module")
def expected(potential: Any, tmp_path_factory: pytest.TempPathFactory) -> float:
    folder = tmp_path_factory.mktemp("bare")
    adapter, _ = loaded("matgl", zipped(potential, folder))
    return ask(adapter, quartz_like()).energy


def zipped(
    potential: Any,
    folder: Path,
    *,
    around: str = "",
    weights: Callable[[Mapping[str, Any]], Any] = lambda weights: weights,
) -> Path:
    """A zip of what ``potential.save`` writes, with other names or weights."""
    import torch

    model = folder / "model"
    model.mkdir()
    potential.save(model)
    state = torch.load(model / "state.pt", weights_only=False)
    torch.save(weights(state), model / "state.pt")
    with zipfile.ZipFile(folder / "model.zip", "w") as archive:
        for path in model.iterdir():
            archive.write(path, around + path.name)
        if around:
            archive.writestr(f"__MACOSX/{around}._model.json", "litter")
    return folder / "model.zip"


@pytest.mark.parametrize("around", ["My Model/", "My Model\\", "a/b/"])
def test_folders_around_the_model_are_taken_away(
    around: str, potential: Any, expected: float, tmp_path: Path
) -> None:
    adapter, _ = loaded("matgl", zipped(potential, tmp_path, around=around))
    assert ask(adapter, quartz_like()).energy == expected


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_names_of_weights_that_a_wrapper_began_are_read(
    prefix: str, potential: Any, expected: float, tmp_path: Path
) -> None:
    def prefixed(weights: Mapping[str, Any]) -> dict[str, Any]:
        return {prefix + name: value for name, value in weights.items()}

    adapter, _ = loaded("matgl", zipped(potential, tmp_path, weights=prefixed))
    assert ask(adapter, quartz_like()).energy == expected


def test_a_compiled_potential_saves_what_can_be_read(
    potential: Any, expected: float, tmp_path: Path
) -> None:
    import torch

    adapter, _ = loaded("matgl", zipped(torch.compile(potential), tmp_path))
    assert ask(adapter, quartz_like()).energy == expected


@pytest.mark.parametrize("what", ["whole", "weights", "lightning"])
def test_what_torch_saved_is_told_what_to_send(what: str, potential: Any, tmp_path: Path) -> None:
    import torch

    content = {
        "whole": potential,
        "weights": potential.state_dict(),
        "lightning": {"pytorch-lightning_version": "2.6", "state_dict": potential.state_dict()},
    }[what]
    torch.save(content, tmp_path / "sent.ckpt")
    with pytest.raises(InvalidArtifact, match=r"send a zip of the folder that potential\.save"):
        loaded("matgl", tmp_path / "sent.ckpt")


def test_a_zip_in_a_zip_and_weights_of_something_else_are_named(
    potential: Any, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("model.zip", "PK")
    with pytest.raises(InvalidArtifact, match=r"nothing but another one, model\.zip: send that"):
        loaded("matgl", tmp_path / "outer.zip")
    with pytest.raises(LoadError, match=r"state\.pt holds an object of type list"):
        loaded("matgl", zipped(potential, tmp_path, weights=lambda weights: list(weights)))
