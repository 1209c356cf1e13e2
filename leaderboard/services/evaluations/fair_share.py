"""Who is next: fair share between parties, smoke tests first, and ageing, so that nothing starves.

A party (``accounts/parties.py``) bears a *load* in seconds: what its evaluations took of the
workers lately, halved every ``FAIR_SHARE_HALF_LIFE_S`` from the end of the hour on, and what it
has running. Time after a lease has run out, in an outage, is no load. An evaluation that has just
begun counts ``_BEGUN_S``, so that one party does not take all free slots at once. An evaluation
bears the load of the heaviest of its parties.

1. At most one smoke test of a party runs at a time.
2. Smoke tests come before all else while their party's smoke tests took less than
   ``_URGENT_SMOKE_CLOCKS`` of their clocks lately; beyond it they wait as others do.
3. Of the others, the smallest key is next: the load, less ``_PER_PRIORITY_S`` for each step of
   priority, less ``_PER_WAITED_S`` for each second waited. A load is bounded by what workers can do
   in a few half-lives, waiting is not: so everything has its turn in the end.

The statement that claims (``next_due``) and the simulation that tells places (``line.py``) have
this order alike; a test compares them. Nothing that runs is stopped for another.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from evaluator.standard_tasks.read import SMOKE_TASK
from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation
from leaderboard.models.evaluation import STAFF_PARTY

#: Load of an evaluation that has just begun, until it has run for longer.
_BEGUN_S = 600.0
_PER_PRIORITY_S = 1800.0
_PER_WAITED_S = 0.1
_URGENT_SMOKE_CLOCKS = 5
#: Older hours weigh less than a thousandth.
_HALF_LIVES = 10
#: Any number that no other advisory lock of ours has.
_CLAIM_LOCK = 0x746F756368
#: A worker that dies between two statements of a claim keeps others waiting for so long.
_CLAIM_TIMEOUT = "30s"

# Hours and running evaluations by party. "smoke" is asked once for each statement.
_IS_SMOKE = "task_version_id = ANY((SELECT versions FROM smoke)::bigint[])"
_LOADS = f"""
smoke AS (
    SELECT ARRAY(
        SELECT version.id FROM leaderboard_taskversion version
        JOIN leaderboard_task task ON task.id = version.task_id WHERE task.slug = %(smoke_task)s
    ) AS versions
), borne AS (
    SELECT party,
        seconds * power(0.5, age / %(half_life_s)s) AS load,
        smoke_seconds * power(0.5, age / %(half_life_s)s) AS smoke_load,
        false AS smoke_runs
    FROM (
        SELECT *, greatest(0,
            extract(epoch FROM statement_timestamp() - hour)::float8 - 3600
        ) AS age
        FROM leaderboard_workertime
        WHERE hour > statement_timestamp() - make_interval(secs => %(horizon_s)s)
    ) AS hours
    UNION ALL
    SELECT unnest(parties), load, CASE WHEN is_smoke THEN load ELSE 0 END, is_smoke
    FROM (
        SELECT parties, {_IS_SMOKE} AS is_smoke, greatest(
            extract(epoch FROM least(statement_timestamp(), lease_expires_at) - started_at)::float8,
            CASE WHEN {_IS_SMOKE} THEN %(smoke_s)s ELSE %(begun_s)s END
        ) AS load
        FROM leaderboard_evaluation WHERE state = 'running'
    ) AS running
), loads AS MATERIALIZED (
    SELECT party, sum(load) AS load, sum(smoke_load) AS smoke_load,
        bool_or(smoke_runs) AS smoke_runs
    FROM borne GROUP BY party
)"""  # noqa: S608  (made of constants, as what follows)
_READ_LOADS = f"WITH {_LOADS} SELECT party, load, smoke_load FROM loads"  # noqa: S608
# Only the first of each group can be next: its others bear and weigh the same and came later. So
# what is sorted stays short, however long the queue and whatever the planner believes of it.
# SKIP LOCKED: what is being cancelled or requeued at this moment is passed over.
_NEXT_DUE = f"""
WITH {_LOADS}, first AS MATERIALIZED (
    SELECT DISTINCT ON (parties COLLATE "C", is_smoke, priority)
        id, parties, priority, queued_at, is_smoke
    FROM (
        SELECT *, {_IS_SMOKE} AS is_smoke FROM leaderboard_evaluation
        WHERE state = 'queued' AND held_by_id IS NULL
            AND (not_before IS NULL OR not_before <= statement_timestamp())
    ) AS due
    WHERE %(kinds)s::varchar[] IS NULL OR EXISTS (
        SELECT 1 FROM leaderboard_submission
        WHERE leaderboard_submission.id = submission_id AND calculator_kind = ANY(%(kinds)s)
    )
    ORDER BY parties COLLATE "C", is_smoke, priority, queued_at, id
)
SELECT e.id FROM first
CROSS JOIN LATERAL (
    SELECT coalesce(max(load), 0) AS load, coalesce(max(smoke_load), 0) AS smoke_load,
        coalesce(bool_or(smoke_runs AND party <> %(staff)s), false) AS smoke_runs
    FROM loads WHERE party = ANY(first.parties)
) AS heaviest
JOIN leaderboard_evaluation e ON e.id = first.id
WHERE e.state = 'queued' AND NOT (first.is_smoke AND heaviest.smoke_runs)
ORDER BY
    NOT (first.is_smoke AND heaviest.smoke_load < %(urgent_smoke_s)s),
    heaviest.load + %(per_waited_s)s * extract(epoch FROM first.queued_at)::float8
        - CASE WHEN first.is_smoke THEN 0 ELSE first.priority END * %(per_priority_s)s,
    first.priority DESC, first.queued_at, first.id
