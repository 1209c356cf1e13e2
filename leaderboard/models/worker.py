"""Hosts that evaluate. A worker registers itself and is heard of while it lives."""

from __future__ import annotations

import uuid

from django.db import models


class Worker(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200, unique=True, help_text="Host and process name.")
    device = models.CharField(max_length=32, help_text="cpu, cuda or cuda:N.")
    hardware = models.JSONField(default=dict, help_text="Processor, GPU, cores, memory.")
    sandbox_level = models.CharField(
        max_length=16, help_text="cgroup2, cgroup1, rlimit or none; see evaluator/sandbox."
    )
    versions = models.JSONField(default=dict, help_text="Of the evaluator and its packages.")
    is_enabled = models.BooleanField(
        default=True, help_text="A disabled worker claims nothing; what it runs may end."
    )
    first_seen_at = models.DateTimeField(auto_now_add=True, help_text="First registration.")
    last_seen_at = models.DateTimeField(help_text="Last heartbeat.")
    runtimes = models.JSONField(
        null=True,
        blank=True,
        help_text="Runtimes that it offers, by name: state, calculator kinds, digest, packages. "
        "Empty for a worker that does not tell them: it takes all kinds.",
    )
    n_slots = models.PositiveSmallIntegerField(
        default=1, db_default=1, help_text="Evaluations that it runs at the same time."
    )
    free_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Since when a slot is free and nothing was claimed; empty while it is full, "
        "disabled or unable.",
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
