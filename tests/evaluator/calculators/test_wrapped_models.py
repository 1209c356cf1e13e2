"""The right model in what training leaves around it: the same numbers, or words."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.calculators.base import LoadError
from tests.evaluator.calculators.adapters import ask, loaded, quartz_like
from tests.evaluator.calculators.test_mace import write_mace

pytestmark = pytest.mark.trained

Wrapper = Callable[[Any], Any]


def compiled(model: Any) -> Any:
    import torch

    return torch.compile(model)


def parallel(model: Any) -> Any:
    import torch

    return torch.nn.DataParallel(model)


def averaged(model: Any) -> Any:
    from torch.optim.swa_utils import AveragedModel

    return AveragedModel(model)


def compiled_parallel_in_a_dictionary(model: Any) -> Any:
    return {"model": compiled(parallel(model)), "epoch": 7}


def under_another_name(model: Any) -> Any:
    return {"ema": [averaged(model)], "epoch": 7, "optimizer": {"lr": 1e-3}}


WRAPPERS = (compiled, parallel, averaged, compiled_parallel_in_a_dictionary)


@cache
def whole(kind: str, folder: Path) -> Any:
    """A model as it is pickled whole."""
    import torch

    if kind == "mace":
        return torch.load(write_mace(folder / "small.model"), weights_only=False)
    from chgnet.model import CHGNet

    return CHGNet.load(verbose=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def saved(what: Any, path: Path) -> Path:
    import torch

    torch.save(what, path)
    return path


@pytest.mark.parametrize(
    ("kind", "wrap"),
    [*product(("mace", "chgnet"), WRAPPERS), ("chgnet", under_another_name)],
)
def test_a_wrapped_model_gives_the_numbers_of_the_bare_one(
    kind: str, wrap: Wrapper, folder: Path, tmp_path: Path
) -> None:
    model = whole(kind, folder)
    bare, _ = loaded(kind, saved(model, tmp_path / "bare.model"))
    wrapped, _ = loaded(kind, saved(wrap(model), tmp_path / "wrapped.model"))
    expected, answer = ask(bare, quartz_like()), ask(wrapped, quartz_like())
    assert answer.energy == expected.energy
    np.testing.assert_array_equal(answer.forces, expected.forces)
    np.testing.assert_array_equal(answer.stress, expected.stress)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_names_of_weights_that_a_wrapper_began_are_read(
    prefix: str, folder: Path, tmp_path: Path
) -> None:
    checkpoint = whole("chgnet", folder).as_dict()
    weights = {prefix + name: value for name, value in checkpoint["state_dict"].items()}
    adapter, _ = loaded("chgnet", saved({**checkpoint, "state_dict": weights}, tmp_path / "c.pt"))
    bare, _ = loaded("chgnet", saved(checkpoint, tmp_path / "bare.pt"))
    assert ask(adapter, quartz_like()).energy == ask(bare, quartz_like()).energy


def test_the_averaged_weights_of_training_are_read(folder: Path, tmp_path: Path) -> None:
    model = whole("chgnet", folder)
    checkpoint = {**model.as_dict(), "state_dict": averaged(model).state_dict()}
    adapter, _ = loaded("chgnet", saved(checkpoint, tmp_path / "averaged.pt"))
    bare, _ = loaded("chgnet", saved(model, tmp_path / "bare.pt"))
    assert ask(adapter, quartz_like()).energy == ask(bare, quartz_like()).energy


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["mace", "chgnet"])
def test_weights_in_half_precision_are_refused_with_words(
    kind: str, dtype: str, folder: Path, tmp_path: Path
) -> None:
    """Rounded, CHGNet's forces were 1 % off in float16 and a third in bfloat16, without a word."""
    import copy

    import torch

    rounded = copy.deepcopy(whole(kind, folder)).to(getattr(torch, dtype))
    for i, what in enumerate((rounded, parallel(rounded))):
        path = saved(what, tmp_path / f"{i}.model")
        with pytest.raises(LoadError, match=f"weights in {dtype}, rounded to two or three digits"):
            loaded(kind, path)


def lightning(model: Any) -> dict[str, Any]:
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    return {"epoch": 3, "pytorch-lightning_version": "2.6", "state_dict": weights, "loops": {}}


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (lambda model: model.state_dict(), "a bare state dict: weights without the arg.*: send "),
        (lightning, "a checkpoint of PyTorch Lightning: weights without the arguments.*: send "),
        (
            lambda model: {"state_dict": model.state_dict()},
            "a state dict: weights without.*: send ",
        ),
    ],
    ids=["state dict", "lightning", "named state dict"],
)
@pytest.mark.parametrize("kind", ["mace", "chgnet"])
def test_what_holds_no_one_model_is_told_what_to_send(
    kind: str, wrap: Wrapper, words: str, folder: Path, tmp_path: Path
) -> None:
    path = saved(wrap(whole(kind, folder)), tmp_path / "wrapped.model")
    with pytest.raises(LoadError, match=words):
        loaded(kind, path)


def test_a_quantized_model_is_another_potential() -> None:
    import torch

    from evaluator.calculators.torch_files import refuse_quantized

    class QuantizedLinear(torch.nn.Linear):
        """As torch.ao's layer is known: by its module."""

    QuantizedLinear.__module__ = "torch.ao.nn.quantized.dynamic.modules.linear"
    model = torch.nn.Sequential(QuantizedLinear(2, 2))
    with pytest.raises(LoadError, match=r"was quantized \(QuantizedLinear\).*as it was before"):
        refuse_quantized(model)
