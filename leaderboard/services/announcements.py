"""What badges and feeds tell: the standing and the news of a potential, a task or a benchmark.

Both are for everybody, so they hold what is public and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from leaderboard.enums import VersionState
from leaderboard.models import Benchmark, Evaluation, Potential, Submission, Task
from leaderboard.services.board_types import BoardRow, TaskRow
from leaderboard.services.leaderboards import benchmark_board, task_board
from leaderboard.services.submissions import default_benchmark

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
    """Of ``potentials``, ``tasks`` or ``leaderboards``; None where the public knows no such."""
    match kind:
        case "potentials":
            return _potential(slug)
        case "tasks":
            return _task(slug)
        case _:
            return _benchmark(slug)


def news(found: Subject) -> list[Evaluation]:
    """Successes, the newest first."""
    rows = found.evaluations.filter(state="succeeded", is_current=True)
    related = ("submission__potential", "task_version__task")
    return list(rows.select_related(*related).order_by("-finished_at")[:_N_NEWS])


def _visible() -> QuerySet[Evaluation]:
    rows: QuerySet[Evaluation] = Evaluation.objects.all().visible_to(_EVERYBODY)
    return rows


def _potential(slug: str) -> Subject | None:
    public = Submission.objects.all().visible_to(_EVERYBODY)
    found = Potential.objects.filter(slug=slug, submissions__in=public).first()
    if found is None:
        return None
    version = default_benchmark()
    rows: Sequence[BoardRow] = ()
    if version is not None:
        rows = benchmark_board(version, user=_EVERYBODY).rows
    own = [r for r in rows if r.submission.potential_id == found.pk and r.rank is not None]
    best = min(own, key=lambda r: r.rank or 0, default=None)
    n_ranked = sum(r.rank is not None for r in rows)
    return Subject(
        name=found.name,
        page=found.get_absolute_url(),
        standing="not ranked" if best is None else f"{_rank(best)} of {n_ranked}",
        evaluations=_visible().filter(submission__potential=found),
    )


def _task(slug: str) -> Subject | None:
    found = Task.objects.filter(slug=slug).first()
    version = found.current_version() if found else None
    if found is None or version is None:
        return None
    return Subject(
        name=found.name,
        page=found.get_absolute_url(),
        standing=_leader(task_board(version, user=_EVERYBODY).rows),
        evaluations=_visible().filter(task_version=version),
    )


def _benchmark(slug: str) -> Subject | None:
    found = Benchmark.objects.filter(slug=slug, versions__state=VersionState.PUBLISHED).first()
    version = found.current_version() if found else None
    if found is None or version is None:
        return None
    tasks = version.entries.values("task_version")
    return Subject(
        name=found.name,
        page=f"/benchmarks/{found.slug}/",
        standing=_leader(benchmark_board(version, user=_EVERYBODY).rows),
        evaluations=_visible().filter(task_version__in=tasks),
    )


def _leader(rows: Sequence[TaskRow | BoardRow]) -> str:
    first = [str(row.submission) for row in rows if row.rank == 1]
    if not first:
        return "nobody ranked yet"
    return f"1st: {first[0]}" + (f" and {len(first) - 1} more" if len(first) > 1 else "")


def _rank(row: BoardRow) -> str:
    """The rank, with its interval where that says more."""
    if row.rank_low is None or row.rank_low == row.rank_high:
        return f"rank {row.rank}"
    return f"rank {row.rank} ({row.rank_low}–{row.rank_high})"
