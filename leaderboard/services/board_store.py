"""Boards that are computed once and read many times.

A board's public rows are packed into one row of PostgreSQL with a stamp of everything that it was
made of, and kept unpacked in each process. Every reader compares the stamp with the present one
(one quick query), so no process ever shows a board that is out of date. What runs changes every
second and is not part of it: pages look that up for the cells they show.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import msgpack
import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection, transaction
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.utils import timezone

from leaderboard.enums import Visibility
from leaderboard.models import (
    BenchmarkTask,
    BenchmarkVersion,
    BoardChange,
    BoardSnapshot,
    Evaluation,
    Potential,
    Score,
    Submission,
    Team,
)
from leaderboard.services import board_replicates
from leaderboard.services.board_matrix import Matrix, Ranking, matrix_of, matrix_with_rows, ranked
from leaderboard.services.board_replicates import Replicates
from leaderboard.services.leaderboards import categories_of, on_boards, why_not_ranked

#: Of what is packed; another one makes all stored boards void.
_FORMAT = 1
#: Class of PostgreSQL's advisory locks under which a board is computed.
_LOCK = 0x70B0
_BOARDS_KEPT = 6
_RANKINGS_KEPT = 12
_PAGES_KEPT = 12
_CHANGES_KEPT = timedelta(days=7)
#: Shown beside the scores, of a task that times.
SPEED, MEMORY = "atom_time_median", "memory_peak"

_Value = TypeVar("_Value")


class Entrant(NamedTuple):
    """What a row tells of its submission and potential, in plain values that can be packed."""

    submission: str
    version: str
    visibility: str
    declares_non_conservative: bool
    elements: list[str] | None
    date: str
    slug: str
    name: str
    architecture: str
    licence: str
    level_of_theory: str
    training_sets: list[str]
    n_parameters: int | None
    is_baseline: bool
    team: str
    #: µs/atom and MiB, where a task of the board measured them.
    speed: float | None = None
    memory: float | None = None

    def model(self) -> Submission:
        """The submission with its potential, as far as it is known here; not to be saved."""
        potential = Potential(
            slug=self.slug,
            name=self.name,
            architecture=self.architecture,
            licence=self.licence,
            level_of_theory=self.level_of_theory,
            training_sets=self.training_sets,
            n_parameters=self.n_parameters,
            is_baseline=self.is_baseline,
            team=Team(slug=self.team) if self.team else None,
        )
        return Submission(
            id=uuid.UUID(self.submission),
            potential=potential,
            version=self.version,
            visibility=self.visibility,
            declares_non_conservative=self.declares_non_conservative,
            supported_elements=self.elements,
        )


class Kept:
    """The values that were used last, for the threads of a process."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any:  # noqa: ANN401  (whatever was put there)
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: _Value) -> _Value:
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)
        return value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredBoard:
    """All public rows of a board, ranked with its own weights."""

    version: BenchmarkVersion
    entries: list[BenchmarkTask]
    stamp: str
    entrants: list[Entrant]
    matrix: Matrix
    own: Ranking
    #: Of a past board, which is not stored; read from the database otherwise, when asked for.
    replicates: Replicates | None = None
    rankings: Kept = field(default_factory=lambda: Kept(_RANKINGS_KEPT))
    #: What pages keep with the board; it goes when the board changes.
    pages: Kept = field(default_factory=lambda: Kept(_PAGES_KEPT))


_boards = Kept(_BOARDS_KEPT)


def forget() -> None:
    """Begin as a new process does."""
    _boards.clear()


def forget_old_changes() -> int:
    """Remove changes that are older than any open transaction; boards are computed anew once."""
    old = BoardChange.objects.filter(at__lt=timezone.now() - _CHANGES_KEPT)
    return int(old.delete()[0])


def current_board(version: BenchmarkVersion) -> StoredBoard:
    """The board as it stands now. One query where this process has it, three where another has."""
    stamp = stamp_of(version)
    kept: StoredBoard | None = _boards.get(version.pk)
    if kept is not None and kept.stamp == stamp:
        return kept
    entries = _entries(version)
    found = _stored(version, entries, stamp) or _computed_alone(version, entries)
    return _boards.put(version.pk, found)


def past_board(version: BenchmarkVersion, as_of: datetime) -> StoredBoard:
    """The board as it stood then; kept by this process alone."""
    key = (version.pk, as_of, stamp_of(version))
    kept: StoredBoard | None = _boards.get(key)
    return kept or _boards.put(key, board_at(version, as_of))


