from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from leaderboard import models
from leaderboard.exceptions import QuotaExceeded
from leaderboard.services.accounts import quotas, teams
from leaderboard.services.submissions import submissions, uploads
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import client_of
from tests.leaderboard.services.submissions.test_submissions import submit_emt

pytestmark = pytest.mark.django_db
USER_URL = "/api/v1/me/quota/"


@pytest.fixture(autouse=True)
def _small(settings: Any) -> None:
    settings.QUOTAS = {"per_day": 3, "per_month": 5, "concurrent": 2}


def used(payer: quotas.Payer) -> dict[str, int]:
    return {a.name: a.used for a in quotas.allowances(payer)}


def ask(potential: models.Potential, **fields: Any) -> models.Evaluation:
    """An evaluation that alice asks for."""
    row = factories.evaluation(factories.submission(potential), **fields)
    quotas.charge(factories.user("alice"), potential, [row])
    return row


ENDED = {"state": "failed", "verdict": "load_error"}


def test_what_ended_counts_for_the_day_and_what_waits_at_the_same_time_too() -> None:
    alice, potential = factories.user("alice"), factories.potential()
    ask(potential, **ENDED)
    ask(potential)
    assert {name: used(alice)[name] for name in ("per_day", "per_month", "concurrent")} == {
        "per_day": 2,
        "per_month": 2,
        "concurrent": 1,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "failed", "verdict": "infrastructure_error"},
        {"state": "failed", "verdict": "infrastructure_lost"},
        {"state": "cancelled", "verdict": "cancelled"},
    ],
)
def test_faults_of_ours_and_what_never_began_cost_nothing(fields: dict[str, str]) -> None:
    ask(factories.potential(), **fields)
    assert used(factories.user("alice"))["per_day"] == 0


def test_what_was_stopped_while_it_ran_is_counted() -> None:
    ask(factories.potential(), state="cancelled", verdict="cancelled", fencing_token=1)
    assert used(factories.user("alice"))["per_day"] == 1


def test_a_failed_smoke_test_is_counted_like_all_else() -> None:
    smoke = factories.task_version(
        models.Task.objects.create(slug="smoke", name="Smoke", summary="Loads?")
    )
    ask(factories.potential(), on=smoke, **ENDED)
    assert used(factories.user("alice"))["per_day"] == 1


def test_beyond_each_limit_the_error_says_which_and_what_to_do() -> None:
    potential, alice = factories.potential(), factories.user("alice")
    ask(potential)
    ask(potential)
    with pytest.raises(QuotaExceeded, match="2 evaluations queued or running") as caught:
        ask(potential)
    assert (caught.value.limit, caught.value.resets_at) == ("concurrent", None)
    models.Evaluation.objects.update(finished_at=timezone.now(), **ENDED)
    ask(potential, **ENDED)
    with pytest.raises(QuotaExceeded, match="3 evaluations in a day; 3 are used") as caught:
        ask(potential)
    assert caught.value.limit == "per_day"
    now = timezone.now()
    models.Charge.objects.update(at=now.replace(day=1, hour=0, minute=0, second=0))
    if now.day > 1:
        ask(potential, **ENDED)
        ask(potential, **ENDED)
        with pytest.raises(QuotaExceeded, match="5 evaluations in a month"):
            ask(potential)
        models.Charge.objects.update(at=now - timedelta(days=40))
        assert used(alice)["per_month"] == 0


def test_the_team_pays_for_its_potentials_and_not_the_person() -> None:
    alice = factories.user("alice")
    team = teams.create_team(alice, "the-team", "The team")
    ask(factories.potential(alice, team=team))
    assert used(alice)["per_day"] == 0
    assert used(team)["per_day"] == 1


def test_an_administrator_may_allow_some_more_or_nothing() -> None:
    alice, potential = factories.user("alice"), factories.potential()
    override = models.QuotaOverride.objects.create(user=alice, concurrent=0, reason="abuse")
    with pytest.raises(QuotaExceeded):
        ask(potential)
    override.concurrent = 9
    override.save()
    for _ in range(3):
        ask(potential)
    assert [a.limit for a in quotas.allowances(alice)][:3] == [3, 5, 9]


