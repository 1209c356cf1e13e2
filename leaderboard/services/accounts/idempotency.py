"""A request that carries an Idempotency-Key is done once; repeated, it is answered the same.

The key's row is inserted in the transaction of what the request does. A second request with the
same key waits for that transaction: it then finds the answer, or, where the first failed and left
nothing, is done itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from leaderboard.exceptions import KeyReusedError
from leaderboard.models import IdempotencyKey

KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    is_replayed: bool = False


def answer_once(user: User, key: str, fingerprint: str, act: Callable[[], Answer]) -> Answer:
    """Do ``act`` and keep its answer, or give the one that is kept. Raises KeyReusedError."""
    with transaction.atomic():
        row, is_new = IdempotencyKey.objects.get_or_create(
            user=user, key=key, defaults={"fingerprint": fingerprint}
        )
        if not is_new:
            if row.fingerprint != fingerprint:
                raise KeyReusedError(
                    "This Idempotency-Key was used with another request. Take a new one."
                )
            return Answer(row.status, row.body, row.headers, is_replayed=True)
        answer = act()
        row.status, row.body, row.headers = answer.status, answer.body, answer.headers
        row.save(update_fields=["status", "body", "headers"])
    return answer


def forget_old() -> int:
    """Remove answers that nobody will ask for again; returns how many."""
    return IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
