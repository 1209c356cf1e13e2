"""Errors by element of all rows of a board: dear to gather, so they are kept with the board."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from leaderboard.models import BoardSnapshot
from leaderboard.services import board_packing
from leaderboard.services.binary_rows import binary_value
from leaderboard.services.board_store import StoredBoard
from leaderboard.services.element_errors import CRYSTALS, FORCES, ElementError, element_errors

#: Of one element: where each error belongs (row, column of the board), and its value.
Errors = Mapping[str, npt.NDArray[Any]]
_KEPT = "element errors"


def errors_of_rows(board: StoredBoard, elements: Iterable[str]) -> dict[int, list[ElementError]]:
    """By row, in the order of the elements. Nothing of a hidden reference set.

    One query where this process has not got them yet; some more where nobody has.
    """
    known = board.kept.get(_KEPT) or board.kept.put(_KEPT, _stored(board) or _computed(board))
    found: dict[int, list[ElementError]] = {}
    for element in elements:
        if element not in known:
            continue
        errors = board_packing.unpack_arrays(known[element])
        for row, column, value in zip(
            *(errors[name].tolist() for name in ("rows", "columns", "values")), strict=True
        ):
            version = board.entries[column].task_version
            error = ElementError(
                evaluation=uuid.UUID(bytes=board.matrix.evaluation[row, column].tobytes()),
                element=element,
                value=value,
                protocol=version.protocol,
                task_slug=version.task.slug,
                task_name=version.task.name,
            )
            found.setdefault(row, []).append(error)
    return found


def _stored(board: StoredBoard) -> dict[str, bytes] | None:
    snapshot = BoardSnapshot.objects.filter(
        pk=board.version.pk, stamp=board.stamp, element_errors__isnull=False
    )
    packed = binary_value(snapshot.values_list("element_errors"))
    return None if packed is None else msgpack.unpackb(packed)


def _computed(board: StoredBoard) -> dict[str, bytes]:
    """By element, packed; kept in the database for the other processes."""
    places = {
        uuid.UUID(bytes=board.matrix.evaluation[row, column].tobytes()): (row, column)
        for column, entry in enumerate(board.entries)
        if entry.task_version.protocol in {FORCES, CRYSTALS}
        for row in np.flatnonzero(board.matrix.state[:, column]).tolist()
    }
    by_element: dict[str, list[tuple[int, int, float]]] = {}
    for error in element_errors(places):
        row, column = places[error.evaluation]
        by_element.setdefault(error.element, []).append((row, column, error.value))
    found = {element: _packed(errors) for element, errors in by_element.items()}
    if board.stamp:
        snapshot = BoardSnapshot.objects.filter(pk=board.version.pk, stamp=board.stamp)
        snapshot.update(element_errors=msgpack.packb(found))
    return found


def _packed(errors: Iterable[tuple[int, int, float]]) -> bytes:
    rows, columns, values = zip(*errors, strict=True)
    return board_packing.pack_arrays(
        {
            "rows": np.array(rows, np.int32),
            "columns": np.array(columns, np.int16),
            "values": np.array(values, float),
        }
    )
