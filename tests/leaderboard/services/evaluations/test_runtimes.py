from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.utils import timezone

from evaluator.runtimes.own_locks import read_own_lock
from leaderboard import models
from leaderboard.enums import RuntimeState, Visibility
from leaderboard.services.evaluations import runtime_builds
from leaderboard.services.evaluations.runtimes import brought_runtimes, runtime_page
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
_NAMES = ("ase==3.29.0", "msgpack==1.2.4", "numpy==2.4.6")
LOCK = "".join(f"{name} --hash=sha256:{'a' * 64}\n" for name in _NAMES)


def _lock(**fields: Any) -> models.RuntimeLock:
    sha256 = read_own_lock(LOCK).sha256
    return models.RuntimeLock.objects.create(sha256=sha256, text=LOCK, n_packages=3, **fields)


def _brought_by(name: str, visibility: str, lock: models.RuntimeLock) -> models.Submission:
    potential = factories.potential(owner=factories.user(name))
    return factories.submission(potential, visibility=visibility, runtime_lock=lock)


def test_a_runtime_of_a_private_submission_is_seen_by_its_owner_alone() -> None:
    lock = _lock(log="what was built")
    _brought_by("alice", Visibility.PRIVATE, lock)
    alice, bob, nobody = factories.user("alice"), factories.user("bob"), AnonymousUser()

    seen = runtime_page(alice, lock.name)

    assert seen is not None
    assert seen.log == "what was built"
    assert seen.runtime.packages == {"ase": "3.29.0", "msgpack": "1.2.4", "numpy": "2.4.6"}
    assert [runtime.name for runtime in brought_runtimes(alice)] == [lock.name]
    for stranger in (bob, nobody):
        assert runtime_page(stranger, lock.name) is None
        assert brought_runtimes(stranger) == []


def test_the_log_of_a_public_one_is_its_owner_s() -> None:
    lock = _lock(log="what was built")
    _brought_by("alice", Visibility.PUBLIC, lock)

    alice, bob = factories.user("alice"), factories.user("bob")

    assert [getattr(runtime_page(who, lock.name), "log", None) for who in (alice, bob)] == [
        "what was built",
        "",
    ]


def test_known_answers_are_told_as_the_workers_say(client: Client) -> None:
    verification = {
        "n_answers": 4,
        "largest_energy_error_eV_per_atom": 2e-7,
        "largest_force_error_eV_per_A": 3e-6,
    }
    ready = {"state": "ready", "kinds": ["ase"], "digest": "d" * 64, "verification": verification}
    models.Worker.objects.create(
        name="w", device="cpu", last_seen_at=timezone.now(), runtimes={"classical": ready}
    )

    page = client.get("/runtimes/classical/").content.decode()
    answer = client.get("/api/v1/runtimes/classical/").json()

    assert "4 asked; at most" in page
    assert [(o["state"], o["n_answers"]) for o in answer["offers"]] == [("ready", 4)]
    assert client.get("/runtimes/nothing/").status_code == 404


def test_what_was_built_stays_built_where_another_worker_fails() -> None:
    lock = _lock(state=RuntimeState.BUILT)

    runtime_builds.record_building(lock)
    runtime_builds.record_failed(lock, "no network", "")

    lock.refresh_from_db()
    assert lock.state == RuntimeState.BUILT


def test_a_refused_lock_is_tried_again_only_when_the_staff_says_so() -> None:
    lock = _lock(state=RuntimeState.BUILDING)
    runtime_builds.record_refused(lock, "Line 4: no wheel", "log")
    lock.refresh_from_db()
    assert (lock.state, lock.message) == (RuntimeState.REFUSED, "Line 4: no wheel")

    assert runtime_builds.try_again(models.RuntimeLock.objects.all()) == 1

    lock.refresh_from_db()
    assert (lock.state, lock.message) == (RuntimeState.WAITING, "")
