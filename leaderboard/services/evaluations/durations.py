"""How long a task takes, as it took others."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.db import connection

#: Of so many recent successes the median tells how long a task takes.
_N_RECENT = 20
_MEDIANS = """
SELECT version.id, percentile_cont(0.5) WITHIN GROUP (ORDER BY recent.wall_time_s)
FROM unnest(%s::bigint[]) AS version (id) CROSS JOIN LATERAL (
    SELECT wall_time_s FROM leaderboard_evaluation
    WHERE task_version_id = version.id AND state = 'succeeded' AND wall_time_s IS NOT NULL
    ORDER BY finished_at DESC LIMIT %s
) AS recent GROUP BY version.id
"""


def typical_durations(task_version_ids: Collection[int]) -> dict[int, timedelta]:
    """Median wall time of recent successes by task version; those without any are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_MEDIANS, [list(task_version_ids), _N_RECENT])
        return {pk: timedelta(seconds=median_s) for pk, median_s in cursor.fetchall()}
