"""Boards that are computed once and read many times.

A board's public rows are a ``Snapshot``, and so are the replicates of its categories, for who
wants other weights. What runs changes every second and is not part of it: whoever shows the
cells of a board looks that up for them.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet

from leaderboard.enums import Visibility
from leaderboard.lib.memory import Remembered, of_process
from leaderboard.models import (
    BenchmarkTask,
    BenchmarkVersion,
    Evaluation,
    Score,
)
from leaderboard.models.disclosure import OF_OPEN
from leaderboard.ranking import FloatArray
from leaderboard.services.boards import replicates as board_replicates
from leaderboard.services.boards.entrants import MEMORY, SPEED, Entrants, choices_of, entrant_of
from leaderboard.services.boards.grades import letters_of
from leaderboard.services.boards.matrix import (
    SUCCEEDED,
    Matrix,
    Ranking,
    matrix_of,
    overall_replicates,
    ranked,
)
from leaderboard.services.boards.replicates import Replicates
from leaderboard.services.boards.resolution import Resolution, of_public_board
from leaderboard.services.boards.results import Result, results_of
from leaderboard.services.boards.rules import (
    categories_of,
    levels_of,
    of_category,
    on_boards,
    why_not_ranked,
)
from leaderboard.services.boards.snapshots import Snapshot
from leaderboard.services.boards.stamps import stamp_of_benchmark
from leaderboard.services.boards.supported_elements import told_by_checkpoints

#: What a task's own page tells, and no board.
_NOT_OF_BOARDS = (
    *(f"task_version__{name}" for name in ("description", "limitations", "limits", "created_at")),
    "task_version__task__created_at",
    *(
        f"task_version__reference_set__{name}"
        for name in (
            "sha256", "size_bytes", "n_systems", "elements", "properties", "licence", "citation",
            "url", "summary", "created_at",
        )
    ),
)  # fmt: skip
_BOARDS_KEPT, _PAST_KEPT, _REPLICATES_KEPT = 8, 4, 2
_RANKINGS_KEPT, _PAGES_KEPT, _OTHERS_KEPT = 12, 12, 256


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredBoard:
    """All public rows of a board, ranked with its own weights."""

    version: BenchmarkVersion
    entries: list[BenchmarkTask]
    stamp: str
    entrants: Entrants
    matrix: Matrix
    own: Ranking
    #: What rows may be filtered by, see ``choices_of``.
    choices: Mapping[str, list[str]]
    #: Of a past board; None of one as it stands now.
    as_of: datetime | None = None
    #: How well it tells its rows apart; of a board as it stands now alone.
    resolution: Resolution | None = None
    #: Of a board that is not stored; read from the database otherwise, when asked for.
    replicates: Replicates | None = None
    rankings: Remembered = field(default_factory=lambda: Remembered(_RANKINGS_KEPT))
    #: What pages and services keep with the board; it goes when the board changes.
    pages: Remembered = field(default_factory=lambda: Remembered(_PAGES_KEPT))
    kept: Remembered = field(default_factory=lambda: Remembered(_OTHERS_KEPT))

    @cached_property
    def levels(self) -> list[set[str]]:
        """Levels of theory of each task's reference."""
        sets = [entry.task_version.reference_set for entry in self.entries]
        return [levels_of(reference.level_of_theory if reference else "") for reference in sets]

    @cached_property
    def tasks(self) -> tuple[list[str], list[int]]:
        """Slugs of the tasks, and numbers of their versions."""
        versions = [entry.task_version for entry in self.entries]
        return [version.task.slug for version in versions], [version.number for version in versions]


_boards, _past = of_process(_BOARDS_KEPT), of_process(_PAST_KEPT)
_replicates = of_process(_REPLICATES_KEPT)


