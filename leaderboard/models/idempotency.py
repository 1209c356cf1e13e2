"""Answers that are kept for a while, so that a repeated request is answered and not done again."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class IdempotencyKey(models.Model):
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="idempotency_keys",
        help_text="Whose request; keys of others are others.",
    )
    key = models.CharField(max_length=255, help_text="As the client chose it.")
    fingerprint = models.CharField(
        max_length=64, help_text="SHA-256 of method, address and body of the request."
    )
    status = models.PositiveSmallIntegerField(default=0, help_text="HTTP status of the answer.")
    body = models.JSONField(default=dict, help_text="The answer.")
    headers = models.JSONField(default=dict, help_text="Headers of the answer that matter.")
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was first used.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("user", "key"), name="one_answer_per_key")
        ]
        indexes: ClassVar = [models.Index(fields=("created_at",), name="idempotency_key_age")]

    def __str__(self) -> str:
        return f"{self.key} of {self.user}"
