"""The queue's desk: what nobody can take, questions before something is lost, many at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from leaderboard import models
from leaderboard.enums import EvaluationState
from leaderboard.services.accounts import audit
from leaderboard.services.evaluations.lifecycle import claim_next
from tests.leaderboard import factories
from tests.leaderboard.admin.answers import answer, stamp_of

pytestmark = pytest.mark.django_db
DESK = "/admin/leaderboard/evaluation/desk/"
LIST = "/admin/leaderboard/evaluation/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("charlie", "charlie@example.org", "x"))
    return client


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def states(*evaluations: models.Evaluation) -> list[str]:
    rows = models.Evaluation.objects.in_bulk([e.pk for e in evaluations])
    return [str(rows[e.pk].state) for e in evaluations]


def test_a_banner_says_that_nobody_online_can_take_what_waits(admin: Client) -> None:
    assert "Nobody online" not in text_of(admin.get(DESK))  # nothing waits
    factories.evaluation(factories.submission(calculator_kind="mace"))
    assert "Nobody online can take what waits (1 evaluation). Start one" in text_of(admin.get(DESK))
    drained = factories.worker(is_enabled=False)
    assert "1 worker is online and drained: enable one among the workers." in text_of(
        admin.get(DESK)
    )
    assert "Nobody online can take what waits" in text_of(admin.get("/admin/"))
    unconfined = factories.worker(sandbox_level="none")
    page = text_of(admin.get(DESK))
    assert "Nobody online can take what waits (1 of 1 evaluation)" in page
    assert "no worker that is online has a sandbox" in page
    models.Worker.objects.filter(pk=drained.pk).update(is_enabled=True)
    assert "Nobody online" not in text_of(admin.get(DESK))
    silent = timezone.now() - timedelta(days=1)
    models.Worker.objects.exclude(pk=unconfined.pk).update(last_seen_at=silent)
    assert "Nobody online" in text_of(admin.get(DESK))


def test_cancelling_asks_with_what_is_lost(admin: Client) -> None:
    gate = factories.evaluation()
    held = factories.evaluation(gate.submission, held_by=gate)
    asked = text_of(admin.post(DESK, {"do": "cancel", "pk": gate.pk}))
    assert states(gate) == ["queued"]
    assert f"Cancel {gate}?" in asked
    assert "1 more wait for them as their smoke test" in asked
    done = answer(admin, DESK, {"do": "cancel", "pk": gate.pk})
    assert f"{gate} is cancelled, or asked to stop." in text_of(done)
    assert states(gate, held) == ["cancelled", "cancelled"]


def test_many_are_cancelled_with_one_answer_that_holds_for_them_alone(admin: Client) -> None:
    chosen = [factories.evaluation() for _ in range(3)]
    other = factories.evaluation()
    keys = [str(e.pk) for e in chosen]
    asked = admin.post(DESK, {"do": "cancel", "pk": keys})
    assert "Cancel 3 evaluations?" in text_of(asked)
    sly = admin.post(DESK, {"do": "cancel", "pk": [*keys, other.pk], "sure": stamp_of(asked)})
    assert "It has changed since you were asked" in text_of(sly)
    assert states(*chosen, other) == ["queued"] * 4
    done = answer(admin, DESK, {"do": "cancel", "pk": keys})
    assert "3 evaluations are cancelled, or asked to stop." in text_of(done)
    assert states(*chosen, other) == [*["cancelled"] * 3, "queued"]
    assert models.AuditEntry.objects.filter(action="cancelled").count() == 3


def test_nothing_that_is_ticked_gone_or_no_id_is_told(admin: Client) -> None:
    assert "Tick the evaluations that you mean." in text_of(
        admin.post(DESK, {"do": "cancel"}, follow=True)
    )
    for pk in ("nonsense", uuid4(), "1 OR 1=1"):
        done = admin.post(DESK, {"do": "cancel", "pk": pk}, follow=True)
        assert "It is gone." in text_of(done)


def test_re_queue_stands_where_it_acts_alone(admin: Client) -> None:
    waiting = factories.evaluation()
    button = 'name="do" value="requeue"'
    of_rows = text_of(admin.get(DESK)).count(button) - 1  # one is for what is ticked
    assert of_rows == 0
    done = admin.post(DESK, {"do": "requeue", "pk": waiting.pk}, follow=True)
    assert "there is nothing to re-queue" in text_of(done)

    running = claim_next(factories.worker())
    assert running == waiting
    assert text_of(admin.get(DESK)).count(button) - 1 == 1
    paused = factories.evaluation(
        attempt=1, not_before=timezone.now() + timedelta(hours=1), message="The disk was full."
    )
    assert "Try now" in text_of(admin.get(DESK))
    done = admin.post(DESK, {"do": "requeue", "pk": [running.pk, paused.pk]}, follow=True)
    assert "2 evaluations are in the queue again." in text_of(done)
    paused.refresh_from_db()
    assert paused.not_before is None


def test_taking_a_worker_out_asks_and_names_what_it_runs(admin: Client) -> None:
    factories.evaluation()
    worker = factories.worker(name="host-1")
    running = claim_next(worker)
    assert running is not None
    asked = text_of(admin.post(DESK, {"do": "take_out", "pk": worker.pk}))
    assert "Take host-1 out at once?" in asked
    assert f"{running}: running on host-1" in asked
    assert states(running) == ["running"]
    done = answer(admin, DESK, {"do": "take_out", "pk": worker.pk})
    assert "host-1 claims nothing more; 1 evaluation goes to others." in text_of(done)
    assert states(running) == ["queued"]


def test_the_action_of_the_list_asks_too(admin: Client) -> None:
    chosen = [factories.evaluation() for _ in range(2)]
    data = {"action": "cancel_them", "_selected_action": [str(e.pk) for e in chosen]}
    assert "Cancel 2 evaluations?" in text_of(admin.post(LIST, data))
    assert states(*chosen) == ["queued", "queued"]
    answer(admin, LIST, data)
    assert states(*chosen) == ["cancelled", "cancelled"]


def test_the_queue_desk_changes_nothing_by_an_address_alone(admin: Client) -> None:
    waiting = factories.evaluation()
    asked = admin.post(DESK, {"do": "cancel", "pk": waiting.pk})
    admin.get(DESK, {"do": "cancel", "pk": waiting.pk, "sure": stamp_of(asked)})
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="charlie"))
    sent = {"do": "cancel", "pk": waiting.pk, "sure": stamp_of(asked)}
    assert strict.post(DESK, sent).status_code == 403
    assert states(waiting) == [EvaluationState.QUEUED]


def test_the_first_page_leads_with_the_four_desks_and_the_audit_log(admin: Client) -> None:
    audit.record(User.objects.get(), "published", factories.task_version())
    page = text_of(admin.get("/admin/"))
    order = [page.index(f"<h2>{name}</h2>") for name in ("Tasks", "Reference sets", "Benchmarks")]
    order += [page.index("<h2>Queue</h2>"), page.index("<h2>All there is</h2>")]
    assert order == sorted(order)
    assert page.index("Recent actions") < page.index("charlie: published task-")


def test_the_first_page_shows_nobody_more_than_he_may_see(client: Client) -> None:
    charlie = factories.charlie()
    client.force_login(charlie)
    audit.record(charlie, "published", factories.task_version())
    page = text_of(client.get("/admin/"))
    assert "<h2>Tasks</h2>" not in page
    assert "charlie: published" not in page
    charlie.user_permissions.add(Permission.objects.get(codename="view_referenceset"))
    page = text_of(client.get("/admin/"))
    assert "<h2>Reference sets</h2>" in page
    assert "Upload a reference set" not in page
    assert "<h2>Queue</h2>" not in page
