"""What the pictures beside shared links say: what everybody may see on the page, and no more."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef
from django.http import Http404
from django.shortcuts import get_object_or_404

from leaderboard.charts.cards import Bar, Card, Place
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.models import (
    BenchmarkTask,
    BenchmarkVersion,
    Evaluation,
    Potential,
    Submission,
    TaskVersion,
    permissions,
)
from leaderboard.services.board_hardware import by_frequency
from leaderboard.services.board_matrix import Matrix, matrix_of
from leaderboard.services.board_stamps import stamp_of_task
from leaderboard.services.board_store import StoredBoard, current_board
from leaderboard.services.json_values import finite
from leaderboard.services.judgements import MIN_OTHERS
from leaderboard.services.kept import of_process
from leaderboard.services.leaderboards import categories_of, on_boards, shares_of, why_not_ranked
from leaderboard.services.submissions import default_benchmark

_EVERYBODY = AnonymousUser()
_TASKS, _ROWS = 6, 5
#: Top rows of tasks, by version; a board keeps its own rows.
_tops = of_process(64)

SITE = Card(
    kind="Public leaderboard",
    title="Touchstone",
    slug="touchstone",
    line="Interatomic potentials that are run, not reported",
    remark="Machine-learning interatomic potentials, run by the service itself under frozen "
    "protocols. Every score has an interval, and shows how it came about.",
)


def potential_card(slug: str) -> Card:
    """Of the version that the potential's page tells of; 404 for what the public cannot see."""
    visible = Potential.objects.filter(permissions.potentials_visible_to(_EVERYBODY))
    potential = get_object_or_404(visible, slug=slug)
    submission = _telling(potential)
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
    """Of the newest published version, or of the one asked for, unless it is a draft."""
    versions = TaskVersion.objects.filter(task__slug=slug).select_related("task")
    if number is None:
        published = versions.filter(state=VersionState.PUBLISHED)
        version = get_object_or_404(published.order_by("-number")[:1])
    else:
        version = get_object_or_404(versions.exclude(state=VersionState.DRAFT), number=number)
    stamp = stamp_of_task(version.pk)
    top: _Top = _tops.get((version.pk, stamp)) or _tops.put((version.pk, stamp), _top_of(version))
    return Card(
        kind=f"Task, version {version.number}",
        mark=_mark(version),
        title=version.task.name,
        slug=version.task.slug,
        line=version.task.summary,
        bars=top.bars,
        remark=top.remark,
    )


def board_card(slug: str, number: int) -> Card:
    versions = BenchmarkVersion.objects.exclude(state=VersionState.DRAFT)
    version = get_object_or_404(
        versions.select_related("benchmark"), benchmark__slug=slug, number=number
    )
    board = current_board(version)
    own = board.own
    n_ranked = int((own.rank > 0).sum())
    bars = [
        Bar(
            label=board.matrix.names[i],
            slug=board.entrants[i].slug,
            rank=int(own.rank[i]),
            score=finite(own.overall[i]),
            low=finite(own.low[i]),
            high=finite(own.high[i]),
        )
        for i in own.order.tolist()[: min(n_ranked, _ROWS)]
    ]
    n_tasks = len(board.entries)
    return Card(
        kind=f"Leaderboard, version {version.number}",
        mark=_mark(version),
        title=version.benchmark.name,
        slug=version.benchmark.slug,
        line=version.benchmark.summary,
        bars=bars,
        remark=f"{n_ranked} ranked on {n_tasks} task{'s' if n_tasks != 1 else ''}"
        if bars
        else "Nobody is ranked yet: a potential needs a score on every task.",
    )


def _telling(potential: Potential) -> Submission:
    """The newest public version that has been evaluated; else the newest."""
    done = Evaluation.objects.filter(
        submission=OuterRef("pk"), is_current=True, state=EvaluationState.SUCCEEDED
    )
    standing = potential.submissions.filter(pk__in=Submission.objects.all().visible_to(_EVERYBODY))
    found = standing.annotate(is_done=Exists(done)).order_by("-is_done", "-created_at").first()
    if found is None:  # withdrawn a moment ago
        raise Http404("no version of it is public")
    return found


