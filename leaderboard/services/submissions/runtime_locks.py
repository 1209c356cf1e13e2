"""Locks that submissions bring: read before anything is stored, and kept once for all."""

from __future__ import annotations

from django.conf import settings

from evaluator.exceptions import SubmissionError as EvaluatorError
from evaluator.runtimes.definitions import UnknownRuntime, serving
from evaluator.runtimes.own_locks import read_own_lock
from evaluator.runtimes.own_names import ALL_OWN, KIND
from leaderboard.exceptions import SubmissionError
from leaderboard.models import RuntimeLock
from leaderboard.services.evaluations.runtime_builds import own_limits, try_again


def lock_of(kind: str, text: str) -> RuntimeLock | None:
    """The lock of a submission, stored already or not; None where it brings none.

    Raises SubmissionError, for a runtime that is closed, too.
    """
    if not text.strip():
        _refuse_closed(kind)
        return None
    if kind != KIND:
        raise SubmissionError(
            {"lock": f"Only submissions of the kind {KIND} bring a lock; {kind} has its runtime."}
        )
    if ALL_OWN in settings.CLOSED_RUNTIMES:
        raise SubmissionError({"lock": "This site builds no runtimes of submissions."})
    try:
        lock = read_own_lock(text, own_limits())
    except EvaluatorError as error:
        raise SubmissionError({"lock": str(error)}) from error
    there = RuntimeLock.objects.filter(sha256=lock.sha256).first()
    return there or RuntimeLock(sha256=lock.sha256, text=text, n_packages=len(lock.packages))


def keep(lock: RuntimeLock) -> RuntimeLock:
    """Store a lock, unless it is there; one that was refused is tried again.

    What it was refused for may be gone: a limit of the site's, a wheel that an index lacked.
    """
    if lock.pk is not None:
        try_again(RuntimeLock.objects.filter(pk=lock.pk))
        return lock
    given = {"text": lock.text, "n_packages": lock.n_packages}
    return RuntimeLock.objects.get_or_create(sha256=lock.sha256, defaults=given)[0]


def _refuse_closed(kind: str) -> None:
    try:
        name = serving(kind).name
    except UnknownRuntime:
        return
    if name in settings.CLOSED_RUNTIMES:
        raise SubmissionError(
            {"calculator_kind": f"This site takes no new submissions for the runtime {name}."}
        )