LIMIT 1 FOR UPDATE OF e SKIP LOCKED
"""  # noqa: S608


@dataclass(frozen=True)
class Load:
    """What a party bears, in seconds of workers."""

    all_s: float = 0.0
    smoke_s: float = 0.0


def next_due(kinds: Collection[str] | None = None) -> UUID | None:
    """Lock and return what is to be claimed next, or None where nothing is due.

    Belongs into a transaction. Claims come one after the other, so that each knows what those
    before have taken: two at the same time would give the same party both slots.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{_CLAIM_TIMEOUT}'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIM_LOCK])
        asked = {"kinds": None if kinds is None else list(kinds), "staff": STAFF_PARTY}
        cursor.execute(_NEXT_DUE, _parameters() | asked)
        row = cursor.fetchone()
    return row[0] if row else None


def loads() -> dict[str, Load]:
    """What each party bears now; those that bear nothing are left out."""
    with connection.cursor() as cursor:
        cursor.execute(_READ_LOADS, _parameters())
        return {party: Load(*values) for party, *values in cursor.fetchall()}


def load_of_begun(*, is_smoke: bool) -> float:
    """Load of an evaluation at the moment in which it is claimed."""
    return float(settings.SMOKE_WALL_S) if is_smoke else _BEGUN_S


def key(
    *, load: Load, priority: int, queued_at: float, is_smoke: bool
) -> tuple[bool, float, int, float]:
    """What the queue is ordered by, the smallest first; ``queued_at`` in seconds since 1970."""
    is_urgent = is_smoke and load.smoke_s < _urgent_smoke_s()
    credit = 0.0 if is_smoke else priority * _PER_PRIORITY_S
    return not is_urgent, load.all_s + _PER_WAITED_S * queued_at - credit, -priority, queued_at


def without_blocked_smoke(waiting: QuerySet[Evaluation]) -> QuerySet[Evaluation]:
    """Leave out smoke tests whose party has one running: they are not due before it has ended."""
    return _without_smoke_beside(waiting, Evaluation.objects.all().running())


def is_blocked(evaluation: Evaluation) -> bool:
    """Whether it is a smoke test whose party has one running."""
    if evaluation.task_version.task.slug != SMOKE_TASK:
        return False
    return not _busy(Evaluation.objects.all().running()).isdisjoint(evaluation.parties)


def without_smoke_after(waiting: QuerySet[Evaluation], moment: datetime) -> QuerySet[Evaluation]:
    """Leave out smoke tests whose party had one running since ``moment``."""
    return _without_smoke_beside(waiting, Evaluation.objects.filter(heartbeat_at__gt=moment))


def blocked_by(gate: Evaluation) -> QuerySet[Evaluation]:
    """Smoke tests that could not be claimed while this one ran, the first one first."""
    return Evaluation.objects.filter(
        state=EvaluationState.QUEUED,
        held_by__isnull=True,
        task_version__task__slug=SMOKE_TASK,
        parties__overlap=[party for party in gate.parties if party != STAFF_PARTY],
    ).order_by("queued_at", "pk")


def _without_smoke_beside(
    waiting: QuerySet[Evaluation], others: QuerySet[Evaluation]
) -> QuerySet[Evaluation]:
    # Read first: those that run are few, those that wait may be ten thousand.
    busy = _busy(others)
    if not busy:
        return waiting
    return waiting.exclude(task_version__task__slug=SMOKE_TASK, parties__overlap=sorted(busy))


def _busy(others: QuerySet[Evaluation]) -> set[str]:
    """Parties of the smoke tests among these; the staff's wait for nothing."""
    smoke = others.filter(task_version__task__slug=SMOKE_TASK)
    parties = {party for some in smoke.values_list("parties", flat=True) for party in some}
    return parties - {STAFF_PARTY}


def _urgent_smoke_s() -> float:
    return _URGENT_SMOKE_CLOCKS * float(settings.SMOKE_WALL_S)


def _parameters() -> dict[str, Any]:
    half_life_s = float(settings.FAIR_SHARE_HALF_LIFE_S)
    return {
        "smoke_task": SMOKE_TASK,
        "smoke_s": load_of_begun(is_smoke=True),
        "begun_s": load_of_begun(is_smoke=False),
        "half_life_s": half_life_s,
        "horizon_s": _HALF_LIVES * half_life_s,
        "urgent_smoke_s": _urgent_smoke_s(),
        "per_waited_s": _PER_WAITED_S,
        "per_priority_s": _PER_PRIORITY_S,
    }
