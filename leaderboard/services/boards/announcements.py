"""What badges and feeds tell: the standing and the news of a potential, a task or a benchmark.

Both are for everybody, so they hold what is public and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from leaderboard.enums import EvaluationState
from leaderboard.models import (
    Benchmark,
    BenchmarkVersion,
    Evaluation,
    Potential,
    Submission,
    Task,
)
from leaderboard.models.disclosure import seen_by
from leaderboard.services.boards.reader import BoardRow, view_of
from leaderboard.services.boards.store import current_board
from leaderboard.services.boards.task_store import current_task_board
from leaderboard.services.boards.types import TaskRow
from leaderboard.services.submissions.submissions import default_benchmark

_N_NEWS = 50
_EVERYBODY = AnonymousUser()


@dataclass(frozen=True)
class Subject:
    """What is told about: its name, its page, and the public evaluations that concern it."""

    name: str
    page: str
    standing: str
    evaluations: QuerySet[Evaluation]


def subject(kind: str, slug: str) -> Subject | None:
    """Find one of ``potentials``, ``tasks`` or ``leaderboards``; None where none is public."""
    match kind:
        case "potentials":
            return _potential(slug)
        case "tasks":
            return _task(slug)
        case _:
            return _benchmark(slug)


def news(subject_of_news: Subject) -> list[Evaluation]:
    """Successes, the newest first, as everybody may know them."""
    rows = subject_of_news.evaluations.filter(state="succeeded", is_current=True)
    related = ("submission__potential", "task_version__task", "task_version__reference_set")
    newest = rows.select_related(*related).order_by("-finished_at")[:_N_NEWS]
    return [seen_by(None, evaluation) for evaluation in newest]


def _visible() -> QuerySet[Evaluation]:
    rows: QuerySet[Evaluation] = Evaluation.objects.all().visible_to(_EVERYBODY)
    return rows


def _potential(slug: str) -> Subject | None:
    public = Submission.objects.all().visible_to(_EVERYBODY)
    potential = Potential.objects.filter(slug=slug, submissions__in=public).first()
    if potential is None:
        return None
    return Subject(
        name=potential.name,
        page=potential.get_absolute_url(),
        standing=_standing(potential),
        evaluations=_visible().filter(submission__potential=potential),
    )


def _standing(potential: Potential) -> str:
    """Say where its best version stands on the board of the first page."""
    version = default_benchmark()
    if version is None:
        return "not ranked"
    ranked = [row for row in view_of(current_board(version)).rows if row.rank]
    for row in ranked:
        if row.entrant.slug == potential.slug:
            words = f"{_rank(row)} of {len(ranked)}"
            n_pending = _n_pending(version)
            return f"{words}, {n_pending} pending" if n_pending else words
    return "not ranked"


def _n_pending(version: BenchmarkVersion) -> int:
    """Potentials with something still to be evaluated: ranks are provisional until then."""
    open_ones = _visible().filter(
        is_current=True,
        state__in=(EvaluationState.QUEUED, EvaluationState.RUNNING),
        task_version__in=version.entries.values("task_version"),
    )
    return int(open_ones.order_by().values("submission__potential").distinct().count())


def _task(slug: str) -> Subject | None:
    task = Task.objects.filter(slug=slug).first()
    version = task.shown_version() if task else None
    if task is None or version is None:
        return None
    return Subject(
        name=task.name,
        page=task.get_absolute_url(),
        standing=_leaders(current_task_board(version).rows),
        evaluations=_visible().filter(task_version=version),
    )


def _benchmark(slug: str) -> Subject | None:
    benchmark = Benchmark.objects.filter(slug=slug).first()
    version = benchmark.shown_version() if benchmark else None
    if benchmark is None or version is None:
        return None
    tasks = version.entries.values("task_version")
    return Subject(
        name=benchmark.name,
        page=f"/benchmarks/{benchmark.slug}/",
        standing=_leaders(view_of(current_board(version)).rows),
        evaluations=_visible().filter(task_version__in=tasks),
    )


def _leaders(rows: Iterable[BoardRow | TaskRow]) -> str:
    first = [row.entrant.title for row in rows if row.rank == 1]
    if not first:
        return "nobody ranked yet"
    return f"1st: {first[0]}" + (f" and {len(first) - 1} more" if len(first) > 1 else "")


def _rank(row: BoardRow) -> str:
    """The rank, with its interval where that says more."""
    if row.rank_low is None or row.rank_low == row.rank_high:
        return f"rank {row.rank}"
    return f"rank {row.rank} ({row.rank_low}–{row.rank_high})"
