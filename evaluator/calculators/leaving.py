"""What a submission's code raises, told in a sentence: errors, and leaving by sys.exit."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress

#: Caught around a submission's code: nothing that it raises may end the server without a word.
LEAVING = (BaseException,)

_NETWORK_SIGNS = (
    "gaierror",
    "Name or service not known",
    "Temporary failure in name resolution",
    "Network is unreachable",
    "NameResolutionError",
    "LocalEntryNotFoundError",
    "Address family not supported",
    "couldn't connect to",
    "Max retries exceeded",
    "An error happened while trying to locate the file on the Hub",
)
_NETWORK_MODULES = (
    "urllib",
    "socket",
    "requests",
    "urllib3",
    "httpx",
    "httpcore",
    "huggingface_hub",
)
_COMPILERS = ("gcc", "g++", "cc", "c++", "clang", "clang++", "nvcc", "ninja", "cmake", "make")
_COMPILER_SIGNS = ("InvalidCxxCompiler", "No working C++ compiler", "Failed to find C compiler")
_GPU_SIGNS = (
    "Torch not compiled with CUDA",
    "Found no NVIDIA driver",
    "No CUDA GPUs are available",
    "Attempting to deserialize object on a CUDA device",
)
NO_NETWORK = "There is no network here: put the weights into the zip and read them from its folder"


def how_it_left(error: BaseException) -> str:
    """``raised ...`` or ``called sys.exit(...)``, its place, and plain advice."""
    if isinstance(error, SystemExit):
        return f"called sys.exit({error.code!r}) in {place_of(error)}"
    words = f"raised {type(error).__name__}: {words_of(error)}".rstrip(": ")
    if wants_network(error):
        return f"wants to download. {NO_NETWORK} ({words})"
    return words + "".join(advise(error) for advise in _ADVICE)


def write_to_stderr(text: str) -> None:
    """Write, where a submission has left the stream open: what is said is not worth an answer."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()


def words_of(error: BaseException) -> str:
    """The error's own words; an error may be broken itself."""
    try:
        # What cannot be written as UTF-8 (half a surrogate pair) could not be sent.
        return str(error).encode("utf-8", "backslashreplace").decode()
    except Exception as broken:  # noqa: BLE001  (it is a submission's own)
        return f"(its message cannot be had: {type(broken).__name__})"


def _relative_import(error: BaseException) -> str:
    if not isinstance(error, ImportError) or "relative import" not in words_of(error):
        return ""
    return (
        ". Modules at the top of the zip import one another by name (import helper); for relative "
        'imports put them into a folder and name it in "entry_point", as folder.module:function'
    )


def _withheld_weights(error: BaseException) -> str:
    """Advice where a package's own weights are looked for, which are left out of the sandbox."""
    if not isinstance(error, FileNotFoundError) or "/pretrained" not in words_of(error):
        return ""
    return (
        ". Weights that packages bring along are left out of the sandbox: put those that you use "
        "into the zip"
    )


def _missing_compiler(error: BaseException) -> str:
    text = words_of(error)
    is_program = isinstance(error, FileNotFoundError) and error.filename in _COMPILERS
    if not is_program and not any(sign in text for sign in _COMPILER_SIGNS):
        return ""
    return (
        ". There is no compiler here: leave torch.compile out, and code that is built when it is "
        "imported"
    )


def _missing_gpu(error: BaseException) -> str:
    text = words_of(error)
    if not any(sign in text for sign in _GPU_SIGNS):
        return ""
    return (
        ". There is no GPU here: take the device from torch.cuda.is_available(), and load weights "
        "with map_location"
    )


def missing_module(error: BaseException) -> str:
    """Advice on a module that is not here, with a blank before it; empty for other errors."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return ""
    name = error.name.split(".")[0]
    return (
        f". Nothing is installed here: put the folder of {name}, if it is pure Python, into the "
        "zip beside your module"
    )


def wants_network(error: BaseException) -> bool:
    """Whether it failed for want of a network, as the libraries for downloads say it."""
    for cause in _chain(error):
        text = f"{type(cause).__name__}: {words_of(cause)}"
        if any(sign in text for sign in _NETWORK_SIGNS):
            return True
        module = type(cause).__module__.split(".")[0]
        if module in _NETWORK_MODULES and isinstance(cause, ConnectionError | TimeoutError):
            return True
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(20):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__


def place_of(error: BaseException) -> str:
    """Module file and line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    last = frames[-1]
    return f"{last.filename.rsplit('/', 1)[-1]}, line {last.lineno}"


_ADVICE = (
    missing_module,
    _relative_import,
    _withheld_weights,
    _missing_compiler,
    _missing_gpu,
)
