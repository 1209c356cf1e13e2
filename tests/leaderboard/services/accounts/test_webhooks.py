from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from evaluator.contract import EvaluationReport, Verdict
from leaderboard import models
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.lib import outgoing
from leaderboard.services.accounts import webhooks
from leaderboard.services.evaluations import lifecycle
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import client_of

pytestmark = pytest.mark.django_db(transaction=True)


class Border:
    """Stands for the network: keeps what was sent, and answers as told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes, dict[str, str]]] = []
        self.answer: int | Exception = 200

    def post(self, url: str, content: bytes, headers: dict[str, str], **_: object) -> int:
        self.sent.append((url, content, headers))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def border(monkeypatch: pytest.MonkeyPatch) -> Border:
    border = Border()
    monkeypatch.setattr(outgoing, "post", border.post)
    return border


def run(evaluation: models.Evaluation, verdict: Verdict = Verdict.LOAD_ERROR) -> None:
    claimed = lifecycle.claim_evaluation(evaluation.pk, factories.worker())
    assert claimed is not None
    report = EvaluationReport(verdict=verdict, message="no")
    lifecycle.record_report(claimed.pk, claimed.fencing_token, report)


def make_due() -> None:
    models.WebhookDelivery.objects.filter(next_attempt_at__isnull=False).update(
        next_attempt_at=timezone.now()
    )


def test_begin_and_end_are_told_signed_and_logged(border: Border) -> None:
    hook = factories.webhook()
    evaluation = factories.evaluation()
    run(evaluation)

    assert webhooks.deliver_due() == 2
    assert webhooks.deliver_due() == 0

    bodies = [json.loads(content) for _, content, _ in border.sent]
    assert {b["type"] for b in bodies} == {"evaluation.claimed", "evaluation.failed"}
    (failed,) = (b for b in bodies if b["type"] == "evaluation.failed")
    assert failed["data"] == {
        "evaluation": str(evaluation.pk),
        "path": f"/api/v1/evaluations/{evaluation.pk}/",
        "potential": evaluation.submission.potential.slug,
        "submission": str(evaluation.submission_id),
        "version": evaluation.submission.version,
        "task": evaluation.task_version.task.slug,
        "task_version": 1,
        "state": "failed",
        "verdict": "load_error",
        "score": None,
    }
    for url, content, headers in border.sent:
        assert url == hook.url
        t = int(headers["Touchstone-Signature"].split(",")[0].removeprefix("t="))
        assert headers["Touchstone-Signature"] == outgoing.signature(hook.secret, content, t)
    assert all(d.delivered_at is not None for d in hook.deliveries.all())


def test_only_who_it_concerns_and_who_asked_is_told(border: Border) -> None:
    hooks = {
        "all": factories.webhook(),
        "failed": factories.webhook(events=["failed"]),
        "succeeded": factories.webhook(events=["succeeded"]),
        "off": factories.webhook(is_enabled=False),
        "bob": factories.webhook(factories.user("bob")),
    }
    run(factories.evaluation())
    told = {name: hook.deliveries.count() for name, hook in hooks.items()}
    assert told == {"all": 2, "failed": 1, "succeeded": 0, "off": 0, "bob": 0}


def test_an_event_that_is_rolled_back_is_told_to_nobody(border: Border) -> None:
    factories.webhook()
    evaluation = factories.evaluation()
    claimed = lifecycle.claim_evaluation(evaluation.pk, factories.worker())
    assert claimed is not None
    before = models.WebhookDelivery.objects.count()
    with pytest.raises(Exception, match="no longer run"):
        lifecycle.record_report(
            claimed.pk, claimed.fencing_token + 1, EvaluationReport(verdict=Verdict.OK)
        )
    assert models.WebhookDelivery.objects.count() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer", [500, 302, outgoing.Failed("gone"), outgoing.AddressRefused("private")]
)
def test_what_fails_is_tried_again_after_growing_pauses_and_then_given_up(
    answer: int | Exception, border: Border
) -> None:
    border.answer = answer
    hook = factories.webhook(events=["failed"])
    run(factories.evaluation())
    pauses: list[float] = []
    for _ in range(len(webhooks.PAUSES_S)):
        make_due()
        assert webhooks.deliver_due() == 1
        delivery = hook.deliveries.get()
        pauses.append((delivery.next_attempt_at - timezone.now()).total_seconds())
    assert pauses == pytest.approx(webhooks.PAUSES_S, abs=2)
    make_due()
    webhooks.deliver_due()
    delivery = hook.deliveries.get()
    assert (delivery.next_attempt_at, delivery.delivered_at) == (None, None)
    assert delivery.attempts == len(webhooks.PAUSES_S) + 1
    assert delivery.error
    hook.refresh_from_db()
    assert (hook.n_failures, hook.is_enabled) == (1, True)


def test_a_webhook_is_disabled_after_many_failures_and_can_be_switched_on(border: Border) -> None:
    border.answer = 410
    hook = factories.webhook(n_failures=webhooks.MAX_FAILURES - 1, events=["failed"])
    for _ in range(2):
        run(factories.evaluation())
    first = hook.deliveries.first()
    assert first is not None
    hook.deliveries.filter(pk=first.pk).update(attempts=len(webhooks.PAUSES_S))
    webhooks.deliver_due()
    hook.refresh_from_db()
    assert not hook.is_enabled
    assert not hook.deliveries.filter(next_attempt_at__isnull=False).exists()
    assert webhooks.update_webhook(hook, is_enabled=True).n_failures == 0


def test_a_delivery_whose_sender_died_is_due_again(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = factories.webhook(events=["failed"])
    run(factories.evaluation())

    def die(*_: object, **__: object) -> int:
        raise SystemExit

    monkeypatch.setattr(outgoing, "post", die)
    with pytest.raises(SystemExit):
        webhooks.deliver_due()
    delivery = hook.deliveries.get()
    assert delivery.delivered_at is None
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at > timezone.now()


def test_a_ping_is_sent_with_the_next_round_and_once(border: Border) -> None:
    hook = factories.webhook()
    ping = webhooks.ping(hook)
    assert webhooks.ping(hook) == ping, "one waits at a time"
    assert border.sent == []
    webhooks.deliver_due()
    ping.refresh_from_db()
    assert ping.delivered_at is not None
    assert json.loads(border.sent[0][1])["type"] == "ping"
    border.answer = outgoing.Failed("gone")
    again = webhooks.ping(hook)
    webhooks.deliver_due()
    again.refresh_from_db()
    assert (again.delivered_at, again.error, again.next_attempt_at) == (None, "gone", None)


def test_a_request_for_a_ping_is_answered_without_asking_the_receiver(border: Border) -> None:
    hook = factories.webhook()
    client = client_of(factories.user())
    asked = client.post(f"/api/v1/webhooks/{hook.pk}/ping/")
    assert (asked.status_code, border.sent) == (202, [])
    assert asked.json()["delivered_at"] is None
    webhooks.deliver_due()
    assert client.get(asked.headers["Location"]).json()["delivered_at"] is not None
    stranger = client_of(factories.user("bob"))
    assert stranger.get(asked.headers["Location"]).status_code == 404


def test_deliveries_of_one_holder_do_not_keep_those_of_others_waiting(border: Border) -> None:
    slow, other = factories.webhook(), factories.webhook(factories.user("bob"))
    for n in range(60):
        models.WebhookDelivery.objects.create(
            webhook=slow, kind="failed", body={"type": str(n)}, next_attempt_at=timezone.now()
        )
    webhooks.ping(other)
    assert webhooks.deliver_due() == 3
    assert [json.loads(content)["type"] for _, content, _ in border.sent].count("ping") == 1


def test_a_bad_webhook_is_refused() -> None:
    alice = factories.user()
    bad: list[dict[str, Any]] = [{"url": "http://example.org/"}, {"url": "https://", "events": []}]
    for fields in bad:
        with pytest.raises(SubmissionError):
            webhooks.create_webhook(alice, **fields)
    with pytest.raises(SubmissionError, match="choose among"):
        webhooks.create_webhook(alice, url="https://example.org/", events=["moon"])
    for _ in range(webhooks.MAX_WEBHOOKS):
        webhooks.create_webhook(alice, url="https://example.org/")
    with pytest.raises(ConflictError):
        webhooks.create_webhook(alice, url="https://example.org/")


def test_a_team_is_told_of_its_potentials_and_only_its_owners_say_where(border: Border) -> None:
    alice, bob = factories.user(), factories.user("bob")
    team = models.Team.objects.create(slug="t", name="T", created_by=alice)
    models.Membership.objects.create(team=team, user=alice, role="owner")
    models.Membership.objects.create(team=team, user=bob, role="viewer")
    with pytest.raises(PermissionDenied):
        webhooks.create_webhook(bob, url="https://example.org/", team=team)
    hook = webhooks.create_webhook(alice, url="https://example.org/", team=team)
    own = factories.webhook(alice)
    run(factories.evaluation(factories.submission(factories.potential(alice, team=team))))
    assert (hook.deliveries.count(), own.deliveries.count()) == (2, 0)
    assert set(models.Webhook.objects.all().of(bob)) == set()
    assert set(models.Webhook.objects.all().of(alice)) == {hook, own}


def test_old_deliveries_are_forgotten() -> None:
    hook = factories.webhook()
    old = models.WebhookDelivery.objects.create(webhook=hook, kind="ping", body={})
    waiting = models.WebhookDelivery.objects.create(
        webhook=hook, kind="ping", body={}, next_attempt_at=timezone.now()
    )
    models.WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=40))
    assert webhooks.forget_old() == 1
    assert list(hook.deliveries.all()) == [waiting]
    assert old != waiting
