"""One structure as a file has it, whatever the file's kind: before names and units are applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """A structure, its values by name, and where in the file it stands."""

    #: "Frame 3, line 12" or "Structure 2", to begin a sentence with.
    place: str
    atoms: Atoms
    #: Of the whole structure: numbers, arrays, text, or what else JSON holds.
    values: Mapping[str, Any]
    #: Of each atom.
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    #: How something unusual was read, in words.
    notes: tuple[str, ...] = ()


def finite_numbers(value: object) -> NDArray[np.float64] | None:
    """The numbers of a value, of any shape; None for text, truth values, ragged lists, NaN."""
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):  # a ragged list
        return None
    if array.dtype.kind not in "iuf" or not array.size:
        return None
    numbers = array.astype(float)
    return numbers if np.isfinite(numbers).all() else None
