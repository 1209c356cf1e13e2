"""Runtimes as pages and API tell of them: those that ship, and those that submissions bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Count, Q, QuerySet

from evaluator.runtimes.definitions import RuntimeDefinition, known_definitions
from evaluator.runtimes.locks import CPU, Lock
from evaluator.runtimes.own_names import ALL_OWN, KIND, LABEL, PREFIX
from leaderboard.enums import RuntimeState
from leaderboard.models import Evaluation, RuntimeLock, Submission
from leaderboard.models.permissions import may_read_private
from leaderboard.services.evaluations.workers import live_workers

_MOST_ROWS = 200
_MOST_OWN = 200


@dataclass(frozen=True, kw_only=True)
class RuntimeRow:
    """A runtime without those who use it."""

    name: str
    label: str
    kinds: tuple[str, ...]
    #: A range of versions, or the one that it was built for.
    python: str
    n_packages: int
    #: Versions by name; left out of lists.
    packages: Mapping[str, str]
    lock_sha256: str
    #: Whether new submissions may run in it.
    is_open: bool
    is_brought: bool = False
    #: Of brought ones: what has become of it.
    state: str = ""
    message: str = ""
    digest: str = ""
    n_bytes: int | None = None
    build_time_s: float | None = None
    built_at: datetime | None = None
    last_used_at: datetime | None = None

    def get_absolute_url(self) -> str:
        return f"/runtimes/{self.name}/"


@dataclass(frozen=True, kw_only=True)
class RuntimeUser:
    """A submission that was evaluated in a runtime, and the digest that it had then."""

    submission: Submission
    digest: str
    n_evaluations: int


@dataclass(frozen=True, kw_only=True)
class RuntimeOffer:
    """What a worker that lives says of a runtime: what it has built, and how that answered."""

    device: str
    #: "ready", "building", "absent" or "faulty".
    state: str
    digest: str
    python: str
    #: Known answers that it was asked; None before.
    n_answers: int | None
    largest_energy_error_eV_per_atom: float | None
    largest_force_error_eV_per_A: float | None
    message: str


@dataclass(frozen=True, kw_only=True)
class RuntimePage:
    runtime: RuntimeRow
    offers: list[RuntimeOffer] = field(default_factory=list)
    used_by: list[RuntimeUser] = field(default_factory=list)
    #: Of its last build; for whoever may read what is private of a submission that brings it.
    log: str = ""


def shipped_runtimes() -> list[RuntimeRow]:
    """Those that ship with the service, by name."""
    return [_shipped(definition) for definition in known_definitions().values()]


def brought_runtimes(reader: User | AnonymousUser) -> list[RuntimeRow]:
    """Those of submissions that the reader may see, the newest first."""
    locks = _visible_locks(reader).defer("text", "log", "packages")
    return [_brought(lock, {}) for lock in locks[:_MOST_OWN]]


def runtime_page(reader: User | AnonymousUser, name: str) -> RuntimePage | None:
    """One runtime with the submissions that ran in it; None where the reader may see none."""
    users = _users(reader, name)
    if name in known_definitions():
        row = _shipped(known_definitions()[name])
        return RuntimePage(runtime=row, offers=_offers(name), used_by=users)
    if not name.startswith(PREFIX):
        return None
    lock = _visible_locks(reader).filter(sha256__startswith=name.removeprefix(PREFIX)).first()
    if lock is None or lock.name != name:
        return None
    log = lock.log if _may_read_log(reader, lock) else ""
    row = _brought(lock, lock.packages or _named(lock))
    return RuntimePage(runtime=row, used_by=users, log=log)


def _offers(name: str) -> list[RuntimeOffer]:
    """Of workers that live and tell of their runtimes."""
    return [
        _offer(worker.device, worker.runtimes[name])
        for worker in live_workers()
        if worker.runtimes and name in worker.runtimes
    ]


def _offer(device: str, told: Mapping[str, Any]) -> RuntimeOffer:
    verification = told.get("verification", {})
    return RuntimeOffer(
        device=device,
        state=told["state"],
        digest=told.get("digest", ""),
        python=told.get("python", ""),
        n_answers=verification.get("n_answers"),
        largest_energy_error_eV_per_atom=verification.get("largest_energy_error_eV_per_atom"),
        largest_force_error_eV_per_A=verification.get("largest_force_error_eV_per_A"),
        message=told.get("message", ""),
    )


def _visible_locks(reader: User | AnonymousUser) -> QuerySet[RuntimeLock]:
    seen = Submission.objects.all().visible_to(reader).filter(runtime_lock__isnull=False)
    return RuntimeLock.objects.filter(pk__in=seen.values("runtime_lock"))


def _may_read_log(reader: User | AnonymousUser, lock: RuntimeLock) -> bool:
    theirs = lock.submissions.select_related("potential__team")
    return any(may_read_private(reader, submission.potential) for submission in theirs)


def _users(reader: User | AnonymousUser, name: str) -> list[RuntimeUser]:
    seen = Submission.objects.all().visible_to(reader)
    counted = (
        Evaluation.objects.filter(
            Q(is_current=True), provenance__runtime__name=name, submission__in=seen
        )
        .values_list("submission_id", "provenance__runtime__digest")
        .annotate(n=Count("pk"))
        .order_by("submission_id", "provenance__runtime__digest")[:_MOST_ROWS]
    )
    rows = list(counted)
    submissions = Submission.objects.select_related("potential").in_bulk([row[0] for row in rows])
    return [
        RuntimeUser(submission=submissions[pk], digest=str(digest), n_evaluations=n)
        for pk, digest, n in rows
    ]


def _shipped(definition: RuntimeDefinition) -> RuntimeRow:
    sha256, packages = _locked(definition)
    return RuntimeRow(
        name=definition.name,
        label=definition.label,
        kinds=definition.kinds,
        python=str(definition.python),
        n_packages=len(packages),
        packages=packages,
        lock_sha256=sha256,
        is_open=definition.name not in settings.CLOSED_RUNTIMES,
    )


@cache
def _locked(definition: RuntimeDefinition) -> tuple[str, Mapping[str, str]]:
    """The hash of a definition's lock for the processor, and its packages."""
    path = definition.lock_file(CPU)
    if not path.is_file():
        return "", {}
    lock = Lock.read(path)
    return lock.sha256, {package.name: package.version for package in lock.packages}