def _standing(board: StoredBoard, submission: Submission) -> dict[str, Any]:
    """Place and bars of a version."""
    name = board.version.benchmark.name
    entrants = [entrant.submission for entrant in board.entrants]
    if str(submission.pk) not in entrants:
        return {
            "place": Place(board=name, why_not="Not evaluated on any of its tasks."),
            "remark": "No task has a score yet.",
        }
    i = entrants.index(str(submission.pk))
    own, n_tasks = board.own, len(board.entries)
    place = Place(
        board=name,
        rank=int(own.rank[i]) or None,
        rank_low=int(own.rank_low[i]) or None,
        rank_high=int(own.rank_high[i]) or None,
        n_ranked=int((own.rank > 0).sum()),
        overall=finite(own.overall[i]),
        low=finite(own.low[i]),
        high=finite(own.high[i]),
        why_not=own.reasons[i],
    )
    if np.isnan(board.matrix.score[i]).all():
        return {"place": place, "remark": "No task has a score yet."}
    bars = [_bar(board, i, j) for j in _weightiest(board)]
    n_more = n_tasks - len(bars)
    return {"place": place, "bars": bars, "remark": f"+{n_more} tasks" if n_more else ""}


def _weightiest(board: StoredBoard) -> list[int]:
    """The tasks that count most in the overall score, in the order of the board."""
    shares = shares_of(board.entries, categories_of(board.entries, {}))
    columns = range(len(board.entries))
    counted = sorted(columns, key=lambda j: -shares[board.entries[j].task_version_id])
    return sorted(counted[:_TASKS])


def _bar(board: StoredBoard, i: int, j: int) -> Bar:
    task, matrix = board.entries[j].task_version.task, board.matrix
    return Bar(
        label=task.name,
        slug=task.slug,
        score=finite(matrix.score[i, j]),
        low=finite(matrix.low[i, j]),
        high=finite(matrix.high[i, j]),
        median=_median(board, i, j),
    )


def _median(board: StoredBoard, i: int, j: int) -> float | None:
    """Of the other trained potentials that are ranked on the task, as the page compares them."""
    matrix, slug = board.matrix, board.entrants[i].slug
    is_other = (matrix.rank[:, j] > 0) & (matrix.hardware[:, j] == matrix.hardware[i, j])
    others = [
        float(matrix.score[k, j])
        for k in np.flatnonzero(is_other).tolist()
        if board.entrants[k].slug != slug and not board.entrants[k].is_baseline
    ]
    return statistics.median(others) if len(others) >= MIN_OTHERS else None


@dataclass(frozen=True)
class _Top:
    bars: Sequence[Bar]
    remark: str


def _top_of(version: TaskVersion) -> _Top:
    """Who is ranked first on a task; where it times, on the hardware of most."""
    evaluations = on_boards(_EVERYBODY).filter(
        task_version=version, state=EvaluationState.SUCCEEDED
    )
    entry = BenchmarkTask(task_version=version)
    rows, matrix = matrix_of([entry], list(evaluations.defer("replicates")), why_not_ranked)
    hardware = _hardware(matrix)
    ranked = np.flatnonzero((matrix.rank[:, 0] > 0) & (matrix.hardware[:, 0] == hardware)).tolist()
    if not ranked:
        return _Top((), "No potential is ranked on this task yet.")
    first = sorted(ranked, key=lambda i: (matrix.rank[i, 0], matrix.names[i]))[:_ROWS]
    bars = [
        Bar(
            label=matrix.names[i],
            slug=rows[i].potential.slug,
            rank=int(matrix.rank[i, 0]),
            score=finite(matrix.score[i, 0]),
            low=finite(matrix.low[i, 0]),
            high=finite(matrix.high[i, 0]),
        )
        for i in first
    ]
    timed_on = matrix.hardware_keys[hardware]
    return _Top(bars, f"{len(ranked)} ranked" + (f", on {timed_on}" if timed_on else ""))


def _hardware(matrix: Matrix) -> int:
    """As index into the keys."""
    found = by_frequency(matrix.hardware_keys[k] for k in matrix.hardware[:, 0].tolist())
    return list(matrix.hardware_keys).index(found[0]) if found else 0


def _mark(version: TaskVersion | BenchmarkVersion) -> str:
    return "retired" if version.state == VersionState.RETIRED else ""