def current_board(version: BenchmarkVersion) -> StoredBoard:
    """The board as it stands now. One query where this process has it, three where another has."""
    return Snapshot(
        key=f"board {version.pk}",
        memory=_boards,
        stamp=lambda: stamp_of_benchmark(version.pk),
        compute=lambda stamp: _compute_current(version, stamp),
        to_plain=lambda board: {
            "entrants": board.entrants.packed(),
            "matrix": vars(board.matrix),
            "own": vars(board.own),
            "choices": board.choices,
            "resolution": None if board.resolution is None else asdict(board.resolution),
        },
        from_plain=lambda stamp, parts: StoredBoard(
            version=version,
            entries=_entries(version),
            stamp=stamp,
            entrants=Entrants(parts["entrants"]),
            matrix=Matrix(**parts["matrix"]),
            own=Ranking(**parts["own"]),
            choices=parts["choices"],
            resolution=None if parts["resolution"] is None else Resolution(**parts["resolution"]),
        ),
    ).value()


def past_board(version: BenchmarkVersion, as_of: datetime) -> StoredBoard:
    """The board as it stood then; kept by this process alone."""
    key = (version.pk, as_of, stamp_of_benchmark(version.pk))
    return _past.value(key, lambda: computed_board(version, as_of=as_of))


def computed_board(
    version: BenchmarkVersion, stamp: str = "", as_of: datetime | None = None
) -> StoredBoard:
    """A board that nothing keeps: for who goes through many moments."""
    entries = _entries(version)
    evaluations = _shown(entries, as_of)
    board = _assemble(version, entries, stamp, evaluations, results_of(evaluations))
    return replace(board, as_of=as_of)


def board_at(version: BenchmarkVersion, as_of: datetime | None) -> StoredBoard:
    """The board as it stood then; without a moment, as it stands now."""
    return current_board(version) if as_of is None else past_board(version, as_of)


def private_board(board: StoredBoard, user: User | AnonymousUser) -> StoredBoard | None:
    """The rows that the reader alone sees, none of them ranked; None without any."""
    if user.is_anonymous or board.as_of is not None:
        return None
    evaluations = on_boards(user).filter(
        submission__visibility=Visibility.PRIVATE,
        task_version__in=[e.task_version_id for e in board.entries],
    )
    results = results_of(evaluations)
    return _assemble(board.version, board.entries, "", evaluations, results) if results else None


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
    return board.rankings.value(
        key, lambda: ranked(board.matrix, board.entries, chosen, replicates_of_board(board))
    )


def part_of_board(board: StoredBoard, category: str) -> StoredBoard:
    """The tasks of one category, and the rows that were put on any of them.

    SubmissionError for an unknown category.
    """
    entries = of_category(board.entries, category)
    columns = [i for i, e in enumerate(board.entries) if e in entries]
    rows = np.flatnonzero(board.matrix.state[:, columns].any(axis=1)).tolist()
    return board.rankings.value(("part", category), lambda: _part(board, rows, columns))


def with_rows(board: StoredBoard, rows: Sequence[int]) -> StoredBoard:
    """Some rows alone, ranked among each other with the board's own weights."""
    return _part(board, rows, range(len(board.entries)))


def without_unanswered_tasks(board: StoredBoard) -> tuple[StoredBoard, list[BenchmarkTask]]:
    """The board without the tasks on which nobody has a score yet, and those tasks.

    With them nobody is ranked overall: what a new board will look like is told by the others.
    """
    has_score = (board.matrix.state == SUCCEEDED).any(axis=0)
    left_out = [e for e, has in zip(board.entries, has_score, strict=True) if not has]
    if not left_out or not has_score.any():
        return board, left_out
    return _part(board, range(len(board.entrants)), np.flatnonzero(has_score).tolist()), left_out


def _part(board: StoredBoard, rows: Sequence[int], columns: Sequence[int]) -> StoredBoard:
    entries = [board.entries[i] for i in columns]
    weights = {e.category: e.category_weight for e in entries}
    matrix = board.matrix.part(rows, columns)
    all_replicates = replicates_of_board(board)
    replicates = {name: all_replicates[name][rows] for name in weights if name in all_replicates}
    return fresh_part(board, rows, entries, matrix, replicates)


