"""What an account may ask for: evaluations, time of workers, potentials, room for files.

The team pays for its own potentials, the person for his. The staff pays nothing, nor does whoever
gets an evaluation that he did not ask for (a back-fill). What ended by a fault of the service, or
was stopped before a worker took it up, is given back: see ``models/usage.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from leaderboard.enums import EvaluationState
from leaderboard.exceptions import QuotaExceeded
from leaderboard.lib.moments import month_around
from leaderboard.models import (
    Artifact,
    Charge,
    Evaluation,
    Potential,
    QuotaOverride,
    Team,
    Upload,
    WorkerTime,
)
from leaderboard.services.accounts.hidden_sets import check_hidden_sets
from leaderboard.services.accounts.parties import party_of

Payer = User | Team


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """One limit, what of it is used, and when it starts anew (None: as something ends)."""

    name: str
    limit: int
    used: int
    resets_at: datetime | None
    unit: str = "evaluations"

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def shown_used(self) -> str:
        return self._shown(self.used)

    @property
    def shown_limit(self) -> str:
        return self._shown(self.limit)

    def _shown(self, n: int) -> str:
        """For people: time of workers in hours."""
        return f"{n / 3600:.4g}" if self.unit == "worker-seconds" else str(n)


def payer_of(user: User, potential: Potential) -> Payer:
    """Return on whose account the evaluations of a potential go when this user asks for them."""
    return potential.team if potential.team is not None else user


def allowances(payer: Payer) -> list[Allowance]:
    """The account's limits and what is used of them."""
    limit = _limits(payer)
    return [*_of_evaluations(payer, limit), *_of_things(payer, limit)]


def _of_evaluations(payer: Payer, limit: dict[str, int]) -> list[Allowance]:
    """What binds who asks for evaluations: their number, and the time of workers."""
    now = timezone.now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month, next_month = month_around(now)
    charges = Charge.objects.filter(**_held_by(payer))
    recent = charges.filter(at__gte=month).counted()
    used = recent.aggregate(day=Count("pk", filter=Q(at__gte=today)), month=Count("pk"))
    active = charges.active().count()
    return [
        Allowance(
            name="per_day",
            limit=limit["per_day"],
            used=used["day"],
            resets_at=today + timedelta(days=1),
        ),
        Allowance(
            name="per_month", limit=limit["per_month"], used=used["month"], resets_at=next_month
        ),
        Allowance(name="concurrent", limit=limit["concurrent"], used=active, resets_at=None),
        *_of_worker_time(payer, limit, today),
    ]


def _of_worker_time(payer: Payer, limit: dict[str, int], today: datetime) -> list[Allowance]:
    """What ended in the day and the week, and what runs so far; smoke tests too."""
    monday = today - timedelta(days=today.weekday())
    hours = WorkerTime.objects.filter(party=party_of(payer), hour__gte=monday)
    paid = hours.aggregate(
        day=Sum("paid_seconds", filter=Q(hour__gte=today)), week=Sum("paid_seconds")
    )
    running = Evaluation.objects.filter(
        state=EvaluationState.RUNNING, parties__0=party_of(payer), started_at__isnull=False
    )
    now = timezone.now()
    begun = running.values_list("started_at", "lease_expires_at")
    # Nobody works on it after its lease has run out: an outage costs nothing.
    so_far = sum((min(now, until or now) - at).total_seconds() for at, until in begun if at)
    return [
        Allowance(
            name=f"worker_seconds_per_{period}",
            limit=limit[f"worker_seconds_per_{period}"],
            used=math.ceil((paid[period] or 0.0) + so_far),
            resets_at=resets_at,
            unit="worker-seconds",
        )
        for period, resets_at in (
            ("day", today + timedelta(days=1)),
            ("week", monday + timedelta(days=7)),
        )
    ]


