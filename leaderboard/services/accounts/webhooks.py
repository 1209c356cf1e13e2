"""Webhooks: who is told, what is written to the outbox, how trials are counted.

A delivery is a row (the outbox). ``deliver_due`` claims rows that are due by moving their next
trial on, sends them outside of any transaction, and stores what came of it. A process that dies in
between has lost nothing: the row is due again. So a receiver may hear twice of the same delivery,
which its id tells.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.lib import outgoing
from leaderboard.models import Evaluation, Event, Team, Webhook, WebhookDelivery
from leaderboard.models.disclosure import seen_by
from leaderboard.models.permissions import check_may_manage_team
from leaderboard.models.webhook import PING, WEBHOOK_EVENTS

logger = logging.getLogger(__name__)

#: Pauses after each failed trial, in seconds; after the last one it is given up.
PAUSES_S = (10, 60, 300, 1800, 7200, 21_600, 43_200)
#: Deliveries given up one after the other until the webhook is disabled.
MAX_FAILURES = 5
MAX_WEBHOOKS = 10
_BATCH = 20
_PER_HOLDER = 2
_SENDERS = 10
#: A trial whose process died is made again after this.
_LEASE_S = 120
_KEEP_DAYS = 30


def create_webhook(
    user: User, *, url: str, events: Sequence[str] = (), team: Team | None = None
) -> Webhook:
    """Tell an address what happens to one's potentials, or a team's. Raises SubmissionError."""
    if team is not None:
        check_may_manage_team(user, team)
    holder = {"team": team} if team is not None else {"user": user}
    hook = Webhook(url=url, events=sorted(set(events)), **holder)
    _check(hook)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if Webhook.objects.filter(**holder).count() >= MAX_WEBHOOKS:
            raise ConflictError(f"There are {MAX_WEBHOOKS} webhooks already. Delete one first.")
        hook.save(force_insert=True)
    return hook


def update_webhook(hook: Webhook, **changes: object) -> Webhook:
    """Change address, events or whether it is enabled; enabling it forgets past failures."""
    for name, value in changes.items():
        setattr(hook, name, value)
    if changes.get("is_enabled"):
        hook.n_failures = 0
    _check(hook)
    hook.save(update_fields=[*changes, "n_failures"])
    return hook


def ping(hook: Webhook) -> WebhookDelivery:
    """Write a delivery that tells of nothing, to be sent once with the next round.

    No request of ours waits for a stranger's answer. Of a webhook one ping waits at a time, so that
    they do not keep what happened from others: asked again, it is the same one.
    """
    with transaction.atomic():
        Webhook.objects.select_for_update(no_key=True).get(pk=hook.pk)
        waiting = hook.deliveries.filter(kind=PING, next_attempt_at__isnull=False).first()
        return waiting or WebhookDelivery.objects.create(
            webhook=hook, kind=PING, body=_body(PING, {}), next_attempt_at=timezone.now()
        )


def enqueue(event: Event) -> None:
    """Write a delivery of this event for each webhook that asked for it."""
    if event.kind not in WEBHOOK_EVENTS:
        return
    potential = event.evaluation.submission.potential
    holder = (
        Q(team=potential.team_id)
        if potential.team_id is not None
        else Q(user=potential.owner_id, team__isnull=True)
    )
    wanted = Q(events=[]) | Q(events__contains=[event.kind])
    hooks = Webhook.objects.filter(holder, wanted, is_enabled=True)
    body = _body(f"evaluation.{event.kind}", _told_of(event.evaluation))
    WebhookDelivery.objects.bulk_create(
        WebhookDelivery(webhook=hook, kind=event.kind, body=body, next_attempt_at=timezone.now())
        for hook in hooks
    )


def deliver_due() -> int:
    """One round: send what is due; returns how many deliveries were tried."""
    claimed = _claim()
    if not claimed:
        return 0
    # Threads send and touch no database; a slow receiver holds up its own delivery alone.
    with ThreadPoolExecutor(_SENDERS) as pool:
        outcomes = list(pool.map(_send, claimed))
    for delivery, outcome in zip(claimed, outcomes, strict=True):
        _store(delivery, outcome)
    return len(claimed)


def forget_old() -> int:
    """Remove deliveries that ended long ago; returns how many."""
    long_ago = timezone.now() - timedelta(days=_KEEP_DAYS)
    ended = WebhookDelivery.objects.filter(next_attempt_at__isnull=True, created_at__lt=long_ago)
    return ended.delete()[0]


@dataclass(frozen=True)
class _Outcome:
    status: int | None
    error: str

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def _check(hook: Webhook) -> None:
    errors: dict[str, str] = {}
    try:
        outgoing.check_url(hook.url)
    except outgoing.AddressRefused as error:
        errors["url"] = str(error)
    if unknown := sorted(set(hook.events) - set(WEBHOOK_EVENTS)):
        errors["events"] = f"{', '.join(unknown)}: choose among {', '.join(WEBHOOK_EVENTS)}."
    if errors:
        raise SubmissionError(errors)


def _body(kind: str, data: dict[str, object]) -> dict[str, object]:
    return {"type": kind, "at": timezone.now().isoformat(timespec="seconds"), "data": data}


def _told_of(evaluation: Evaluation) -> dict[str, object]:
    evaluation = seen_by(None, evaluation)  # whoever receives it: the site's staff reads pages
    submission, version = evaluation.submission, evaluation.task_version
    return {
        "evaluation": str(evaluation.pk),
        "path": f"/api/v1/evaluations/{evaluation.pk}/",
        "potential": submission.potential.slug,
        "submission": str(submission.pk),
        "version": submission.version,
        "task": version.task.slug,
        "task_version": version.number,
        "state": evaluation.state,
        "verdict": evaluation.verdict,
        "score": evaluation.score,
    }


def _claim() -> list[WebhookDelivery]:
    now = timezone.now()
    # Few of one holder in a round: receivers that drip hold up what their own holder is told.
    place = Window(
        RowNumber(),
        partition_by=[F("webhook__user"), F("webhook__team")],
        order_by="next_attempt_at",
    )
    waiting = WebhookDelivery.objects.filter(next_attempt_at__lte=now).annotate(place=place)
    first = waiting.filter(place__lte=_PER_HOLDER).order_by("next_attempt_at")
    with transaction.atomic():
        due = list(
            WebhookDelivery.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(
                pk__in=list(first.values_list("pk", flat=True)[:_BATCH]), next_attempt_at__lte=now
            )
            .select_related("webhook")
            .order_by("next_attempt_at")
        )
        WebhookDelivery.objects.filter(pk__in=[d.pk for d in due]).update(
            attempts=F("attempts") + 1, next_attempt_at=now + timedelta(seconds=_LEASE_S)
        )
    for delivery in due:
        delivery.attempts += 1
    return due


def _send(delivery: WebhookDelivery) -> _Outcome:
    hook = delivery.webhook
    content = json.dumps({"id": str(delivery.pk), **delivery.body}).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "touchstone-webhook/1",
        "Touchstone-Delivery": str(delivery.pk),
        "Touchstone-Event": str(delivery.body["type"]),
        "Touchstone-Signature": outgoing.signature(hook.secret, content),
    }
    try:
        status = outgoing.post(
            hook.url, content, headers, allowed_networks=settings.WEBHOOK_NETWORKS
        )
    except (outgoing.AddressRefused, outgoing.Failed) as error:
        return _Outcome(None, str(error)[:300])
    return _Outcome(status, "" if 200 <= status < 300 else f"It answered with status {status}.")


def _store(delivery: WebhookDelivery, outcome: _Outcome) -> None:
    retry = delivery.kind != PING
    delivery.status, delivery.error = outcome.status, outcome.error
    delivery.next_attempt_at = None
    if outcome.is_delivered:
        delivery.delivered_at = timezone.now()
        Webhook.objects.filter(pk=delivery.webhook_id).update(n_failures=0)
    elif retry and delivery.attempts <= len(PAUSES_S):
        pause = timedelta(seconds=PAUSES_S[delivery.attempts - 1])
        delivery.next_attempt_at = timezone.now() + pause
    elif retry:
        _count_failure(delivery.webhook)
    WebhookDelivery.objects.filter(pk=delivery.pk).update(
        status=delivery.status,
        error=delivery.error,
        next_attempt_at=delivery.next_attempt_at,
        delivered_at=delivery.delivered_at,
    )


def _count_failure(hook: Webhook) -> None:
    """After several deliveries given up the webhook is disabled, and what waits is dropped."""
    Webhook.objects.filter(pk=hook.pk).update(n_failures=F("n_failures") + 1)
    disabled = Webhook.objects.filter(pk=hook.pk, n_failures__gte=MAX_FAILURES)
    if disabled.update(is_enabled=False):
        logger.warning("Webhook %s is disabled after %d failures.", hook.pk, MAX_FAILURES)
        hook.deliveries.filter(next_attempt_at__isnull=False).update(
            next_attempt_at=None, error="Dropped, since the webhook was disabled."
        )
