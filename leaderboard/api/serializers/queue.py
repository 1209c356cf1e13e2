"""What the API tells of the queue as a whole."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class QueueRecord(serializers.Serializer[Any]):
    n_queued = serializers.IntegerField(help_text="Evaluations that wait, held ones included.")
    n_held = serializers.IntegerField(help_text="Of these, waiting for their smoke evaluation.")
    n_running = serializers.IntegerField(help_text="Evaluations at work.")
    oldest_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when the oldest waits; null where nothing does."
    )
    n_workers = serializers.IntegerField(help_text="Workers that live and are enabled.")
    n_deaf = serializers.IntegerField(
        help_text="Of these, free and without having heard for long that work is due: a fault."
    )
