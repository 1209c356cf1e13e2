"""The runtimes that ship: what each holds, which calculator kinds it serves, and its locks.

One folder each below ``definitions/``: ``runtime.toml``, a lock for each class of devices
(``lock-cpu.txt``), and ``known_answers.json``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.python_range import PythonRange

_FOLDER = Path(__file__).resolve().parent / "definitions"
#: What runs in each runtime whatever it serves, as paths below the evaluator.
_CORE = (
    "wire.py",
    *(f"calculators/{name}.py" for name in ("base", "leaving", "memory", "server")),
)
#: What an adapter's file needs that does not lie beside it.
_FURTHER = {"json_artifact.py": "json_artifacts.py"}


class UnknownRuntime(InfrastructureError):
    """No runtime of this name ships, or none that serves what is asked for."""


@dataclass(frozen=True, kw_only=True)
class RuntimeDefinition:
    """What a runtime is made of, before it is built."""

    name: str
    label: str
    python: PythonRange
    #: Direct requirements, as pip writes them.
    requirements: tuple[str, ...]
    #: Requirements that replace those of the same name wherever they are asked for.
    overrides: tuple[str, ...]
    #: Calculator kinds that it serves.
    kinds: tuple[str, ...]
    #: Files of evaluator/calculators that serve them; their source is part of the digest.
    adapters: tuple[str, ...]
    #: Trained weights inside its packages that may be submitted, each "package:path".
    weights: tuple[str, ...]
    folder: Path

    def lock_file(self, variant: str) -> Path:
        """Where the lock for a class of devices is kept (``cpu``, ``cu130``), if it has one."""
        return self.folder / f"lock-{variant}.txt"

    @property
    def variants(self) -> tuple[str, ...]:
        """Classes of devices that it has locks for."""
        locks = sorted(self.folder.glob("lock-*.txt"))
        return tuple(lock.stem.removeprefix("lock-") for lock in locks)

    @property
    def known_answers_file(self) -> Path:
        return self.folder / "known_answers.json"

    def sources(self) -> dict[str, Path]:
        """The files of ours that run in it, by their paths below the evaluator."""
        package = Path(__file__).resolve().parent.parent
        further = (_FURTHER[name] for name in self.adapters if name in _FURTHER)
        names = (*_CORE, *further, *(f"calculators/{name}" for name in self.adapters))
        return {name: package / name for name in sorted(names)}


@cache
def known_definitions() -> Mapping[str, RuntimeDefinition]:
    """All runtimes that ship, by name."""
    folders = sorted(path.parent for path in _FOLDER.glob("*/runtime.toml"))
    return {folder.name: read_definition(folder) for folder in folders}


def definition_of(name: str) -> RuntimeDefinition:
    """The runtime of this name. Raises UnknownRuntime."""
    definitions = known_definitions()
    if name not in definitions:
        raise UnknownRuntime(
            f"There is no runtime {name!r}; those that ship are {', '.join(definitions)}."
        )
    return definitions[name]


def serving(kind: str) -> RuntimeDefinition:
    """The runtime in which calculators of a kind run. Raises UnknownRuntime."""
    for definition in known_definitions().values():
        if kind in definition.kinds:
            return definition
    raise UnknownRuntime(f"No runtime that ships serves calculators of kind {kind!r}.")


def read_definition(folder: Path) -> RuntimeDefinition:
    """Read one folder's ``runtime.toml``. Raises InfrastructureError that names what is wrong."""
    file = folder / "runtime.toml"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InfrastructureError(f"The runtime {folder.name} cannot be read: {error}.") from error
    try:
        return _definition(table, folder)
    except (KeyError, TypeError, ValueError) as error:
        words = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InfrastructureError(f"{folder.name}/runtime.toml: {words}.") from error


_TEXTS = ("name", "label", "python")
_LISTS = ("requirements", "overrides", "kinds", "adapters", "weights")


def _definition(table: Mapping[str, Any], folder: Path) -> RuntimeDefinition:
    unknown = table.keys() - {*_TEXTS, *_LISTS}
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} is not known")
    texts = {name: _text(table, name) for name in _TEXTS}
    lists = {name: _list(table, name) for name in _LISTS}
    if texts["name"] != folder.name:
        raise ValueError(f"it is named {texts['name']!r}, and its folder {folder.name!r}")
    return RuntimeDefinition(
        name=texts["name"],
        label=texts["label"],
        python=PythonRange.parse(texts["python"]),
        folder=folder,
        **lists,
    )


def _text(table: Mapping[str, Any], name: str) -> str:
    if not isinstance(table[name], str):
        raise TypeError(f"{name} is no text")
    return str(table[name])


def _list(table: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts; overrides and weights may be missing."""
    if name in ("overrides", "weights") and name not in table:
        return ()
    values = table[name]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} is no list of texts")
    return tuple(values)
