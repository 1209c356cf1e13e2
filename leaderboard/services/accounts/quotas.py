"""How many evaluations an account may ask for: in a day, in a month, at the same time.

The team pays for its own potentials, the person for his. The staff pays nothing, nor does whoever
gets an evaluation that he did not ask for (a back-fill). What ended by a fault of the service, or
was stopped before a worker took it up, is given back: see ``models/usage.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from leaderboard.exceptions import QuotaExceeded
from leaderboard.models import Charge, Evaluation, Potential, QuotaOverride, Team
from leaderboard.services.accounts.hidden_sets import check_hidden_sets

Payer = User | Team


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """One limit, what of it is used, and when it starts anew (None: as evaluations end)."""

    name: str
    limit: int
    used: int
    resets_at: datetime | None

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


def payer_of(user: User, potential: Potential) -> Payer:
    """Return on whose account the evaluations of a potential go when this user asks for them."""
    return potential.team if potential.team is not None else user


def allowances(payer: Payer) -> list[Allowance]:
    """The account's limits and what is used of them."""
    now = timezone.now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = today.replace(day=1)
    next_month = (month + timedelta(days=32)).replace(day=1)
    charges = Charge.objects.filter(**_held_by(payer))
    recent = charges.filter(at__gte=month).counted()
    used = recent.aggregate(day=Count("pk", filter=Q(at__gte=today)), month=Count("pk"))
    active = charges.active().count()
    limit = _limits(payer)
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
    ]


def check(user: User, potential: Potential, n: int) -> None:
    """Raise QuotaExceeded if ``n`` more evaluations are more than is left; binds nobody."""
    if user.is_staff or n == 0:
        return
    payer = payer_of(user, potential)
    for allowance in allowances(payer):
        if n > allowance.remaining:
            raise _exceeded(payer, allowance, n)


def charge(user: User, potential: Potential, evaluations: Sequence[Evaluation]) -> None:
    """Put evaluations on the account of who asked for them, or raise QuotaExceeded.

    Belongs into the transaction that queues them. The account's row is locked, so that requests
    at the same time are counted one after the other; the lock leaves foreign keys to it alone.
    """
    if user.is_staff or not evaluations:
        return
    payer = payer_of(user, potential)
    with transaction.atomic():
        # Not type(payer): pages have a lazy user, whose type is another.
        payer.__class__._default_manager.select_for_update(no_key=True).get(pk=payer.pk)
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
    for name, usual in settings.QUOTAS.items():
        differs = getattr(own, name, None)
        limits[name] = usual if differs is None else differs
    return limits


def _exceeded(payer: Payer, allowance: Allowance, n: int) -> QuotaExceeded:
    who = f"The team {payer}" if isinstance(payer, Team) else "Your account"
    what = {
        "per_day": "evaluations in a day",
        "per_month": "evaluations in a month",
        "concurrent": "evaluations queued or running at the same time",
    }[allowance.name]
    until = (
        "Wait until some have ended, or cancel some."
        if allowance.resets_at is None
        else f"It starts anew at {allowance.resets_at:%Y-%m-%d %H:%M} UTC."
    )
    return QuotaExceeded(
        f"{who} may ask for {allowance.limit} {what}; {allowance.used} are used and this would "
        f"take {n} more. {until} Choose fewer tasks, or ask the site's administrators for more.",
        limit=allowance.name,
        resets_at=allowance.resets_at,
    )
