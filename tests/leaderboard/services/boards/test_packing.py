"""What PostgreSQL keeps of a board comes back as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from leaderboard.services.boards.packing import parts_of, whole_of

_RNG = np.random.default_rng(0)


@dataclass
class _Record:
    array: npt.NDArray[Any]
    names: list[str]


@pytest.mark.parametrize(
    "array",
    [
        np.where(_RNG.random((40, 30)) < 0.1, np.nan, 1.0),  # few values, one of them no number
        _RNG.random((40, 30)),  # each value once
        np.zeros((40, 30), np.int32),
        np.arange(70_000, dtype=np.int32) % 300,  # more values than a byte counts
        _RNG.integers(0, 256, (40, 30, 16)).astype(np.uint8),
        np.array([True, False, True] * 9),
        np.empty((0, 30)),
    ],
)
def test_arrays_come_back_with_their_shape_and_type(array: npt.NDArray[Any]) -> None:
    found = _Record(**whole_of(parts_of(_Record(array, ["a"]))))
    np.testing.assert_array_equal(found.array, array, strict=True)
    assert found.names == ["a"]


def test_few_values_take_little_room() -> None:
    parts = parts_of(_Record(np.ones((1000, 30)), []))
    assert len(parts["array"]["codes"]["bytes"]) == 30_000  # a byte each
