"""Publishing and retiring are asked for once, with what they would do."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from leaderboard import models
from leaderboard.enums import VersionState
from leaderboard.services.accounts import audit
from leaderboard.services.definitions import dry_runs
from tests.leaderboard import factories
from tests.leaderboard.admin.answers import answer, stamp_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("charlie", "charlie@example.org", "x"))
    return client


def desk_of(version: models.TaskVersion | models.BenchmarkVersion) -> str:
    return f"/admin/leaderboard/{version._meta.model_name}/{version.pk}/desk/"


def state_of(version: Any) -> str:
    version.refresh_from_db()
    return str(version.state)


def test_publishing_asks_with_what_uses_it_whether_it_was_tried_and_what_differs(
    admin: Client,
) -> None:
    old = factories.task_version()
    benchmark = factories.benchmark_version((old, "Bulk"))
    new = factories.task_version(
        old.task,
        state=VersionState.DRAFT,
        reference_set=old.reference_set,
        metrics=[{**old.metrics[0], "good": 0.5}],
    )
    asked = admin.post(desk_of(new), {"do": "publish"})
    page = asked.content.decode()
    assert state_of(new) == "draft"
    assert f"in the place of {old}" in page
    assert f"{old} stands in {benchmark} (published), in Bulk." in page
    assert "It was never tried" in page
    assert "metrics.eos_delta_mean.good" in page

    run = dry_runs.start(User.objects.get(username="charlie"), new, factories.submission())
    models.Evaluation.objects.filter(pk=run.pk).update(
        state="succeeded", verdict="ok", score=0.75, wall_time_s=12.0, finished_at=timezone.now()
    )
    page = admin.post(desk_of(new), {"do": "publish"}).content.decode()
    assert f"Tried as it is on {run.submission}: ok, score 0.750, in 12 s." in page

    admin.post(desk_of(new), {"do": "publish", "sure": stamp_of(asked)})
    assert state_of(new) == "published"


def test_an_answer_does_not_hold_for_a_draft_that_another_tab_has_changed(admin: Client) -> None:
    draft = factories.task_version(state=VersionState.DRAFT)
    asked = admin.post(desk_of(draft), {"do": "publish"})
    models.TaskVersion.objects.filter(pk=draft.pk).update(seed=7)
    again = admin.post(desk_of(draft), {"do": "publish", "sure": stamp_of(asked)})
    assert "It has changed since you were asked" in again.content.decode()
    assert state_of(draft) == "draft"
    admin.post(desk_of(draft), {"do": "publish", "sure": stamp_of(again)})
    assert state_of(draft) == "published"


def test_a_second_click_says_that_it_is_done_and_does_nothing(admin: Client) -> None:
    draft = factories.task_version(state=VersionState.DRAFT)
    stamp = stamp_of(admin.post(desk_of(draft), {"do": "publish"}))
    for _ in range(2):
        response = admin.post(desk_of(draft), {"do": "publish", "sure": stamp}, follow=True)
    assert f">{draft} is published already.<" in response.content.decode()
    assert models.AuditEntry.objects.filter(action="published").count() == 1


def test_retiring_the_only_version_asks_and_leaves_the_page_of_the_task(admin: Client) -> None:
    version = factories.task_version()
    place = factories.benchmark_version((version, "Bulk"))
    factories.evaluation(on=version, score=0.5)
    page = admin.post(desk_of(version), {"do": "retire"}).content.decode()
    assert state_of(version) == "published"
    assert f"{version} stands in {place} (published), in Bulk." in page
    assert "1 evaluation on it." in page
    assert "It is the only published version" in page

    answer(admin, desk_of(version), {"do": "retire"})
    stranger, address = Client(), version.task.get_absolute_url()
    shown = stranger.get(address)
    assert shown.status_code == 200
    assert "This task is retired: no version of it is current" in shown.content.decode()
    assert stranger.get(f"{address}card.png").status_code == 200
    assert stranger.get(f"/api/v1/tasks/{version.task.slug}/feed.atom").status_code == 200
    assert address not in stranger.get("/tasks/").content.decode()


def test_the_page_of_a_task_shows_its_older_version_where_the_newest_is_retired() -> None:
    old = factories.task_version()
    new = factories.task_version(old.task, state=VersionState.RETIRED)
    page = Client().get(old.task.get_absolute_url())
    assert page.context["version"] == old
    shown = Client().get(f"{old.task.get_absolute_url()}{new.number}/").content.decode()
    assert "See the current one" in shown


def test_a_benchmark_is_asked_for_too_and_its_address_survives(admin: Client) -> None:
    version = factories.benchmark_version((factories.task_version(), "Bulk"))
    page = admin.post(desk_of(version), {"do": "retire"}).content.decode()
    assert state_of(version) == "published"
    assert "The first page of the site shows it" in page
    assert "It is the only published version" in page
    answer(admin, desk_of(version), {"do": "retire"})
    shown = Client().get(f"/benchmarks/{version.benchmark.slug}/", follow=True)
    assert "This benchmark is retired" in shown.content.decode()


def test_actions_of_the_list_ask_too(admin: Client) -> None:
    drafts = [factories.task_version(state=VersionState.DRAFT) for _ in range(2)]
    data = {"action": "publish", "_selected_action": [draft.pk for draft in drafts]}
    page = admin.post("/admin/leaderboard/taskversion/", data).content.decode()
    assert all(f"{draft}: whether it was tried" in page for draft in drafts)
    assert {state_of(draft) for draft in drafts} == {"draft"}
    answer(admin, "/admin/leaderboard/taskversion/", data)
    assert {state_of(draft) for draft in drafts} == {"published"}


def test_nothing_is_done_by_an_address_alone(admin: Client) -> None:
    draft = factories.task_version(state=VersionState.DRAFT)
    stamp = stamp_of(admin.post(desk_of(draft), {"do": "publish"}))
    admin.get(desk_of(draft), {"do": "publish", "sure": stamp})
    assert state_of(draft) == "draft"
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="charlie"))
    answered = strict.post(desk_of(draft), {"do": "publish", "sure": stamp})
    assert answered.status_code == 403
    assert state_of(draft) == "draft"


@pytest.mark.parametrize(
    ("model", "action", "title"),
    [
        ("submission", "withdraw_them", "Withdraw"),
        ("referenceset", "show", "Open"),
        ("apitoken", "revoke", "Revoke"),
    ],
)
def test_what_cannot_be_undone_in_a_list_is_asked_for(
    admin: Client, model: str, action: str, title: str
) -> None:
    rows: dict[str, Any] = {
        "submission": factories.submission(),
        "referenceset": factories.reference_set(is_public=False),
        "apitoken": models.ApiToken.create(factories.user(), "laptop")[0],
    }
    row, address = rows[model], f"/admin/leaderboard/{model}/"
    before = audit.stored(row)
    data = {"action": action, "_selected_action": [str(row.pk)]}
    asked = admin.post(address, data)
    assert f"<h1>{title} {row}?</h1>" in asked.content.decode()
    assert "cannot be undone." in asked.content.decode()
    assert audit.stored(row) == before
    answer(admin, address, data)
    assert audit.stored(row) != before


def test_a_second_click_makes_no_second_draft_and_no_second_dry_run(admin: Client) -> None:
    version = factories.task_version()
    place = factories.benchmark_version((version, "Bulk"))
    for _ in range(2):
        admin.post(desk_of(version), {"do": "new_version"})
        admin.post(desk_of(place), {"do": "new_version"})
    assert version.task.versions.count() == 2
    assert place.benchmark.versions.count() == 2
    draft = version.task.versions.get(number=2)
    submission = factories.submission()
    for _ in range(2):
        tried = admin.post(
            desk_of(draft), {"do": "dry_run", "submission": submission.pk}, follow=True
        )
    assert f"A dry run of {submission} is under way already." in tried.content.decode()
    assert dry_runs.of(draft).count() == 1

    models.TaskVersion.objects.filter(pk=draft.pk).update(seed=3)  # it is somebody's work by now
    admin.post(desk_of(version), {"do": "new_version"})
    assert version.task.versions.count() == 3