def _of_things(payer: Payer, limit: dict[str, int]) -> list[Allowance]:
    stored = -(-stored_bytes(payer) // 2**20)
    things = [
        ("potentials", _own_potentials(payer).count(), "potentials"),
        ("stored_MiB", stored, "MiB"),
    ]
    rows = [
        Allowance(name=name, limit=limit[name], used=used, resets_at=None, unit=unit)
        for name, used, unit in things
    ]
    if not isinstance(payer, Team):
        n_open = Upload.objects.all().standing().filter(user=payer).count()
        open_uploads = Allowance(
            name="open_uploads",
            limit=settings.MAX_OPEN_UPLOADS,
            used=n_open,
            resets_at=None,
            unit="uploads",
        )
        rows.append(open_uploads)
    return rows


def stored_bytes(payer: Payer) -> int:
    """Files of the payer's submissions, each once, and what his uploads hold or have announced."""
    sizes = dict(_own_artifacts(payer).values_list("pk", "size_bytes"))
    if isinstance(payer, Team):
        return sum(sizes.values())
    unfinished = Upload.objects.all().standing().filter(user=payer, artifact__isnull=True)
    return sum(sizes.values()) + (unfinished.aggregate(n=Sum("size_bytes"))["n"] or 0)


def bytes_new_to(payer: Payer, artifact: Artifact) -> int:
    """What an artifact adds to what the payer keeps."""
    return 0 if _own_artifacts(payer).filter(pk=artifact.pk).exists() else artifact.size_bytes


@contextmanager
def one_more_potential(user: User, team: Team | None) -> Iterator[None]:
    """For a transaction that gives a potential to a payer. Raises QuotaExceeded."""
    payer: Payer = team if team is not None else user
    with _locked(user, payer):
        check_potentials(user, team)
        yield


def check_potentials(user: User, team: Team | None) -> None:
    """Raise QuotaExceeded if one more potential is more than is left; binds nobody."""
    payer: Payer = team if team is not None else user
    if user.is_staff:
        return
    limit, used = _limits(payer)["potentials"], _own_potentials(payer).count()
    if used >= limit:
        raise QuotaExceeded(
            f"{_who(payer)} has {used} potentials, of {limit} at most. Submit new versions "
            "to one of them, or ask the site's administrators for more.",
            limit="potentials",
            resets_at=None,
        )


@contextmanager
def room_for(user: User, payer: Payer, size_bytes: int) -> Iterator[None]:
    """For a transaction that keeps so many bytes more. Raises QuotaExceeded."""
    with _locked(user, payer):
        check_room(user, payer, size_bytes)
        yield


def check_room(user: User, payer: Payer, size_bytes: int = 0) -> None:
    """Raise QuotaExceeded if so many bytes more are more than is left; binds nobody."""
    if user.is_staff:
        return
    limit, used = _limits(payer)["stored_MiB"], stored_bytes(payer)
    if used + size_bytes > limit * 2**20:
        raise QuotaExceeded(
            f"{_who(payer)} may keep {limit} MiB; {used / 2**20:.0f} are used and this "
            f"would take {size_bytes / 2**20:.0f} more. Delete uploads that are not needed "
            "any more, or ask the site's administrators for room.",
            limit="stored_MiB",
            resets_at=None,
        )


@contextmanager
def _locked(user: User, payer: Payer) -> Iterator[None]:
    """One request of a payer after the other; the staff, whom nothing binds, does not wait."""
    with transaction.atomic():
        if not user.is_staff:
            if isinstance(payer, Team):
                # First, always: else he may ask for several of his teams at once, each uncounted.
                User.objects.select_for_update(no_key=True).get(pk=user.pk)
            # Not type(payer): pages have a lazy user, whose type is another.
            payer.__class__._default_manager.select_for_update(no_key=True).get(pk=payer.pk)
        yield


def _own_artifacts(payer: Payer) -> QuerySet[Artifact]:
    owned = Q(submissions__potential__in=_own_potentials(payer))
    if not isinstance(payer, Team):
        owned |= Q(uploads__in=Upload.objects.all().standing().filter(user=payer))
    return Artifact.objects.filter(owned)


def _own_potentials(payer: Payer) -> QuerySet[Potential]:
    if isinstance(payer, Team):
        return Potential.objects.filter(team=payer)
    return Potential.objects.filter(owner=payer, team__isnull=True)


def check(user: User, potential: Potential, n: int) -> None:
    """Raise QuotaExceeded if ``n`` more evaluations are more than is left; binds nobody."""
    if user.is_staff or n == 0:
        return
    payer = payer_of(user, potential)
    for allowance in _of_evaluations(payer, _limits(payer)):
        # Nobody knows yet what they will take of the workers: some must be left.
        needed = 1 if allowance.unit == "worker-seconds" else n
        if needed > allowance.remaining:
            raise _exceeded(payer, allowance, n)


def charge(user: User, potential: Potential, evaluations: Sequence[Evaluation]) -> None:
    """Put evaluations on the account of who asked for them, or raise QuotaExceeded.

    Belongs into the transaction that queues them. The rows of who asks and of who pays are locked,
    so that requests at the same time are counted one after the other; the locks leave foreign keys
    to them alone.
    """
    if user.is_staff or not evaluations:
        return
    payer = payer_of(user, potential)
    with _locked(user, payer):
        check(user, potential, len(evaluations))
        check_hidden_sets(user, _held_by(payer), evaluations)
        Charge.objects.bulk_create(
            Charge(evaluation=evaluation, **_held_by(payer)) for evaluation in evaluations
        )


def _held_by(payer: Payer) -> dict[str, Payer]:
    return {"team" if isinstance(payer, Team) else "user": payer}


def _limits(payer: Payer) -> dict[str, int]:
    own = QuotaOverride.objects.filter(**_held_by(payer)).first()
    limits = {}
    for name, usual in {**settings.QUOTAS, **settings.ROOM_QUOTAS}.items():
        differs = getattr(own, name, None)
        limits[name] = usual if differs is None else differs
    return limits


def _who(payer: Payer) -> str:
    return f"The team {payer}" if isinstance(payer, Team) else "Your account"


def _exceeded(payer: Payer, allowance: Allowance, n: int) -> QuotaExceeded:
    until = (
        "Wait until some have ended, or cancel some."
        if allowance.resets_at is None
        else f"It starts anew at {allowance.resets_at:%Y-%m-%d %H:%M} UTC."
    )
    if allowance.unit == "worker-seconds":
        period = allowance.name.rsplit("_", 1)[-1]
        what = (
            f"{allowance.limit / 3600:.4g} hours of workers in a {period}; "
            f"{allowance.used / 3600:.4g} are used. {until} Ask"
        )
    else:
        period = {
            "per_day": "in a day",
            "per_month": "in a month",
            "concurrent": "queued or running at the same time",
        }[allowance.name]
        what = (
            f"{allowance.limit} evaluations {period}; {allowance.used} are used and this would "
            f"take {n} more. {until} Choose fewer tasks, or ask"
        )
    return QuotaExceeded(
        f"{_who(payer)} may ask for {what} the site's administrators for more.",
        limit=allowance.name,
        resets_at=allowance.resets_at,
    )