def fresh_part(
    board: StoredBoard,
    rows: Sequence[int],
    entries: list[BenchmarkTask],
    matrix: Matrix,
    replicates: Replicates,
) -> StoredBoard:
    """Some rows of the board with other tasks or scores, ranked with the board's own weights."""
    weights = {e.category: e.category_weight for e in entries}
    return replace(
        board,
        entries=entries,
        entrants=board.entrants.chosen(rows),
        matrix=matrix,
        own=ranked(matrix, entries, weights, replicates),
        resolution=None,
        replicates=replicates,
        rankings=Remembered(_RANKINGS_KEPT),
        pages=Remembered(_PAGES_KEPT),
        kept=Remembered(_OTHERS_KEPT),
    )


def replicates_of_board(board: StoredBoard) -> Replicates:
    return board.replicates if board.replicates is not None else _replicates_of(board).value()


def replicates_of_rows(
    board: StoredBoard, rows: Sequence[int], shares: Sequence[float]
) -> FloatArray:
    """Replicates of the overall score of some rows, when each task makes such a share of it."""
    replicates = {name: table[rows] for name, table in replicates_of_board(board).items()}
    return overall_replicates(board.entries, shares, replicates)


def _replicates_of(board: StoredBoard) -> Snapshot[Replicates]:
    keys = [uuid.UUID(entrant.submission) for entrant in board.entrants]
    return Snapshot(
        key=f"replicates {board.version.pk}",
        memory=_replicates,
        stamp=lambda: board.stamp,
        compute=lambda _: board_replicates.of_categories(
            board.entries, keys, _shown(board.entries), board.matrix.is_zero
        ),
    )


def _entries(version: BenchmarkVersion) -> list[BenchmarkTask]:
    rows = version.entries.select_related("task_version__task", "task_version__reference_set")
    return list(rows.defer(*_NOT_OF_BOARDS))


def _shown(entries: Sequence[BenchmarkTask], as_of: datetime | None = None) -> QuerySet[Evaluation]:
    """What everybody sees on these tasks."""
    tasks = [e.task_version_id for e in entries]
    return on_boards(AnonymousUser(), as_of).filter(task_version__in=tasks)


def _compute_current(version: BenchmarkVersion, stamp: str) -> StoredBoard:
    """Compute the board, and store the replicates that it was ranked with beside it."""
    board = computed_board(version, stamp)
    _replicates_of(board).store(stamp, board.replicates or {})
    return replace(board, replicates=None, resolution=of_public_board(board))


def _assemble(
    version: BenchmarkVersion,
    entries: list[BenchmarkTask],
    stamp: str,
    evaluations: QuerySet[Evaluation],
    results: Sequence[Result],
) -> StoredBoard:
    """``evaluations`` are those that the results came from."""
    submissions, matrix = matrix_of(entries, results, why_not_ranked)
    replicates = board_replicates.of_categories(
        entries, [s.pk for s in submissions], evaluations, matrix.is_zero
    )
    weights = {e.category: e.category_weight for e in entries}
    timed = _timings(results)
    elements = told_by_checkpoints([s.pk for s in submissions if s.supported_elements is None])
    letters = letters_of(evaluations)
    entrants = Entrants(
        entrant_of(s, timed.get(s.pk), elements.get(s.pk), letters.get(s.pk, ""))
        for s in submissions
    )
    return StoredBoard(
        version=version,
        entries=entries,
        stamp=stamp,
        entrants=entrants,
        matrix=matrix,
        own=ranked(matrix, entries, weights, replicates),
        choices=choices_of(entrants),
        replicates=replicates,
    )


def _timings(results: Sequence[Result]) -> dict[uuid.UUID, dict[str, float]]:
    """Speed and memory of each submission, from the first task of the board that measures them."""
    timed = {e.pk: e.submission_id for e in results if e.hardware_key}
    by_submission: dict[uuid.UUID, dict[str, float]] = {}
    scores = Score.objects.filter(OF_OPEN, evaluation__in=list(timed), metric__in=[SPEED, MEMORY])
    for key, metric, value in scores.values_list("evaluation", "metric", "value"):
        if value is not None:
            by_submission.setdefault(timed[key], {}).setdefault(metric, value)
    return by_submission
