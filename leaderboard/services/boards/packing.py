"""Boards as bytes: what PostgreSQL keeps of them is MessagePack, arrays in it are numpy's .npy."""

from __future__ import annotations

import io
from typing import Any

import msgpack
import numpy as np

_NPY = 1


def packed(value: object) -> bytes:
    """Pack plain values and arrays, however nested."""
    content: bytes = msgpack.packb(value, default=_npy)
    return content


def unpacked(content: bytes) -> Any:  # noqa: ANN401  (whatever was packed)
    return msgpack.unpackb(content, ext_hook=_array)


def _npy(array: object) -> msgpack.ExtType:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{type(array).__name__} is neither plain nor an array.")
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return msgpack.ExtType(_NPY, file.getvalue())


def _array(code: int, content: bytes) -> Any:  # noqa: ANN401  (an array of any type)
    if code != _NPY:
        raise ValueError(f"extension {code} of MessagePack is none of ours")
    return np.load(io.BytesIO(content), allow_pickle=False)
