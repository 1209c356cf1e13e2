"""What accounts have used of their quota, and how often addresses have asked.

A charge stands for one evaluation that somebody asked for. Which charges count is decided when
they are read (``ChargeQuerySet.counted``), so that a fault of the service never costs anything,
whenever it is found out.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from evaluator.contract import Verdict
from leaderboard.enums import EvaluationState

#: Ended by our fault: never charged.
FREE_VERDICTS = (Verdict.INFRASTRUCTURE_ERROR.value, Verdict.INFRASTRUCTURE_LOST.value)


class QuotaOverride(models.Model):
    """Limits of one user or one team that differ from the site's; empty means the site's."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="quota_override",
        help_text="Whose; either a user or a team.",
    )
    team = models.OneToOneField(
        "leaderboard.Team",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="quota_override",
        help_text="Whose; either a user or a team.",
    )
    per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="Evaluations in a day (UTC); 0 forbids them."
    )
    per_month = models.PositiveIntegerField(
        null=True, blank=True, help_text="Evaluations in a calendar month (UTC)."
    )
    concurrent = models.PositiveIntegerField(
        null=True, blank=True, help_text="Evaluations queued or running at the same time."
    )
    worker_seconds_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="Time of workers in a day (UTC), in seconds."
    )
    worker_seconds_per_week = models.PositiveIntegerField(
        null=True, blank=True, help_text="Time of workers in a week that begins on Monday (UTC)."
    )
    potentials = models.PositiveIntegerField(
        null=True, blank=True, help_text="Potentials that are registered."
    )
    stored_MiB = models.PositiveIntegerField(
        null=True, blank=True, help_text="Files of submissions and uploads, in MiB."
    )
    reason = models.CharField(max_length=300, help_text="Why, for the other administrators.")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="quota_override_has_one_holder",
                condition=models.Q(user__isnull=False, team__isnull=True)
                | models.Q(user__isnull=True, team__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"Limits of {self.user or self.team}"


class ChargeQuerySet(models.QuerySet["Charge"]):
    def counted(self) -> ChargeQuerySet:
        """Leave out what ended by our fault, and what never began."""
        never_began = models.Q(
            evaluation__state=EvaluationState.CANCELLED, evaluation__fencing_token=0
        )
        return self.exclude(never_began | models.Q(evaluation__verdict__in=FREE_VERDICTS))

    def active(self) -> ChargeQuerySet:
        return self.filter(evaluation__state__in=(EvaluationState.QUEUED, EvaluationState.RUNNING))


class Charge(models.Model):
    """One evaluation on the account of a user or a team."""

    evaluation = models.OneToOneField(
        "leaderboard.Evaluation",
        on_delete=models.CASCADE,
        related_name="charge",
        help_text="Which evaluation.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="charges",
        help_text="Who pays; either a user or a team.",
    )
    team = models.ForeignKey(
        "leaderboard.Team",
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="charges",
        help_text="Who pays; either a user or a team.",
    )
    at = models.DateTimeField(auto_now_add=True, help_text="When it was asked for.")

    objects: ClassVar[models.Manager[Charge]] = ChargeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="charge_has_one_payer",
                condition=models.Q(user__isnull=False, team__isnull=True)
                | models.Q(user__isnull=True, team__isnull=False),
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=("user", "at"), name="charges_of_user"),
            models.Index(fields=("team", "at"), name="charges_of_team"),
        ]

    def __str__(self) -> str:
        return f"{self.evaluation_id} on {self.user or self.team}"


class WorkerTime(models.Model):
    """Time of workers that one party's evaluations took, by the hour in which they ended.

    A trigger adds to it whenever an attempt ends, whatever ends it, so that nothing that held a
    worker is forgotten: what was cancelled, what was lost, smoke tests.
    """

    party = models.CharField(max_length=32, help_text="user N, team N, or staff.")
    hour = models.DateTimeField(help_text="Begin of the hour.")
    seconds = models.FloatField(help_text="Of all attempts that ended in the hour.")
    smoke_seconds = models.FloatField(help_text="Of these, smoke tests.")
    paid_seconds = models.FloatField(
        help_text="Of these, what the party pays for: no faults of ours, no other's potentials."
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("party", "hour"), name="one_worker_time_per_hour")
        ]
        indexes: ClassVar = [models.Index(fields=("hour",), name="worker_time_age")]

    def __str__(self) -> str:
        return f"{self.party}: {self.seconds:.0f} s in the hour of {self.hour:%Y-%m-%d %H:%M}"


class RequestCount(models.Model):
    """Requests of one client in the current window of one scope. Unlogged: lost in a crash."""

    key = models.CharField(primary_key=True, max_length=200, help_text="Scope and client.")
    window_start = models.BigIntegerField(help_text="Seconds since 1970.")
    n = models.PositiveIntegerField(help_text="Requests in the window.")

    class Meta:
        indexes: ClassVar = [models.Index(fields=("window_start",), name="request_count_age")]

    def __str__(self) -> str:
        return f"{self.key}: {self.n}"
