"""What workers say of the runtimes that submissions bring, and what an evaluation makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from evaluator.runtimes.own_locks import OwnLimits
from leaderboard.enums import RuntimeState
from leaderboard.lib.json_values import clean_text
from leaderboard.models import RuntimeLock

_MOST_LOG_CHARS = 20_000
_MOST_CHARS = 2_000


def own_limits() -> OwnLimits:
    """How much a runtime of a submission may be, as the settings say."""
    return OwnLimits(
        n_packages=settings.OWN_RUNTIME_PACKAGES,
        size_MiB=settings.OWN_RUNTIME_MIB,
        n_files=settings.OWN_RUNTIME_FILES,
        build_time_s=settings.OWN_RUNTIME_BUILD_S,
    )


def record_building(lock: RuntimeLock) -> None:
    """Say that a worker builds it. What was built elsewhere stays built."""
    RuntimeLock.objects.filter(pk=lock.pk).exclude(state=RuntimeState.BUILT).update(
        state=RuntimeState.BUILDING, message=""
    )


def record_built(lock: RuntimeLock, described: Mapping[str, Any], log: str) -> None:
    """Keep what was built: its digest, Python, packages, size and time."""
    RuntimeLock.objects.filter(pk=lock.pk).update(
        state=RuntimeState.BUILT,
        message="",
        log=_cut(log),
        digest=described["digest"],
        python=described["python"],
        packages=dict(described["packages"]),
        n_bytes=described["n_bytes"],
        build_time_s=described["build_time_s"],
        built_at=timezone.now(),
        last_used_at=Now(),
    )


def record_used(lock: RuntimeLock) -> None:
    """Say that an evaluation begins in it."""
    RuntimeLock.objects.filter(pk=lock.pk).update(last_used_at=Now())


def record_stopped(lock: RuntimeLock) -> None:
    """Say that nobody builds it any more: its evaluation was cancelled or goes on elsewhere."""
    RuntimeLock.objects.filter(pk=lock.pk, state=RuntimeState.BUILDING).update(
        state=RuntimeState.WAITING
    )


def try_again(locks: QuerySet[RuntimeLock]) -> int:
    """Have refused locks built anew by the next evaluation; how many."""
    return locks.filter(state=RuntimeState.REFUSED).update(state=RuntimeState.WAITING, message="")


def record_refused(lock: RuntimeLock, message: str, log: str) -> None:
    """Keep why nothing can be built of it. It is not tried again."""
    RuntimeLock.objects.filter(pk=lock.pk).update(
        state=RuntimeState.REFUSED, message=clean_text(message)[:_MOST_CHARS], log=_cut(log)
    )


def record_failed(lock: RuntimeLock, message: str, log: str) -> None:
    """Keep what went wrong on our side. What was built elsewhere stays built."""
    RuntimeLock.objects.filter(pk=lock.pk).exclude(state=RuntimeState.BUILT).update(
        state=RuntimeState.FAILED, message=clean_text(message)[:_MOST_CHARS], log=_cut(log)
    )


def _cut(log: str) -> str:
    return clean_text(log)[-_MOST_LOG_CHARS:]
