"""Every list and every row can be opened; what the service writes can only be acted upon."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.contrib.auth.models import User
from django.test import Client

from leaderboard import models
from leaderboard.enums import EvaluationState
from leaderboard.services.accounts import audit, teams
from tests.leaderboard import factories
from tests.leaderboard.admin.answers import answer
from tests.leaderboard.gallery import build_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("charlie", "charlie@example.org", "x"))
    return client


def act(admin: Client, model: str, action: str, *rows: Any) -> list[str]:
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    response = answer(admin, f"/admin/leaderboard/{model}/", data)
    return [str(message) for message in response.context["messages"]]


@pytest.mark.slow
def test_every_list_opens_can_be_searched_and_so_can_its_rows(admin: Client) -> None:
    build_site()
    models.ApiToken.create(factories.user(), "laptop")
    team = teams.create_team(factories.user(), "the-team", "The team")
    teams.invite(factories.user(), team, "viewer", email="eve@example.org")
    models.QuotaOverride.objects.create(team=team, per_day=5, reason="a trial")
    models.Charge.objects.create(evaluation=models.Evaluation.objects.all()[0], team=team)
    models.RuntimeLock.objects.create(sha256="a" * 64, text="six==1.17.0", n_packages=1)
    audit.record(factories.user(), "tried", team, changes={"name": ("a", "b")})
    listed = [m for m in django_admin.site._registry if m._meta.app_label == "leaderboard"]
    assert {m.__name__ for m in listed} >= {"TaskVersion", "Evaluation", "Worker", "Submission"}
    for model in listed:
        address = f"/admin/leaderboard/{model._meta.model_name}/"
        assert admin.get(address).status_code == 200, address
        assert admin.get(address, {"q": "chgnet"}).status_code == 200, address
        row = model._default_manager.first()
        assert row is not None, address
        assert admin.get(f"{address}{row.pk}/change/").status_code == 200, address


def test_evaluations_are_repeated_and_cancelled_with_a_reason_for_each_refusal(
    admin: Client,
) -> None:
    ended = factories.evaluation(state="failed", verdict="infrastructure_lost")
    queued = factories.evaluation()

    messages = act(admin, "evaluation", "repeat", ended, queued)
    assert sum(m == "Queued again: 1." for m in messages) == 1
    assert len(messages) == 2
    ended.refresh_from_db()
    assert not ended.is_current
    assert ended.superseded_by.reason == "Repeated by the administrators."

    assert act(admin, "evaluation", "cancel_them", queued) == ["Cancelled, or asked to stop: 1."]
    queued.refresh_from_db()
    assert queued.state == EvaluationState.CANCELLED


def test_an_evaluation_cannot_be_edited_added_or_deleted(admin: Client) -> None:
    evaluation = factories.evaluation()
    address = f"/admin/leaderboard/evaluation/{evaluation.pk}"
    assert admin.post(f"{address}/change/", {"state": "succeeded"}).status_code == 403
    assert admin.post(f"{address}/delete/", {"post": "yes"}).status_code == 403
    assert admin.get("/admin/leaderboard/evaluation/add/").status_code == 403


def test_a_worker_is_disabled_and_enabled(admin: Client) -> None:
    worker = factories.worker()
    assert act(admin, "worker", "disable", worker) == ["Disabled: 1."]
    worker.refresh_from_db()
    assert not worker.is_enabled
    assert act(admin, "worker", "enable", worker) == ["Enabled: 1."]


def test_withdrawing_and_revoking(admin: Client) -> None:
    submission = factories.submission()
    assert act(admin, "submission", "withdraw_them", submission) == ["Withdrawn: 1."]
    submission.refresh_from_db()
    assert submission.withdrawn_at is not None
    token, _ = models.ApiToken.create(factories.user(), "laptop")
    assert act(admin, "apitoken", "revoke", token) == ["Revoked: 1."]
    assert not models.ApiToken.objects.valid().exists()


def test_staff_who_may_only_look_cannot_act(client: Client) -> None:
    from django.contrib.auth.models import Permission

    charlie = factories.charlie()
    charlie.user_permissions.add(Permission.objects.get(codename="view_worker"))
    client.force_login(charlie)
    worker = factories.worker()
    assert client.get("/admin/leaderboard/worker/").status_code == 200
    act(client, "worker", "disable", worker)
    worker.refresh_from_db()
    assert worker.is_enabled
