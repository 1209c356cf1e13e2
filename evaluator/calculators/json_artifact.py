"""Artifacts that are a few numbers in a JSON file, read strictly."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers

from evaluator.calculators.base import InvalidArtifact, LoadError

_MOST_BYTES = 1 << 20


def read_object(artifact: Path) -> dict[str, Any]:
    """Read a JSON object. Raises InvalidArtifact for anything else, duplicate keys included."""
    if artifact.stat().st_size > _MOST_BYTES:
        raise InvalidArtifact("the file is larger than 1 MiB; a JSON of a few numbers is expected")
    try:
        value = json.loads(artifact.read_bytes(), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise InvalidArtifact(f"the file is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidArtifact(f"the JSON must be an object, not {type(value).__name__}")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return result


def check_keys(parameters: Mapping[str, Any], known: Collection[str], what: str) -> None:
    """Raise LoadError naming the keys that ``what`` does not have."""
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        takes = f"known are {', '.join(known)}" if known else "it takes none"
        raise LoadError(f"{what} has no parameter {', '.join(unknown)}; {takes}")


def number(value: object, name: str, *, positive: bool = False) -> float:
    """A finite number, or LoadError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise LoadError(f"{name} must be a number, not {value!r}")
    if positive and value <= 0:
        raise LoadError(f"{name} must be positive, not {value!r}")
    return float(value)


def numbers_by_element(value: object, name: str, *, positive: bool = False) -> dict[str, float]:
    """A mapping of chemical symbols to finite numbers, or LoadError."""
    if not isinstance(value, dict):
        raise LoadError(f"{name} must be an object of numbers by chemical symbol, not {value!r}")
    strange = [symbol for symbol in value if symbol not in atomic_numbers or symbol == "X"]
    if strange:
        raise LoadError(f"{name}: {strange[0]!r} is no chemical symbol")
    return {s: number(v, f"{name} of {s}", positive=positive) for s, v in value.items()}
