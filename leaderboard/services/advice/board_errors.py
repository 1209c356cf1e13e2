"""Errors by element of all rows of a board: dear to gather, so they are kept with the board."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from leaderboard.lib.memory import of_process
from leaderboard.models import BenchmarkTask
from leaderboard.models.disclosure import is_hidden
from leaderboard.services.advice.element_errors import (
    CRYSTALS,
    FORCES,
    ElementError,
    element_errors,
)
from leaderboard.services.boards.matrix import SUCCEEDED
from leaderboard.services.boards.snapshots import Snapshot
from leaderboard.services.boards.store import StoredBoard

_Arrays = Mapping[str, npt.NDArray[Any]]
_KEPT = "element errors"
_errors = of_process(2)


class _Known(NamedTuple):
    """What evaluations tell of elements. It never changes, so it outlives what a board was."""

    #: Ids of the evaluations that were looked at, in the order in which ``places`` count them.
    evaluations: list[bytes]
    #: By element: ``places`` and ``values``.
    elements: dict[str, _Arrays]


class BoardErrors:
    """Errors on some elements, by the board's rows. Nothing of a hidden reference set."""

    def __init__(self, board: StoredBoard, elements: Mapping[str, _Arrays]) -> None:
        self._board = board
        #: By element: ``rows``, ascending, with the ``columns`` and ``values`` that belong to them.
        self._elements = elements

    def of(self, row: int) -> list[ElementError]:
        """Errors in the order of the elements, and of the board's tasks."""
        return list(self._of(row))

    def _of(self, row: int) -> Iterator[ElementError]:
        matrix = self._board.matrix
        for element, errors in self._elements.items():
            start, end = np.searchsorted(errors["rows"], [row, row + 1]).tolist()
            for column, value in zip(
                errors["columns"][start:end].tolist(),
                errors["values"][start:end].tolist(),
                strict=True,
            ):
                version = self._board.entries[column].task_version
                yield ElementError(
                    evaluation=uuid.UUID(bytes=matrix.evaluation[row, column].tobytes()),
                    element=element,
                    value=value,
                    protocol=version.protocol,
                    task_slug=version.task.slug,
                    task_name=version.task.name,
                )


def errors_of_board(board: StoredBoard, elements: Sequence[str]) -> BoardErrors:
    """Gather errors on these elements.

    One query where this process has not asked yet; some more where there are evaluations that
    nobody has asked for, none without elements.
    """
    if not elements:
        return BoardErrors(board, {})
    places: _Arrays
    known, places = board.kept.get(_KEPT) or board.kept.put(_KEPT, _all_known(board))
    gathered = {}
    for element in elements:
        if element in known.elements:
            errors = known.elements[element]
            rows, columns = (places[name][errors["places"]] for name in ("rows", "columns"))
            order = np.lexsort((columns, rows))
            order = order[rows[order] >= 0]
            gathered[element] = {
                "rows": rows[order],
                "columns": columns[order],
                "values": errors["values"][order],
            }
    return BoardErrors(board, gathered)


def _all_known(board: StoredBoard) -> tuple[_Known, _Arrays]:
    """What is known of the board's evaluations, and where each stands on it (row -1: nowhere)."""
    shown = {
        board.matrix.evaluation[row, column].tobytes(): (row, column)
        for column, entry in enumerate(board.entries)
        if _is_told(entry)
        for row in np.flatnonzero(board.matrix.state[:, column] == SUCCEEDED).tolist()
    }
    stored = Snapshot(
        key=f"element errors {board.version.pk}",
        memory=_errors,
        stamp=lambda: hashlib.sha256(b"".join(sorted(shown))).hexdigest(),
        compute=lambda _: _merged(stored.last() or _Known([], {}), shown.keys()),
        to_plain=tuple,
        from_plain=lambda _, parts: _Known._make(parts),
    )
    # The rows that a reader alone sees are kept nowhere.
    known = stored.value() if board.stamp else _merged(_Known([], {}), shown.keys())
    places = np.array([shown.get(key, (-1, -1)) for key in known.evaluations], np.int32)
    places = places.reshape(-1, 2)
    return known, {"rows": places[:, 0], "columns": places[:, 1]}


def _is_told(entry: BenchmarkTask) -> bool:
    version = entry.task_version
    has_set = version.reference_set is not None
    return has_set and not is_hidden(version) and version.protocol in {FORCES, CRYSTALS}


def _merged(known: _Known, shown: Set[bytes]) -> _Known:
    """Add what those of these evaluations tell that are not known yet; two queries."""
    missing = shown - set(known.evaluations)
    evaluations = known.evaluations + sorted(missing)
    place = {key: i for i, key in enumerate(evaluations)}
    new: dict[str, list[tuple[int, float]]] = {}
    for error in element_errors(uuid.UUID(bytes=key) for key in missing):
        at = place[error.evaluation.bytes]
        new.setdefault(error.element, []).append((at, error.value))
    elements = dict(known.elements)
    for element, errors in new.items():
        places, values = zip(*errors, strict=True)
        arrays = {"places": np.array(places, np.int32), "values": np.array(values, float)}
        old = elements.get(element, {name: array[:0] for name, array in arrays.items()})
        elements[element] = {name: np.concatenate([old[name], arrays[name]]) for name in arrays}
    return _Known(evaluations, elements)