def _brought(lock: RuntimeLock, packages: Mapping[str, str]) -> RuntimeRow:
    return RuntimeRow(
        name=lock.name,
        label=LABEL,
        kinds=(KIND,),
        python=lock.python,
        n_packages=len(packages) or lock.n_packages,
        packages=packages,
        lock_sha256=lock.sha256,
        is_open=ALL_OWN not in settings.CLOSED_RUNTIMES,
        is_brought=True,
        state=lock.state,
        message=lock.message,
        digest=lock.digest,
        n_bytes=lock.n_bytes,
        build_time_s=lock.build_time_s,
        built_at=lock.built_at,
        last_used_at=lock.last_used_at,
    )


def _named(lock: RuntimeLock) -> dict[str, str]:
    """What a lock names, of which nothing is built yet."""
    return {package.name: package.version for package in Lock.parse(lock.text).packages}


def state_sentence(lock: RuntimeLock) -> str:
    """What has become of a brought runtime, for whoever waits for it."""
    sentences = {
        RuntimeState.WAITING: "Its runtime is built when its first evaluation begins.",
        RuntimeState.BUILDING: "A worker builds its runtime.",
        RuntimeState.BUILT: "Its runtime is built.",
        RuntimeState.REFUSED: "Nothing can be built of its lock.",
        RuntimeState.FAILED: "Its runtime could not be built, by a fault of ours; it is tried "
        "again with its next evaluation.",
    }
    return f"{sentences[RuntimeState(lock.state)]} {lock.message}".strip()
