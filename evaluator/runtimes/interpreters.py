"""Interpreters of this machine that runtimes can be made with, each told without its packages."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes import uv
from evaluator.runtimes.python_range import PythonRange

_QUESTION_S = 60.0
#: Asked of another interpreter, without its packages and whatever they start.
_QUESTION = """
import json, platform, sys, sysconfig
names = ("stdlib", "platstdlib")
print(json.dumps({
    "executable": sys.executable,
    "version": platform.python_version(),
    "abi": sysconfig.get_config_var("SOABI") or "",
    "prefixes": [sys.base_prefix, sys.base_exec_prefix],
    "libraries": [sysconfig.get_path(name) for name in names],
}))
"""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python, not one of a virtual environment."""

    executable: str
    #: Major, minor and micro: "3.11.7".
    version: str
    #: Of its compiled modules, with the machine's: "cpython-311-x86_64-linux-gnu".
    abi: str
    prefixes: tuple[str, ...]
    #: Folders of the standard library.
    libraries: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Interpreter:
        return cls(
            executable=str(content["executable"]),
            version=str(content["version"]),
            abi=str(content["abi"]),
            prefixes=tuple(dict.fromkeys(map(str, content["prefixes"]))),
            libraries=tuple(dict.fromkeys(map(str, content["libraries"]))),
        )


@cache
def find_interpreter(wanted: PythonRange) -> Interpreter:
    """The Python that this process runs on, or another of this machine.

    Raises InfrastructureError that says how to get one.
    """
    own = own_interpreter()
    if own.version in wanted:
        return own
    try:
        executable = uv.find_python(str(wanted))
    except InfrastructureError as error:
        raise InfrastructureError(
            f"No Python {wanted} is on this machine, and this one is {own.version}. Install one "
            f"(the system's packages, or: uv python install 3.{wanted.end - 1})."
        ) from error
    return ask_interpreter(executable)


@cache
def own_interpreter() -> Interpreter:
    """The Python below the virtual environment of this process."""
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    named = Path(sys.base_prefix) / "bin" / f"python{minor}"
    executable = named if named.exists() else Path(sys.executable).resolve()
    return Interpreter(
        executable=str(executable),
        version=".".join(map(str, sys.version_info[:3])),
        abi=sysconfig.get_config_var("SOABI") or "",
        prefixes=_distinct((sys.base_prefix, sys.base_exec_prefix)),
        libraries=_distinct(
            # Of the Python below: a virtual environment says its own of one of them.
            sysconfig.get_path(name, vars={"platbase": sys.base_exec_prefix})
            for name in ("stdlib", "platstdlib")
        ),
    )


def ask_interpreter(executable: str) -> Interpreter:
    """What an interpreter says of itself, before it has looked at any package."""
    command = [executable, "-I", "-S", "-c", _QUESTION]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=_QUESTION_S, check=True
        )
        return Interpreter.from_json(json.loads(said.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise InfrastructureError(f"{executable} does not answer as a Python: {error}.") from error


def _distinct(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paths))
