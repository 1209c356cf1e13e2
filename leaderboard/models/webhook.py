"""Addresses that are told when an evaluation begins or ends, and what was sent to them.

A delivery is written in the transaction of the event that it tells of, and stays until it was
delivered or given up: no process has to live for that.
"""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from leaderboard.enums import TeamRole
from leaderboard.models.team import Membership

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Kinds of events that can be subscribed to.
WEBHOOK_EVENTS = ("claimed", "retried", "succeeded", "failed", "cancelled")
PING = "ping"


def new_secret() -> str:
    return "whsec_" + secrets.token_urlsafe(32)


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def of(self, user: User) -> WebhookQuerySet:
        """A user's own, and those of teams that he owns: the secret signs for the whole team."""
        teams = Membership.objects.filter(user=user, role=TeamRole.OWNER).values("team")
        return self.filter(models.Q(user=user) | models.Q(team__in=teams))


class Webhook(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="webhooks",
        help_text="Hears of potentials that he owns alone; either a user or a team.",
    )
    team = models.ForeignKey(
        "leaderboard.Team",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="webhooks",
        help_text="Hears of the team's potentials; either a user or a team.",
    )
    url = models.CharField(max_length=500, help_text="Where to POST.")
    # Kept in the clear, since it signs; it opens nothing of ours.
    secret = models.CharField(max_length=64, default=new_secret, help_text="Signs each delivery.")
    events = ArrayField(
        models.CharField(max_length=16), default=list, blank=True, help_text="Empty for all."
    )
    is_enabled = models.BooleanField(
        default=True, help_text="Set to false after many failures in a row."
    )
    n_failures = models.PositiveIntegerField(
        default=0, help_text="Deliveries given up since the last that arrived."
    )
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was made.")

    objects: ClassVar[models.Manager[Webhook]] = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints: ClassVar = [
            models.CheckConstraint(
                name="webhook_has_one_holder",
                condition=models.Q(user__isnull=False, team__isnull=True)
                | models.Q(user__isnull=True, team__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="deliveries", help_text="To whom."
    )
    kind = models.CharField(max_length=32, help_text="The event's kind, or ping.")
    body = models.JSONField(help_text="What is sent.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Trials so far.")
    next_attempt_at = models.DateTimeField(
        null=True, help_text="When it is tried (again); empty once it was delivered or given up."
    )
    status = models.PositiveSmallIntegerField(null=True, help_text="Last HTTP status received.")
    error = models.CharField(max_length=300, blank=True, help_text="Why the last trial failed.")
    created_at = models.DateTimeField(auto_now_add=True, help_text="When the event happened.")
    delivered_at = models.DateTimeField(null=True, help_text="When it was accepted.")

    class Meta:
        ordering = ("-created_at",)
        indexes: ClassVar = [
            models.Index(
                fields=("next_attempt_at",),
                condition=models.Q(next_attempt_at__isnull=False),
                name="webhook_deliveries_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.webhook_id}"
