"""What PostgreSQL keeps of a board comes back as it was."""

from __future__ import annotations

import io
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt
import pytest

from leaderboard.services.boards.packing import packed, unpacked

_RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "array",
    [
        np.where(_RNG.random((40, 30)) < 0.1, np.nan, 1.0),
        _RNG.random((40, 30)).astype(np.float32),
        np.arange(70_000, dtype=np.int32) % 300,
        _RNG.integers(0, 256, (40, 30, 16)).astype(np.uint8),
        np.array([True, False, True] * 9),
        np.empty((0, 30)),
        np.asfortranarray(_RNG.random((4, 3))),
    ],
)
def test_arrays_come_back_with_their_shape_and_type(array: npt.NDArray[Any]) -> None:
    parts = unpacked(packed({"array": array, "names": ["a", None, 1.5]}))
    np.testing.assert_array_equal(parts["array"], array, strict=True)
    assert parts["names"] == ["a", None, 1.5]


def test_what_is_neither_plain_nor_an_array_is_refused() -> None:
    with pytest.raises(TypeError, match="set is neither plain nor an array"):
        packed({"names": {"a"}})


def test_objects_are_neither_pickled_nor_unpickled() -> None:
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        packed(objects)
    file = io.BytesIO()
    np.save(file, objects, allow_pickle=True)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        unpacked(msgpack.packb(msgpack.ExtType(1, file.getvalue())))
    with pytest.raises(ValueError, match="extension 7"):
        unpacked(msgpack.packb(msgpack.ExtType(7, b"")))