def board_at(version: BenchmarkVersion, as_of: datetime) -> StoredBoard:
    """The same, computed and not kept: for who goes through many moments."""
    return _compute(version, _entries(version), "", as_of)


def with_rows(board: StoredBoard, rows: Sequence[int]) -> StoredBoard:
    """Of a computed board some rows alone, ranked among each other with its own weights."""
    matrix = matrix_with_rows(board.matrix, rows)
    replicates = {name: array[rows] for name, array in _replicates(board).items()}
    weights = {e.category: e.category_weight for e in board.entries}
    return replace(
        board,
        entrants=[board.entrants[i] for i in rows],
        matrix=matrix,
        own=ranked(matrix, board.entries, weights, replicates),
        replicates=replicates,
        rankings=Kept(_RANKINGS_KEPT),
        pages=Kept(_PAGES_KEPT),
    )


def private_board(board: StoredBoard, user: User | AnonymousUser) -> StoredBoard | None:
    """The rows that the reader alone sees, none of them ranked; None without any."""
    if user.is_anonymous:
        return None
    evaluations = on_boards(user).filter(
        submission__visibility=Visibility.PRIVATE,
        task_version__in=[e.task_version_id for e in board.entries],
    )
    found = list(evaluations.defer("replicates"))
    if not found:
        return None
    return _assemble(board.version, board.entries, "", evaluations, found)


def ranking_of(board: StoredBoard, weights: Mapping[str, float], category: str = "") -> Ranking:
    """With other weights of the categories, or of one category alone.

    SubmissionError for unknown categories and when nothing is left that counts.
    """
    chosen = {c.name: c.weight for c in categories_of(board.entries, {**weights})}
    if category:
        categories_of(board.entries, {category: 1.0})  # complains of an unknown one
        chosen = {name: float(name == category) for name in chosen}
    if chosen == {e.category: e.category_weight for e in board.entries}:
        return board.own
    key = tuple(sorted(chosen.items()))
    kept: Ranking | None = board.rankings.get(key)
    if kept is not None:
        return kept
    found = ranked(board.matrix, board.entries, chosen, _replicates(board))
    return board.rankings.put(key, found)


def stamp_of(version: BenchmarkVersion) -> str:
    """Differs whenever anything has changed that the board shows."""
    tasks = BenchmarkTask.objects.filter(benchmark_version=version)
    return stamp_of_tasks(tasks.values("task_version"))


def stamp_of_tasks(task_versions: QuerySet[BenchmarkTask, Any] | Sequence[int]) -> str:
    """Differs whenever anything has changed that a board with these tasks shows.

    Changes are only added, and may become visible out of order: their count and sum tell of one
    that was numbered early and committed late.
    """
    concerned = BoardChange.objects.filter(Q(task_version=None) | Q(task_version__in=task_versions))
    found = concerned.order_by().aggregate(last=Max("pk"), count=Count("pk"), sum=Sum("pk"))
    return f"{_FORMAT}.{found['last'] or 0}.{found['count']}.{found['sum'] or 0}"


def _entries(version: BenchmarkVersion) -> list[BenchmarkTask]:
    return list(version.entries.select_related("task_version__task", "task_version__reference_set"))


