"""How often anybody may ask to be judged on a hidden set.

Each evaluation tells a few rounded numbers. Who may ask without end adds them up to the labels, so
an account has a number of evaluations for each task version in a month; a potential is repeated
within it too. It counts for the account that pays and for the person who asks, whose teams would
else each have a share of their own. What ended by our fault, or never began, told nothing and is
not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from leaderboard.exceptions import QuotaExceeded
from leaderboard.lib.moments import month_around
from leaderboard.models import Charge, Evaluation, Team

LIMIT = "hidden_per_month"


def check_hidden_sets(
    user: User, payer: dict[str, User | Team], evaluations: Sequence[Evaluation]
) -> None:
    """Raise QuotaExceeded if these, which are queued, are more than is left on some hidden set.

    Belongs into the transaction that has locked who asks and who pays: ``quotas.charge``.
    """
    asked = Counter(
        Evaluation.objects.filter(
            pk__in=[evaluation.pk for evaluation in evaluations],
            task_version__reference_set__is_public=False,
        ).values_list("task_version_id", flat=True)
    )
    if not asked:
        return
    month, next_month = month_around(timezone.now())
    asker = Q(**payer) | Q(evaluation__submission__submitted_by=user)
    charges = Charge.objects.filter(asker, at__gte=month, evaluation__task_version__in=asked)
    used = Counter(charges.counted().values_list("evaluation__task_version_id", flat=True))
    for version, n in asked.items():
        if used[version] + n > settings.HIDDEN_EVALUATIONS_PER_MONTH:
            raise _exceeded(used[version], next_month)


def _exceeded(n_used: int, resets_at: datetime) -> QuotaExceeded:
    return QuotaExceeded(
        f"On a task with a hidden reference set an account may ask for "
        f"{settings.HIDDEN_EVALUATIONS_PER_MONTH} evaluations in a month; {n_used} are used. "
        f"It starts anew at {resets_at:%Y-%m-%d %H:%M} UTC. Choose other tasks until then.",
        limit=LIMIT,
        resets_at=resets_at,
    )
