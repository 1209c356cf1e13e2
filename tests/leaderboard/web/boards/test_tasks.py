import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from leaderboard import models
from leaderboard.enums import VersionState, Visibility
from leaderboard.models import TaskVersion
from leaderboard.web.boards.tasks import _parity_columns
from tests.leaderboard import factories
from tests.leaderboard.factories import reference_set, task_version

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("properties", "plotted"),
    [
        (["gamma_max_THz", "temperature_K"], ["gamma_max_THz"]),
        (["heat_capacity_J_K_mol", "omega_max_THz"], ["omega_max_THz", "heat_capacity_J_K_mol"]),
        # Where numbers are told otherwise than by the columns' names, all are offered.
        (
            ["energy"],
            ["omega_max_THz", "gamma_max_THz", "omega_mean_THz", "heat_capacity_J_K_mol"],
        ),
    ],
)
def test_only_what_the_reference_holds_is_plotted(
    properties: list[str], plotted: list[str]
) -> None:
    version = task_version(protocol="phonons", reference_set=reference_set(properties=properties))
    assert [column.name for column in _parity_columns(version)] == plotted


def test_nothing_of_a_hidden_reference_is_plotted() -> None:
    hidden = reference_set(properties=["gamma_max_THz"], is_public=False)
    assert _parity_columns(task_version(protocol="phonons", reference_set=hidden)) == []


def test_tasks_stand_by_protocol_with_their_boards_and_how_many_were_judged(client: Client) -> None:
    eos, forces = task_version(), task_version(protocol="energy_forces")
    task_version(protocol="phonons", state=VersionState.DRAFT)
    board = factories.benchmark_version((eos, "Bulk"))
    potential = factories.potential()
    for version in ("1", "2"):
        factories.evaluation(factories.submission(potential, version=version), eos, score=0.5)
    private = factories.submission(visibility=Visibility.PRIVATE)
    factories.evaluation(private, eos, score=0.9)

    page = client.get("/tasks/").content.decode()

    headings = re.findall(r'<h2 id="([a-z_]+)">', page)
    assert headings == ["equation_of_state", "energy_forces"]
    cards = dict(re.findall(r'<a href="/tasks/([^/]+)/">.*?</h3>(.*?)</li>', page, re.DOTALL))
    assert "1 potential judged" in cards[eos.task.slug]
    assert f"/benchmarks/{board.benchmark.slug}/1/" in cards[eos.task.slug]
    assert "0 potentials judged" in cards[forces.task.slug]
    assert "/benchmarks/" not in cards[forces.task.slug]


def running(version: TaskVersion) -> models.Evaluation:
    return factories.evaluation(
        on=version,
        state="running",
        phase="simulating",
        progress_total=71,
        worker=factories.worker(),
        lease_expires_at=timezone.now(),
    )


@pytest.fixture
def judged() -> TaskVersion:
    """A task with a score, and an evaluation that runs."""
    version = task_version()
    factories.evaluation(on=version, score=0.5)
    running(version)
    return version


def test_a_stranger_who_has_a_task_s_page_is_not_sent_it_again(
    client: Client, judged: TaskVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = client.get(f"/tasks/{judged.task.slug}/")
    assert page.headers["Cache-Control"] == "public, max-age=0, s-maxage=2"
    monkeypatch.setattr("leaderboard.web.boards.tasks.render", None)  # nothing is drawn for a 304
    again = client.get(page.request["PATH_INFO"], headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary"):
        assert again.headers[name] == page.headers[name]


@pytest.mark.parametrize(
    "change",
    ["progress", "verdict", "score", "name", "version", "judged", "question", "release"],
)
def test_another_page_of_a_task_has_another_tag(
    client: Client, judged: TaskVersion, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = task_version(judged.task, number=2)
    address, query = f"/tasks/{judged.task.slug}/1/", {}
    page = client.get(address)
    at_work = models.Evaluation.objects.filter(state="running")
    match change:
        case "progress":  # which is not part of the stored board
            at_work.update(progress_done=44)
        case "verdict":
            at_work.update(
                state="failed",
                verdict="nonfinite",
                finished_at=timezone.now(),
                lease_expires_at=None,
            )
        case "score":
            factories.evaluation(on=judged, score=0.7)
        case "name":
            models.Potential.objects.update(name="Renamed")
        case "version":
            task_version(judged.task, number=3)
        case "judged":  # of a version that the page names beside its own
            factories.evaluation(on=older, score=0.7)
        case "question":
            query = {"columns": "all"}
        case "release":
            monkeypatch.setattr("leaderboard.web.shared._release", lambda: "another")
    other = client.get(address, query, headers={"If-None-Match": page.headers["ETag"]})
    assert other.status_code == 200
    assert other.headers["ETag"] != page.headers["ETag"]


def test_a_secret_that_is_told_at_last_is_another_page(client: Client) -> None:
    version = task_version(state=VersionState.RETIRED)
    task_version(version.task, number=2)
    last = running(version)
    address = f"/tasks/{version.task.slug}/1/"
    page = client.get(address)
    models.Evaluation.objects.filter(pk=last.pk).update(
        state="cancelled", verdict="cancelled", finished_at=timezone.now(), lease_expires_at=None
    )
    told = client.get(address, headers={"If-None-Match": page.headers["ETag"]})
    assert version.disguise_secret.hex in told.content.decode()


def test_a_task_s_page_with_complaints_or_for_one_reader_is_shared_with_nobody(
    client: Client, judged: TaskVersion
) -> None:
    address = f"/tasks/{judged.task.slug}/"
    tag = client.get(address).headers["ETag"]
    wrong = client.get(address, {"show": "nobody"})
    assert wrong.status_code == 400
    assert not {"ETag", "Cache-Control"} & set(wrong.headers)
    mine = factories.submission(
        factories.potential(factories.user("alice"), name="Secret"), visibility=Visibility.PRIVATE
    )
    factories.evaluation(mine, judged, score=0.9)
    client.force_login(factories.user("alice"))
    own = client.get(address, headers={"If-None-Match": tag})
    assert (own.status_code, own.headers["Cache-Control"]) == (200, "private, max-age=0")
    assert "Secret" in own.content.decode()
    assert "ETag" not in own.headers


def test_a_page_drawn_while_its_task_changes_is_nobodys_page_afterwards(
    judged: TaskVersion, client: Client
) -> None:
    task, address = judged.task, judged.task.get_absolute_url()

    def change_before_the_stamp(execute: Any, sql: str, *others: Any) -> Any:
        if "leaderboard_boardchange" in sql and task.summary != "Another summary.":
            task.summary = "Another summary."
            task.save(update_fields=["summary"])
        return execute(sql, *others)

    with connection.execute_wrapper(change_before_the_stamp):
        stale = client.get(address)
    assert "Another summary." not in stale.content.decode()
    fresh = client.get(address, headers={"If-None-Match": stale.headers["ETag"]})
    assert "Another summary." in fresh.content.decode()
