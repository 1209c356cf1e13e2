"""What the pictures beside shared links say: what everybody may see on the page, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import AnonymousUser
from django.http import Http404
from django.shortcuts import get_object_or_404

from leaderboard.charts.cards import Bar, Card, CardPlace
from leaderboard.enums import VersionState
from leaderboard.lib.json_values import finite
from leaderboard.models import BenchmarkVersion, Submission, TaskVersion
from leaderboard.models.permissions import visible_potentials
from leaderboard.services.advice.judgements import median_of, trained_others
from leaderboard.services.boards.reader import BoardRow, view_of
from leaderboard.services.boards.rules import categories_of, shares_of
from leaderboard.services.boards.store import StoredBoard, current_board
from leaderboard.services.boards.task_store import current_task_board
from leaderboard.services.boards.types import TaskRow
from leaderboard.services.definitions.published import versions_of
from leaderboard.services.submissions.lists import telling_version
from leaderboard.services.submissions.submissions import default_benchmark

_EVERYBODY = AnonymousUser()
_TASKS, _ROWS = 6, 5

SITE = Card(
    kind="Public leaderboard",
    title="Touchstone",
    slug="touchstone",
    line="Interatomic potentials that are run, not reported",
    remark="Machine-learning interatomic potentials, run by the service itself under frozen "
    "protocols. Every score has an interval, and shows how it came about.",
)


def potential_card(slug: str) -> Card:
    """The card of the version that its page shows; 404 for what the public cannot see."""
    potential = get_object_or_404(visible_potentials(_EVERYBODY), slug=slug)
    submission = telling_version(potential, _EVERYBODY)
    if submission is None:  # withdrawn a moment ago
        raise Http404("no version of it is public")
    version = default_benchmark()
    board = current_board(version) if version else None
    facts = (
        potential.architecture,
        potential.level_of_theory,
        ", ".join(potential.training_sets),
        potential.licence,
    )
    return Card(
        kind=f"{'Baseline' if potential.is_baseline else 'Potential'}, "
        f"version {submission.version}",
        title=potential.name,
        slug=potential.slug,
        line=" · ".join(filter(None, facts)),
        **_standing(board, submission) if board else {"remark": "No leaderboard is published."},
    )


def task_card(slug: str, number: int | None = None) -> Card:
    """The card of the version that the task's page shows, or of the one asked for; of no draft."""
    versions = versions_of(slug)
    if number is None:
        version = get_object_or_404(versions.current_or_last())
    else:
        version = get_object_or_404(versions.shown(), number=number)
    # Who is ranked first; where it times, on the hardware of most, whose rows come first.
    board = current_task_board(version)
    ranked = [row for row in board.rows if row.rank and row.hardware == board.rows[0].hardware]
    timed_on = f", on {ranked[0].hardware}" if ranked and ranked[0].hardware else ""
    return Card(
        kind=f"Task, version {version.number}",
        mark=_mark(version),
        title=version.task.name,
        slug=version.task.slug,
        line=version.task.summary,
        bars=[_place(row, row.score) for row in ranked[:_ROWS]],
        remark=f"{len(ranked)} ranked{timed_on}"
        if ranked
        else "No potential is ranked on this task yet.",
    )


def board_card(slug: str, number: int) -> Card:
    version = get_object_or_404(
        BenchmarkVersion.objects.all().shown().select_related("benchmark"),
        benchmark__slug=slug,
        number=number,
    )
    board = current_board(version)
    ranked = [row for row in view_of(board).rows if row.rank]
    n_tasks = len(board.entries)
    return Card(
        kind=f"Leaderboard, version {version.number}",
        mark=_mark(version),
        title=version.benchmark.name,
        slug=version.benchmark.slug,
        line=version.benchmark.summary,
        bars=[_place(row, row.overall) for row in ranked[:_ROWS]],
        remark=f"{len(ranked)} ranked on {n_tasks} task{'s' if n_tasks != 1 else ''}"
        if ranked
        else "Nobody is ranked yet: a potential needs a score on every task.",
    )


def _place(row: BoardRow | TaskRow, score: float | None) -> Bar:
    entrant = row.entrant
    return Bar(
        label=entrant.title,
        slug=entrant.slug,
        rank=row.rank,
        score=score,
        low=row.low,
        high=row.high,
    )


def _standing(board: StoredBoard, submission: Submission) -> dict[str, Any]:
    """Place and bars of a version."""
    name = board.version.benchmark.name
    entrants = [entrant.submission for entrant in board.entrants]
    if str(submission.pk) not in entrants:
        return {
            "place": CardPlace(board=name, why_not="Not evaluated on any of its tasks."),
            "remark": "No task has a score yet.",
        }
    i = entrants.index(str(submission.pk))
    own, n_tasks = board.own, len(board.entries)
    place = CardPlace(
        board=name,
        n_ranked=int((own.rank > 0).sum()),
        why_not=own.reasons[i],
        **own.standings()[i]._asdict(),
    )
    if np.isnan(board.matrix.score[i]).all():
        return {"place": place, "remark": "No task has a score yet."}
    others = trained_others(board, board.entrants[i].slug)
    bars = [_bar(board, i, j, others) for j in _weightiest(board)]
    n_more = n_tasks - len(bars)
    return {"place": place, "bars": bars, "remark": f"+{n_more} tasks" if n_more else ""}


def _weightiest(board: StoredBoard) -> list[int]:
    """The tasks that count most in the overall score, in the order of the board."""
    shares = shares_of(board.entries, categories_of(board.entries, {}))
    columns = range(len(board.entries))
    counted = sorted(columns, key=lambda j: -shares[board.entries[j].task_version_id])
    return sorted(counted[:_TASKS])


def _bar(board: StoredBoard, i: int, j: int, others: npt.NDArray[np.str_]) -> Bar:
    """A bar with the median of the others, as the page compares them."""
    task, matrix = board.entries[j].task_version.task, board.matrix
    return Bar(
        label=task.name,
        slug=task.slug,
        score=finite(matrix.score[i, j]),
        low=finite(matrix.low[i, j]),
        high=finite(matrix.high[i, j]),
        median=median_of(board, others, j, matrix.hardware_keys[matrix.hardware[i, j]]),
    )


def _mark(version: TaskVersion | BenchmarkVersion) -> str:
    return "retired" if version.state == VersionState.RETIRED else ""
