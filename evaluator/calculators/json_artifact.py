"""Artifacts that are a few numbers in a JSON file, for the adapters that load them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from ase.data import chemical_symbols

from evaluator.calculators.base import InvalidArtifact, LoadError
from evaluator.json_artifacts import MOST_BYTES, JsonFault, NotReadable

_Contents = TypeVar("_Contents")


def read_artifact(
    artifact: Path, reader: Callable[[bytes, Collection[str]], _Contents]
) -> _Contents:
    """What the file says. Raises InvalidArtifact for what is no JSON object, else LoadError."""
    with artifact.open("rb") as file:
        content = file.read(MOST_BYTES + 1)  # more is refused, whatever it is
    try:
        return reader(content, chemical_symbols[1:])
    except NotReadable as error:
        raise InvalidArtifact(str(error)) from error
    except JsonFault as error:
        raise LoadError(str(error)) from error
