"""Files that are sent by mistake: each gets a sentence that says what it is."""

from __future__ import annotations

import gzip
import io
import pickle
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from evaluator.calculators.base import InvalidArtifact, LoadError
from evaluator.potentials.names import resolve
from tests.evaluator.calculators.adapters import loaded

pytestmark = pytest.mark.trained


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hello.txt", "hello")
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights"), io.BytesIO())
    return buffer.getvalue()


def _checkpoint() -> bytes:
    return resolve("chgnet:0.3.0", Path("unused")).artifact.read_bytes()


UNREADABLE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "the file is empty"),
    "text": (lambda: "Grüße, no weights here\n".encode(), "the file is text"),
    "cut short": (lambda: _checkpoint()[:100_000], "cut short"),
    "zip": (_zip, "a zip archive but not one of torch.save"),
    "gzip": (lambda: gzip.compress(b"weights"), "a gzip archive"),
    "tar": (_tar, "a tar archive"),
    "noise": (lambda: bytes(range(255, 128, -1)) * 9, "not written by torch.save"),
    "pickle cut short": (lambda: b"\x80\x02}q\x00", "damaged or was cut short"),
    "safetensors": (
        lambda: (60).to_bytes(8, "little") + b'{"w":{"dtype":"F32","shape":[1]}}',
        "a safetensors file",
    ),
}


@pytest.mark.parametrize("kind", ["chgnet", "mace"])
@pytest.mark.parametrize("what", UNREADABLE)
def test_a_file_that_torch_did_not_write_is_called_by_its_name(
    kind: str, what: str, tmp_path: Path
) -> None:
    make, message = UNREADABLE[what]
    artifact = tmp_path / "artifact.pth.tar"
    artifact.write_bytes(make())
    with pytest.raises(InvalidArtifact, match=message):
        loaded(kind, artifact)


def test_a_chgnet_sent_as_mace_is_recognised() -> None:
    with pytest.raises(LoadError, match="a CHGNet checkpoint: submit it as kind chgnet"):
        loaded("mace", resolve("chgnet:0.3.0", Path("unused")).artifact)


def test_a_bare_state_dict_is_recognised(tmp_path: Path) -> None:
    import torch

    torch.save(torch.nn.Linear(2, 1).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(LoadError, match="a bare state dict"):
        loaded("chgnet", tmp_path / "weights.pt")


def test_another_model_is_called_by_its_class(tmp_path: Path) -> None:
    import torch

    torch.save(torch.nn.Linear(2, 1), tmp_path / "linear.pt")
    with pytest.raises(LoadError, match=r"a model of class torch\.nn\.modules\.linear\.Linear"):
        loaded("mace", tmp_path / "linear.pt")


class _Explosive:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return (eval, ("1/0",))


def test_a_pickle_that_raises_is_a_load_error(tmp_path: Path) -> None:
    import torch

    torch.save(_Explosive(), tmp_path / "bomb.pt")
    with pytest.raises(LoadError, match="reading the file raised ZeroDivisionError"):
        loaded("chgnet", tmp_path / "bomb.pt")


def test_code_that_is_not_here_is_named(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.pt").write_bytes(b"\x80\x02cno_such_module\nModel\nq\x00.")
    with pytest.raises(LoadError, match="needs Python code that this service does not have"):
        loaded("chgnet", tmp_path / "elsewhere.pt")


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(LoadError, match="dtype must be float32 or float64, not 'float16'"):
        loaded("chgnet", resolve("chgnet:0.3.0", Path("unused")).artifact, dtype="float16")


class HoldsAScript:
    """Keeps compiled code as an archive of its own, as e3nn's modules do."""

    def __init__(self, archive: bytes) -> None:
        self.archive = archive

    def __setstate__(self, state: dict[str, bytes]) -> None:
        import torch

        self.script = torch.jit.load(io.BytesIO(state["archive"]))


def script_saved_on_a_gpu() -> bytes:
    """A TorchScript archive whose tensors say that they came from cuda:0."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.script(torch.nn.Linear(2, 2))
    written = io.BytesIO()
    torch.jit.save(script, written)
    moved = io.BytesIO()
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(moved, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(".pkl"):
                content = content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            new.writestr(name, content)
    return moved.getvalue()


def test_scripts_inside_a_checkpoint_load_on_the_cpu_wherever_they_were_saved(
    tmp_path: Path,
) -> None:
    import torch

    from evaluator.calculators.torch_files import load_torch

    torch.save(HoldsAScript(script_saved_on_a_gpu()), tmp_path / "gpu.model")
    usual = torch.jit.load
    model = load_torch(tmp_path / "gpu.model", "a model")
    assert {str(p.device) for p in model.script.parameters()} == {"cpu"}
    assert torch.jit.load is usual


def test_a_pickle_of_another_writer_is_told_how_to_write_it(tmp_path: Path) -> None:
    from evaluator.calculators.torch_files import load_torch

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"model": 1}))
    with pytest.raises(
        InvalidArtifact, match=r"a pickle that torch\.save did not write.*write it by"
    ):
        load_torch(path, "a model")


class _Distributed:
    def __setstate__(self, state: object) -> None:
        raise ValueError("Default process group has not been initialized")


def test_a_model_in_a_distributed_wrapper_is_told_to_leave_it(tmp_path: Path) -> None:
    import torch

    from evaluator.calculators.torch_files import load_torch

    distributed = _Distributed()
    distributed.rank = 0  # type: ignore[attr-defined]
    torch.save(distributed, tmp_path / "model.pt")
    with pytest.raises(LoadError, match=r"send torch\.save of model\.module"):
        load_torch(tmp_path / "model.pt", "a model")


def test_the_one_model_of_a_file_is_found_however_deep() -> None:
    from torch.nn import Linear, ModuleList, Sequential
    from torch.optim.swa_utils import AveragedModel

    from evaluator.calculators.torch_files import whole_model

    model, other = Linear(1, 1), Linear(1, 1)
    for held in (
        *(model, [model], (model, {"epoch": 1}), ModuleList([model]), Sequential(model)),
        *({"net": model, "epoch": 1}, {"state": {"best": [model]}}, {"ema": other, "model": model}),
    ):
        assert whole_model(held, (Linear,)) is model
    assert whole_model({"ema": AveragedModel(model)}, (Linear,)).weight == model.weight
    assert whole_model([{"weights": 1}], (Linear,)) == {"weights": 1}
    assert whole_model("else", (Linear,)) == "else"


def test_several_models_in_a_file_are_named() -> None:
    from torch.nn import Linear

    from evaluator.calculators.torch_files import whole_model

    first, second = Linear(1, 1), Linear(1, 1)
    with pytest.raises(LoadError, match="an ensemble of 2 models: send one of them"):
        whole_model([first, second], (Linear,))
    with pytest.raises(LoadError, match=r"several models \(a, b\.0\): send one of them"):
        whole_model({"a": first, "b": [second]}, (Linear,))


def test_a_model_of_cuequivariance_is_told_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from evaluator.calculators.torch_files import load_torch

    module = ModuleType("cuequivariance_torch")
    layer = type("Layer", (), {"__module__": module.__name__})
    monkeypatch.setattr(module, "Layer", layer, raising=False)
    with monkeypatch.context() as there:
        there.setitem(sys.modules, module.__name__, module)
        torch.save(layer(), tmp_path / "model.pt")
    with pytest.raises(LoadError, match="Convert it back with mace_cueq_to_e3nn"):
        load_torch(tmp_path / "model.pt", "a model")
