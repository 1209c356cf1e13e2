"""Boards as bytes: what PostgreSQL keeps of a computed board, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgpack
import numpy as np
import numpy.typing as npt

from leaderboard.services.boards.entrants import Entrants
from leaderboard.services.boards.matrix import Matrix, Ranking

Arrays = Mapping[str, npt.NDArray[Any]]


class Packed(NamedTuple):
    """The parts of a board that a page needs."""

    entrants: Entrants
    matrix: Matrix
    ranking: Ranking
    choices: dict[str, list[str]]


def pack(board: Packed) -> bytes:
    packed: bytes = msgpack.packb(
        {
            "entrants": board.entrants.packed(),
            "matrix": parts_of(board.matrix),
            "ranking": parts_of(board.ranking),
            "choices": board.choices,
        }
    )
    return packed


def unpack(packed: bytes) -> Packed:
    fields = msgpack.unpackb(packed)
    return Packed(
        Entrants(fields["entrants"]),
        Matrix(**whole_of(fields["matrix"])),
        Ranking(**whole_of(fields["ranking"])),
        fields["choices"],
    )


def pack_arrays(arrays: Arrays) -> bytes:
    packed: bytes = msgpack.packb({name: _packed_array(array) for name, array in arrays.items()})
    return packed


def unpack_arrays(packed: bytes) -> dict[str, npt.NDArray[Any]]:
    return {name: _array(array) for name, array in msgpack.unpackb(packed).items()}


def parts_of(record: object) -> dict[str, Any]:
    """The fields of a dataclass whose values are arrays, or plain."""
    return {
        name: _coded(value) if isinstance(value, np.ndarray) else value
        for name, value in vars(record).items()
    }


def whole_of(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _array(v) if isinstance(v, dict) else v for name, v in parts.items()}


def _coded(array: npt.NDArray[Any]) -> dict[str, Any]:
    """As numbers of its values, where that is shorter: most arrays of a board have few."""
    values, codes = np.unique(array, return_inverse=True)
    narrow = codes.astype(np.min_scalar_type(len(values))).reshape(array.shape)
    if values.nbytes + narrow.nbytes >= array.nbytes:
        return _packed_array(array)
    return {"values": _packed_array(values), "codes": _packed_array(narrow)}


def _packed_array(array: npt.NDArray[Any]) -> dict[str, Any]:
    return {"type": array.dtype.str, "shape": array.shape, "bytes": array.tobytes()}


def _array(packed: Mapping[str, Any]) -> npt.NDArray[Any]:
    if "codes" in packed:
        return np.take(_array(packed["values"]), _array(packed["codes"]))
    return np.frombuffer(packed["bytes"], packed["type"]).reshape(packed["shape"])
