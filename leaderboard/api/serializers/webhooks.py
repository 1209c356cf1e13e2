"""Webhooks and what was delivered to them."""

from __future__ import annotations

from rest_framework import serializers

from leaderboard.api.query import SlugField
from leaderboard.api.serializers.fields import JSONObject, Link, Record, StrictRequest
from leaderboard.models.webhook import WEBHOOK_EVENTS


class WebhookRecord(Record):
    id = serializers.UUIDField()
    address = Link("webhook", help_text="Of this webhook here.")
    url = serializers.CharField(help_text="Where deliveries are POSTed.")
    team = serializers.CharField(
        source="team.slug", default=None, allow_null=True, help_text="Slug, if it is a team's."
    )
    events = serializers.ListField(
        child=serializers.CharField(), help_text="Kinds of events; empty for all."
    )
    is_enabled = serializers.BooleanField(help_text="Switched off after many failures.")
    n_failures = serializers.IntegerField(help_text="Deliveries given up since the last success.")
    created_at = serializers.DateTimeField()


class NewWebhookRecord(WebhookRecord):
    secret = serializers.CharField(help_text="Signs each delivery. Shown this once.")


class WebhookRequest(StrictRequest):
    url = serializers.CharField(max_length=500, help_text="https://...; of the public internet.")
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=WEBHOOK_EVENTS),
        required=False,
        max_length=len(WEBHOOK_EVENTS),
        help_text="Only these; all if left out.",
    )
    team = SlugField(required=False, help_text="A team that you own: hears of its potentials.")


class WebhookChange(StrictRequest):
    url = serializers.CharField(max_length=500, required=False)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=WEBHOOK_EVENTS),
        required=False,
        max_length=len(WEBHOOK_EVENTS),
    )
    is_enabled = serializers.BooleanField(required=False)


class DeliveryRecord(Record):
    id = serializers.UUIDField(help_text="Also in the header Touchstone-Delivery.")
    kind = serializers.CharField(help_text="The event's, or ping.")
    body = JSONObject(help_text="What is sent.")
    attempts = serializers.IntegerField()
    status = serializers.IntegerField(allow_null=True, help_text="HTTP status of the last trial.")
    error = serializers.CharField(help_text="Why the last trial failed.")
    created_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(
        allow_null=True, help_text="Null once it was delivered or given up."
    )
    delivered_at = serializers.DateTimeField(allow_null=True)
