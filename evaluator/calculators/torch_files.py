"""Reading what torch.save wrote, and saying plainly what a file is when it is not that.

Unpickling runs whatever the file says, so this happens inside the sandbox and nowhere else.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from evaluator.calculators.archives import is_text
from evaluator.calculators.base import InvalidArtifact, LoadError, LoadRequest

_DTYPES = {"float32": torch.float32, "float64": torch.float64}
_HALF = {torch.float16, torch.bfloat16}
#: What AveragedModel counts, beside the weights, whose names have its prefix.
_N_AVERAGED = "n_averaged"
#: How far into lists and dictionaries a model is looked for, and in how many entries of each.
_MOST_DEEP, _MOST_PARTS = 3, 64
_AROUND_MODULE = (torch.nn.DataParallel, torch.optim.swa_utils.AveragedModel)

# e3nn reads its constants by torch.load's safe mode, which does not know slices by itself; without
# this line a MACE model can be neither loaded nor recognised.
torch.serialization.add_safe_globals([slice])

#: First bytes of files that are often sent by mistake.
_SIGNATURES = (
    (b"\x1f\x8b", "a gzip archive: send the checkpoint itself"),
    (b"BZh", "a bzip2 archive: send the checkpoint itself"),
    (b"\xfd7zXZ", "an xz archive: send the checkpoint itself"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x7fELF", "a compiled program"),
    (b"%PDF", "a PDF"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it points to"),
)


def torch_dtype(request: LoadRequest) -> torch.dtype:
    """The precision asked for. Raises LoadError for an unknown one."""
    if request.dtype not in _DTYPES:
        raise LoadError(f"dtype must be float32 or float64, not {request.dtype!r}")
    return _DTYPES[request.dtype]


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def use_threads(request: LoadRequest) -> None:
    """Make torch compute with as many threads as the driver allots."""
    torch.set_num_threads(max(1, request.n_threads))


def load_torch(artifact: Path, expected: str, converted: str = "") -> Any:  # noqa: ANN401
    """Unpickle a file on the CPU; ``converted`` is said of a TorchScript archive.

    Raises InvalidArtifact for what torch.save did not write, and LoadError for what it wrote but
    cannot be rebuilt here; both name what was ``expected``.
    """
    check_is_torch_file(artifact, expected, converted)
    try:
        with _scripts_on_cpu():
            return torch.load(artifact, map_location="cpu", weights_only=False)
    except MemoryError:
        raise
    except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        if "can't allocate memory" in str(error):
            raise  # torch's word for a full memory: no fault of the file
        if "Invalid magic number" in str(error):
            raise InvalidArtifact(
                f"the file is a pickle that torch.save did not write (pickle.dump and joblib do); "
                f"expected is {expected}: load it where it was made, and write it by "
                "torch.save(model, 'my.model')"
            ) from error
        raise InvalidArtifact(
            f"the file looks like {expected} but torch cannot read it; it is damaged or was cut "
            f"short ({_first_line(error)})"
        ) from error
    except (ImportError, AttributeError) as error:
        raise LoadError(
            f"the file needs Python code that this service does not have ({_first_line(error)}). "
            f"{_way_back(str(error))}"
        ) from error
    except Exception as error:  # the pickle is a program and raises what it likes
        if "process group" in str(error):
            raise LoadError(
                "the model lies in DistributedDataParallel, which loads within a distributed run "
                "alone: send torch.save of model.module"
            ) from error
        raise LoadError(
            f"reading the file raised {type(error).__name__}: {_first_line(error)}"
        ) from error


def _way_back(words: str) -> str:
    """What to do about classes that a file was saved with and that are not here."""
    if "cuequivariance" in words:
        return "Convert it back with mace_cueq_to_e3nn and send what that writes"
    return (
        f"It was saved with other versions, or with code of your own (here is torch "
        f"{torch.__version__}): save it anew with these, or submit the code as a package"
    )


@contextmanager
def _scripts_on_cpu() -> Iterator[None]:
    """Let TorchScript archives inside a checkpoint load on the CPU, wherever they were saved.

    torch.load hands its ``map_location`` to tensors alone. e3nn, which MACE is made of, keeps
    compiled code as archives of their own and loads them onto the device that they came from.
    """
    load = torch.jit.load

    def load_on_cpu(file: Any, map_location: Any = None, **more: Any) -> Any:  # noqa: ANN401
        return load(file, map_location="cpu" if map_location is None else map_location, **more)  # type: ignore[no-untyped-call]

    torch.jit.load = load_on_cpu  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.jit.load = load


def check_is_torch_file(artifact: Path, expected: str, converted: str = "") -> None:
    """Raise InvalidArtifact, saying what the file is, unless torch.save may have written it."""
    with artifact.open("rb") as file:
        head = file.read(512)
    if not head:
        raise InvalidArtifact(f"the file is empty; expected is {expected}")
    if head.startswith(b"PK"):
        _check_torch_archive(artifact, expected, converted)
        return
    for signature, description in _SIGNATURES:
        if head.startswith(signature):
            raise InvalidArtifact(f"the file is {description}; expected is {expected}")
    if head[8:9] == b"{" and b'"dtype"' in head:
        raise InvalidArtifact(f"the file is a safetensors file; expected is {expected}")
    if b"\0" not in head and is_text(head):
        raise InvalidArtifact(f"the file is text; expected is {expected}")
    if head[257:262] == b"ustar":
        raise InvalidArtifact(f"the file is a tar archive; expected is {expected}")
    if head[:1] != b"\x80":  # the first byte of torch's older format, a plain pickle
        raise InvalidArtifact(f"the file was not written by torch.save; expected is {expected}")


def _check_torch_archive(artifact: Path, expected: str, converted: str) -> None:
    try:
        with zipfile.ZipFile(artifact) as archive:
            names = [name.split("/", 1)[-1] for name in archive.namelist()]
    except zipfile.BadZipFile as error:
        raise InvalidArtifact(
            f"the file begins like one of torch.save but is cut short; expected is {expected}"
        ) from error
    if "constants.pkl" in names:
        hint = f"; {converted}" if converted else ""
        raise LoadError(f"the file is a TorchScript archive; expected is {expected}{hint}")
    if "data.pkl" not in names:
        raise InvalidArtifact(
            "the file is a zip archive but not one of torch.save; "
            f"expected is {expected}, not packed any further"
        )


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]


def unwrapped(loaded: Any) -> Any:  # noqa: ANN401  (a file holds anything)
    """The object itself, out of what training leaves around it.

    torch.compile's OptimizedModule keeps it as ``_orig_mod``; DataParallel and AveragedModel (of
    an exponential or stochastic average, whose weights it holds) as ``module``.
    """
    while True:
        # By its name: to import the class, one imports the compiler.
        if isinstance(loaded, torch.nn.Module) and type(loaded).__name__ == "OptimizedModule":
            loaded = loaded._orig_mod
        elif isinstance(loaded, _AROUND_MODULE):
            loaded = loaded.module
        else:
            return loaded


def whole_model(loaded: Any, classes: tuple[type, ...]) -> Any:  # noqa: ANN401
    """The one model of these classes that a file holds, however deep; else what it holds.

    Out of wrappers, lists and dictionaries, in which a model under ``model`` goes before others.
    Raises LoadError where there are several.
    """
    models = _models_in(loaded, classes, depth=_MOST_DEEP)
    if not models:
        bare = unwrapped(loaded)
        is_of_one = isinstance(bare, list | tuple) and len(bare) == 1
        return unwrapped(bare[0]) if is_of_one else bare
    preferred = models.get("model")
    if preferred is None and len(models) > 1:
        names = [name for name in models if not name.isdecimal()]
        shown = f" ({', '.join(names[:6])})" if names else ""
        what = "several models" if names else f"an ensemble of {len(models)} models"
        raise LoadError(
            f"the file holds {what}{shown}: send one of them, each as a submission of its own"
        )
    return next(iter(models.values())) if preferred is None else preferred


def _models_in(loaded: Any, classes: tuple[type, ...], depth: int) -> dict[str, Any]:  # noqa: ANN401
    """Models by their place in what a file holds."""
    bare = unwrapped(loaded)
    if isinstance(bare, classes):
        return {"": bare}
    parts: dict[str, Any] = {}
    if isinstance(bare, Mapping):
        parts = {str(name): part for name, part in bare.items()}
    elif isinstance(bare, list | tuple | torch.nn.ModuleList | torch.nn.Sequential):
        parts = {str(i): part for i, part in enumerate(bare)}
    if depth == 0 or len(parts) > _MOST_PARTS:
        return {}
    return {
        ".".join(filter(None, (name, inner))): model
        for name, part in parts.items()
        for inner, model in _models_in(part, classes, depth - 1).items()
    }


def unwrapped_names(weights: Mapping[str, Any]) -> Mapping[str, Any]:
    """A state dict without the prefixes that wrappers put before each name."""
    names = [str(name) for name in weights if name != _N_AVERAGED]
    for prefix in ("module.", "_orig_mod."):
        if names and all(name.startswith(prefix) for name in names):
            bare = {name.removeprefix(prefix): weights[name] for name in names}
            return unwrapped_names(bare)
    return weights


def refuse_quantized(model: torch.nn.Module) -> None:
    """Raise LoadError where layers were rounded to a few bits."""
    layers = sorted(
        {type(m).__name__ for m in model.modules() if ".quantized." in type(m).__module__}
    )
    if layers:
        raise LoadError(
            f"the model was quantized ({', '.join(layers)}), and so is another potential than was "
            "trained: send it as it was before"
        )


def refuse_half_precision(tensors: Iterable[Any]) -> None:
    """Raise LoadError where weights were rounded to float16 or bfloat16.

    They could be loaded, and the numbers would be another potential's without a word: CHGNet
    0.3.0 in bfloat16 gives forces that are a third smaller.
    """
    rounded = {value.dtype for value in tensors if isinstance(value, torch.Tensor)} & _HALF
    if rounded:
        name = dtype_name(min(rounded, key=str))
        raise LoadError(
            f"the file holds weights in {name}, rounded to two or three digits, and so another "
            "potential than was trained: send the weights in float32 or float64 as training wrote "
            "them (to turn the rounded ones back into float32 brings no digit back)"
        )


#: Of a file that would need the program which made it.
_WEIGHTS_ALONE = "weights without the arguments that rebuild the model"


def has_weights_alone(description: str) -> bool:
    """Whether ``describe`` says so."""
    return _WEIGHTS_ALONE in description


def describe(loaded: object) -> str:
    """What a loaded object is, in words for someone who sent the wrong file."""
    if isinstance(loaded, torch.nn.Module):
        package = type(loaded).__module__.split(".")[0]
        if package == "mace":
            return f"a MACE model ({type(loaded).__name__}): submit it as kind mace"
        return f"a model of class {type(loaded).__module__}.{type(loaded).__name__}"
    if isinstance(loaded, Mapping):
        if is_chgnet_checkpoint(loaded):
            return "a CHGNet checkpoint: submit it as kind chgnet"
        if loaded and all(isinstance(value, torch.Tensor) for value in loaded.values()):
            return f"a bare state dict: {_WEIGHTS_ALONE}"
        if "pytorch-lightning_version" in loaded:
            return f"a checkpoint of PyTorch Lightning: {_WEIGHTS_ALONE}"
        if isinstance(loaded.get("state_dict"), Mapping):
            return f"a dictionary with a state dict: {_WEIGHTS_ALONE}"
        keys = ", ".join(str(key)[:40] for key in list(loaded)[:6])
        return f"a dictionary with the keys {keys or '(none)'}"
    return f"an object of type {type(loaded).__name__}"


def is_chgnet_checkpoint(loaded: object) -> bool:
    """Whether this holds the weights and arguments of a CHGNet, as its trainer writes them."""
    if not isinstance(loaded, Mapping):
        return False
    model = loaded.get("model", loaded)
    if not isinstance(model, Mapping):
        return False
    weights, arguments = model.get("state_dict"), model.get("model_args")
    return (
        isinstance(weights, Mapping)
        and isinstance(arguments, Mapping)
        and "atom_embedding.embedding.weight" in unwrapped_names(weights)
    )
