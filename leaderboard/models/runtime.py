"""Locks that submissions bring, and what became of the runtimes that are built of them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from evaluator.runtimes.own_names import own_name
from leaderboard.enums import RuntimeState


class RuntimeLock(models.Model):
    """The packages of one runtime, each by version and hash; shared by all who bring the same."""

    sha256 = models.CharField(
        max_length=64, unique=True, help_text="Of what it says, whatever its comments."
    )
    text = models.TextField(help_text="As it was first brought.")
    n_packages = models.PositiveIntegerField(help_text="That it names.")
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was first brought.")
    state = models.CharField(
        max_length=16,
        choices=RuntimeState,
        default=RuntimeState.WAITING,
        help_text="Of its runtime, as the last worker has said.",
    )
    message = models.TextField(
        blank=True, default="", help_text="Why it was refused or has failed, a sentence."
    )
    log = models.TextField(blank=True, default="", help_text="Of the last build.")
    digest = models.CharField(
        max_length=64, blank=True, default="", help_text="Of the runtime that was built last."
    )
    python = models.CharField(
        max_length=32, blank=True, default="", help_text="Version of Python that it was built for."
    )
    packages = models.JSONField(default=dict, blank=True, help_text="Versions, as installed.")
    n_bytes = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="What its files take; others may share them."
    )
    build_time_s = models.FloatField(null=True, blank=True, help_text="What its build took.")
    built_at = models.DateTimeField(null=True, blank=True, help_text="When it was built last.")
    last_used_at = models.DateTimeField(
        null=True, blank=True, help_text="When an evaluation last began in it."
    )

    class Meta:
        ordering = ("-created_at",)
        constraints: ClassVar = [
            models.CheckConstraint(
                name="runtime_lock_sha256_is_hex",
                condition=models.Q(sha256__regex="^[0-9a-f]{64}$"),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/runtimes/{self.name}/"

    @property
    def name(self) -> str:
        """What provenance and addresses call its runtime."""
        return own_name(self.sha256)