def test_the_staff_pays_nothing() -> None:
    charlie, potential = factories.charlie(), factories.potential()
    rows = [factories.evaluation(factories.submission(potential)) for _ in range(9)]
    quotas.charge(charlie, potential, rows)
    assert not models.Charge.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_requests_at_the_same_time_do_not_pass_the_limit_together() -> None:
    alice, potential = factories.user("alice"), factories.potential()
    rows = [factories.evaluation(factories.submission(potential)) for _ in range(8)]
    together, n_refused = threading.Barrier(8), []

    def charge(row: models.Evaluation) -> None:
        try:
            together.wait()
            quotas.charge(alice, potential, [row])
        except QuotaExceeded:
            n_refused.append(1)
        finally:
            connection.close()

    threads = [threading.Thread(target=charge, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(n_refused) == 6
    assert models.Charge.objects.count() == 2


def test_the_quota_is_read_and_its_end_is_a_problem_that_says_what_to_do() -> None:
    alice = factories.user("alice")
    client = client_of(alice)
    potential = factories.potential(alice)
    evaluation = ask(potential, **ENDED)
    ask(potential)
    ask(potential)
    body = client.get(USER_URL).json()
    assert body["account"] == "alice"
    assert [(a["name"], a["limit"], a["used"], a["remaining"]) for a in body["limits"][:3]] == [
        ("per_day", 3, 3, 0),
        ("per_month", 5, 3, 2),
        ("concurrent", 2, 2, 0),
    ]
    assert {a["name"]: a["unit"] for a in body["limits"][3:]} == {
        "worker_seconds_per_day": "worker-seconds",
        "worker_seconds_per_week": "worker-seconds",
        "potentials": "potentials",
        "stored_MiB": "MiB",
        "open_uploads": "uploads",
    }
    assert body["limits"][0]["resets_at"] > timezone.now().isoformat()
    address = f"/api/v1/evaluations/{evaluation.pk}/reevaluate/"
    refused = client.post(address, {"reason": "again"})
    assert refused.status_code == 429
    problem = refused.json()
    assert problem["type"] == "urn:touchstone:problem:quota_exceeded"
    assert problem["limit"] == "per_day"
    assert 0 < int(refused.headers["Retry-After"]) <= 86_400
    assert models.Evaluation.objects.count() == 3
    assert APIClient().get(USER_URL).status_code == 401


def limits(settings: Any, **changed: int) -> None:
    settings.ROOM_QUOTAS = {**settings.ROOM_QUOTAS, **changed}


def test_time_of_workers_is_counted_and_beyond_it_one_is_told_when_it_frees(settings: Any) -> None:
    limits(settings, worker_seconds_per_day=3600)
    alice, potential = factories.user("alice"), factories.potential()
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    values = {"party": f"user {alice.pk}", "seconds": 9e9, "smoke_seconds": 0}
    models.WorkerTime.objects.create(hour=hour, paid_seconds=3000, **values)
    ask(potential, **ENDED)
    factories.evaluation(
        factories.submission(potential),
        state="running",
        worker=factories.worker(),
        lease_expires_at=timezone.now(),
        started_at=timezone.now() - timedelta(seconds=601),
    )
    assert used(alice)["worker_seconds_per_day"] in {3601, 3602}
    with pytest.raises(QuotaExceeded, match="1 hours of workers in a day; 1") as caught:
        ask(potential)
    assert caught.value.limit == "worker_seconds_per_day"
    assert caught.value.resets_at is not None
    assert caught.value.resets_at > timezone.now()


def test_the_time_of_an_outage_uses_up_no_quota() -> None:
    alice, lease_ended = factories.user("alice"), timezone.now() - timedelta(days=1)
    factories.evaluation(
        factories.submission(factories.potential()),
        state="running",
        worker=factories.worker(),
        lease_expires_at=lease_ended,
        started_at=lease_ended - timedelta(seconds=600),
    )
    assert used(alice)["worker_seconds_per_day"] == 600


def test_potentials_are_counted_by_account_and_team(settings: Any) -> None:
    limits(settings, potentials=2)
    alice = factories.user("alice")
    team = teams.create_team(alice, "the-team", "The team")
    first = submissions.create_potential(alice, slug="a", name="A")
    submissions.create_potential(alice, slug="b", name="B")
    with pytest.raises(QuotaExceeded, match="has 2 potentials, of 2 at most"):
        submissions.create_potential(alice, slug="c", name="C")
    for slug in ("d", "e"):
        submissions.create_potential(alice, slug=slug, name=slug, team=team)
    with pytest.raises(QuotaExceeded, match="The team The team has 2 potentials"):
        submissions.update_potential(alice, first, team=team)
    submissions.create_potential(factories.charlie(), slug="f", name="F", team=team)
    assert (used(alice)["potentials"], used(team)["potentials"]) == (2, 3)
    refused = client_of(alice).post("/api/v1/potentials/", {"slug": "g", "name": "G"})
    assert (refused.status_code, refused.json()["limit"]) == (429, "potentials")


def test_room_for_files_is_counted_and_each_file_once(settings: Any) -> None:
    limits(settings, stored_MiB=1)
    alice = factories.user("alice")
    artifact = factories.artifact(b"x" * 2**19)
    potential = factories.potential(alice)
    for _ in range(3):
        factories.submission(potential, artifact=artifact)
    factories.submission(factories.potential(factories.user("bob")))
    assert quotas.stored_bytes(alice) == 2**19
    uploads.announce_upload(alice, filename="a.pt", size_bytes=2**18, sha256="0" * 64)
    with pytest.raises(QuotaExceeded, match="may keep 1 MiB; 1 are used"):
        uploads.announce_upload(alice, filename="a.pt", size_bytes=2**19, sha256="1" * 64)
    uploads.announce_upload(alice, filename="a.pt", size_bytes=2**18, sha256="2" * 64)
    assert used(alice)["stored_MiB"] == 1
    assert used(alice)["open_uploads"] == 2


def test_a_file_for_which_there_is_no_room_does_not_stay(settings: Any) -> None:
    limits(settings, stored_MiB=0)
    with pytest.raises(QuotaExceeded, match="may keep 0 MiB"):
        submit_emt(factories.potential())
    assert not models.Artifact.objects.exists()
    assert not models.Submission.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_potentials_made_at_the_same_time_do_not_pass_the_limit_together(settings: Any) -> None:
    limits(settings, potentials=2)
    alice = factories.user("alice")
    together, n_refused = threading.Barrier(5), []

    def make(n: int) -> None:
        try:
            together.wait()
            submissions.create_potential(alice, slug=f"potential-{n}", name="P")
        except QuotaExceeded:
            n_refused.append(n)
        finally:
            connection.close()

    threads = [threading.Thread(target=make, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(n_refused), models.Potential.objects.count()) == (3, 2)
