"""How the versions of one potential went on a board: rows as they were written, and their words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Exists, OuterRef, QuerySet

from leaderboard.enums import StandingChange
from leaderboard.models import (
    BenchmarkVersion,
    BoardHistory,
    Potential,
    StandingRecord,
    Submission,
)

_WORDS = {
    StandingChange.ENTERED: "entered",
    StandingChange.RETURNED: "back with new scores",
    StandingChange.WITHDRAWN: "withdrawn",
    StandingChange.REPEATED: "off the board while a task is evaluated anew",
}


@dataclass(frozen=True, kw_only=True)
class Written:
    """How far a board's history is written: ``through`` is None where it has not begun."""

    through: datetime | None
    n_waiting: int


def history_of(
    potential: Potential, version: BenchmarkVersion, user: User | AnonymousUser
) -> QuerySet[StandingRecord]:
    """Find the rows of the versions that this user may see, the newest first.

    On the given version of the board, and before it was published on the one that was current then.
    """
    later = BenchmarkVersion.objects.filter(
        benchmark=version.benchmark_id,
        number__gt=OuterRef("benchmark_version__number"),
        number__lte=version.number,
        published_at__lte=OuterRef("since"),
    )
    return StandingRecord.objects.filter(
        ~Exists(later),
        benchmark_version__benchmark=version.benchmark_id,
        benchmark_version__number__lte=version.number,
        submission__in=Submission.objects.all().visible_to(user).filter(potential=potential),
    ).select_related("submission__potential", "benchmark_version__benchmark")


def published_until(version: BenchmarkVersion) -> QuerySet[BenchmarkVersion, tuple[Any, ...]]:
    """When each version of the board was published, up to this one: (time, number)."""
    versions = BenchmarkVersion.objects.filter(
        benchmark=version.benchmark_id, number__lte=version.number, published_at__isnull=False
    )
    return versions.order_by("published_at").values_list("published_at", "number")


def written(version: BenchmarkVersion) -> Written:
    stored = BoardHistory.objects.filter(pk=version.pk).first()
    if stored is None:
        return Written(through=None, n_waiting=0)
    return Written(through=stored.through, n_waiting=stored.n_waiting)


def why(row: StandingRecord) -> str:
    """What is known of the reason, in a few words."""
    change = StandingChange(row.change)
    if change == StandingChange.PUBLISHED:
        return f"on version {row.benchmark_version.number} of the board when it was published"
    if change != StandingChange.MOVED:
        return _WORDS[change]
    if row.rank is None:
        return "no longer ranked"
    if row.rank_before is None:
        return "ranked again"
    reasons = []
    if row.n_came_above:
        reasons.append(f"{_others(row.n_came_above)} came above it")
    if row.n_left_above:
        reasons.append(f"{_others(row.n_left_above)} above it left")
    if row.rank == row.rank_before and not reasons:
        return "same rank; its interval changed as others came or left"
    return ", ".join(reasons)


def _others(n: int) -> str:
    return f"{n} other" if n == 1 else f"{n} others"
