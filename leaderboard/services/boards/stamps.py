"""Whether a stored board is still the board: a stamp of all that it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection
from django.db.models import Max
from django.utils import timezone

from leaderboard.models import BoardChange

_CHANGES_KEPT = timedelta(days=7)
_CHANGES = """SELECT max(id), count(*), sum(id) FROM leaderboard_boardchange
    WHERE task_version_id IS NULL OR task_version_id IN"""

_CHANGES_OF_EACH = """SELECT task.id, max(change.id), count(change.id), sum(change.id)
    FROM unnest(%s::bigint[]) AS task (id) LEFT JOIN leaderboard_boardchange AS change
    ON change.task_version_id IS NULL OR change.task_version_id = task.id GROUP BY task.id"""


def stamp_of_benchmark(version: int) -> str:
    """Differs whenever anything that the board of a benchmark version shows has changed. One query.

    Changes are only added, and may become visible out of order: their count and sum tell of one
    that was numbered early and committed late.
    """
    tasks = "SELECT task_version_id FROM leaderboard_benchmarktask WHERE benchmark_version_id = %s"
    return _stamp(tasks, version)


def stamp_of_task(version: int) -> str:
    """Differs whenever anything that a task version's board shows has changed. One query."""
    return _stamp("%s", version)


def stamps_of_tasks(versions: Sequence[int]) -> dict[int, str]:
    """Stamp several task versions, each by itself. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES_OF_EACH, [list(versions)])
        rows = cursor.fetchall()
    return {pk: f"{last or 0}.{count}.{total or 0}" for pk, last, count, total in rows}


def _stamp(tasks: str, version: int) -> str:
    # Every request asks this: it is written out, since building a query takes longer than it runs.
    with connection.cursor() as cursor:
        cursor.execute(f"{_CHANGES} ({tasks})", [version])
        last, count, total = cursor.fetchone()
    return f"{last or 0}.{count}.{total or 0}"


def forget_old_changes() -> int:
    """Remove changes that are older than any open transaction; boards are computed anew once.

    The last change of each task, and of all, stays: its number lets no stamp ever return, under
    which a board of another time may still be stored.
    """
    last = BoardChange.objects.order_by().values("task_version").annotate(last=Max("pk"))
    old = BoardChange.objects.filter(at__lt=timezone.now() - _CHANGES_KEPT)
    return int(old.exclude(pk__in=last.values("last")).delete()[0])