def _computed_alone(version: BenchmarkVersion, entries: list[BenchmarkTask]) -> StoredBoard:
    """Compute and store it, while other processes that need it wait for the result."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, version.pk % 2**31])
        stamp = stamp_of(version)  # read before the rows: they are never older than it
        stored = _stored(version, entries, stamp)
        if stored is not None:
            return stored
        board = _compute(version, entries, stamp)
        BoardSnapshot.objects.update_or_create(
            benchmark_version=version,
            defaults={
                "stamp": stamp,
                "matrix": _pack(board),
                "replicates": _pack_arrays(board.replicates or {}),
            },
        )
    return board


def _compute(
    version: BenchmarkVersion,
    entries: list[BenchmarkTask],
    stamp: str,
    as_of: datetime | None = None,
) -> StoredBoard:
    evaluations = on_boards(AnonymousUser(), as_of).filter(
        task_version__in=[e.task_version_id for e in entries]
    )
    rows = list(evaluations.defer("stdout", "stderr", "consistency", "provenance", "replicates",
                                  "summary", "submission__potential__description"))  # fmt: skip
    return _assemble(version, entries, stamp, evaluations, rows)


def _assemble(
    version: BenchmarkVersion,
    entries: list[BenchmarkTask],
    stamp: str,
    evaluations: Any,  # noqa: ANN401  (the queryset that the rows came from)
    rows: Sequence[Evaluation],
) -> StoredBoard:
    submissions, matrix = matrix_of(entries, rows, why_not_ranked)
    keys = [s.pk for s in submissions]
    replicates = board_replicates.of_categories(entries, keys, evaluations)
    weights = {e.category: e.category_weight for e in entries}
    timed = _timings(rows)
    return StoredBoard(
        version=version,
        entries=entries,
        stamp=stamp,
        entrants=[_entrant(s, timed.get(s.pk, {})) for s in submissions],
        matrix=matrix,
        own=ranked(matrix, entries, weights, replicates),
        replicates=replicates,
    )


def _timings(rows: Sequence[Evaluation]) -> dict[uuid.UUID, dict[str, float]]:
    """Speed and memory of each submission, from the first task of the board that measures them."""
    timed = {e.pk: e.submission_id for e in rows if e.hardware_key}
    found: dict[uuid.UUID, dict[str, float]] = {}
    scores = Score.objects.filter(evaluation__in=list(timed), metric__in=[SPEED, MEMORY])
    for key, metric, value in scores.values_list("evaluation", "metric", "value"):
        if value is not None:
            found.setdefault(timed[key], {}).setdefault(metric, value)
    return found


def _entrant(submission: Submission, timed: Mapping[str, float]) -> Entrant:
    potential = submission.potential
    date = submission.published_at or submission.created_at
    return Entrant(
        submission=str(submission.pk),
        version=submission.version,
        visibility=submission.visibility,
        declares_non_conservative=submission.declares_non_conservative,
        elements=submission.supported_elements,
        date=date.date().isoformat(),
        slug=potential.slug,
        name=potential.name,
        architecture=potential.architecture,
        licence=potential.licence,
        level_of_theory=potential.level_of_theory,
        training_sets=list(potential.training_sets),
        n_parameters=potential.n_parameters,
        is_baseline=potential.is_baseline,
        team=potential.team.slug if potential.team else "",
        speed=timed.get(SPEED),
        memory=timed.get(MEMORY),
    )


def _replicates(board: StoredBoard) -> Replicates:
    if board.replicates is not None:
        return board.replicates
    packed = (
        BoardSnapshot.objects.filter(pk=board.version.pk, stamp=board.stamp)
        .values_list("replicates", flat=True)
        .first()
    )
    if packed is not None:
        return _unpack_arrays(msgpack.unpackb(bytes(packed)))
    evaluations = on_boards(AnonymousUser()).filter(
        task_version__in=[e.task_version_id for e in board.entries]
    )
    keys = [uuid.UUID(entrant.submission) for entrant in board.entrants]
    return board_replicates.of_categories(board.entries, keys, evaluations)


def _stored(
    version: BenchmarkVersion, entries: list[BenchmarkTask], stamp: str
) -> StoredBoard | None:
    packed = (
        BoardSnapshot.objects.filter(pk=version.pk, stamp=stamp)
        .values_list("matrix", flat=True)
        .first()
    )
    return None if packed is None else _unpack(version, entries, stamp, bytes(packed))


def _pack(board: StoredBoard) -> bytes:
    packed: bytes = msgpack.packb(
        {
            "entrants": [list(entrant) for entrant in board.entrants],
            "matrix": _parts(board.matrix),
            "ranking": _parts(board.own),
        }
    )
    return packed


def _unpack(
    version: BenchmarkVersion, entries: list[BenchmarkTask], stamp: str, packed: bytes
) -> StoredBoard:
    found = msgpack.unpackb(packed)
    return StoredBoard(
        version=version,
        entries=entries,
        stamp=stamp,
        entrants=[Entrant(*values) for values in found["entrants"]],
        matrix=Matrix(**_whole(found["matrix"])),
        own=Ranking(**_whole(found["ranking"])),
    )


def _parts(record: Matrix | Ranking) -> dict[str, Any]:
    return {
        name: _packed_array(value) if isinstance(value, np.ndarray) else value
        for name, value in vars(record).items()
    }


def _whole(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _array(v) if isinstance(v, dict) else v for name, v in parts.items()}


def _packed_array(array: npt.NDArray[Any]) -> dict[str, Any]:
    return {"type": array.dtype.str, "shape": array.shape, "bytes": array.tobytes()}


def _array(packed: Mapping[str, Any]) -> npt.NDArray[Any]:
    return np.frombuffer(packed["bytes"], packed["type"]).reshape(packed["shape"])


def _pack_arrays(arrays: Replicates) -> bytes:
    packed: bytes = msgpack.packb({name: _packed_array(array) for name, array in arrays.items()})
    return packed


def _unpack_arrays(found: Mapping[str, Any]) -> Replicates:
    return {name: _array(packed) for name, packed in found.items()}
