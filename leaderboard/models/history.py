"""Where public versions of potentials stood on boards, written down change by change.

Everything here follows from evaluations, submissions and boards, and can be made again from them:
see services/history.py, which alone writes it.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from leaderboard.enums import StandingChange


class BoardHistory(models.Model):
    """How far the history of a board is written."""

    benchmark_version = models.OneToOneField(
        "leaderboard.BenchmarkVersion",
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Of which board.",
    )
    through = models.DateTimeField(help_text="What happened until then is written down.")
    n_waiting = models.PositiveIntegerField(help_text="Moments that are known and not yet written.")
    digest = models.CharField(
        max_length=64, help_text="Of all moments until then, to notice one that is committed late."
    )
    stamp = models.CharField(
        max_length=200,
        help_text="Of the board when it was looked at; see services/boards/stamps.py.",
    )

    def __str__(self) -> str:
        return f"history of {self.benchmark_version_id}"


class StandingRecord(models.Model):
    """Where a version stood from a moment on, until its next row on the same board."""

    benchmark_version = models.ForeignKey(
        "leaderboard.BenchmarkVersion",
        on_delete=models.CASCADE,
        related_name="+",
        help_text="On which board.",
    )
    submission = models.ForeignKey(
        "leaderboard.Submission",
        on_delete=models.CASCADE,
        related_name="+",
        help_text="Which version of a potential. Public since then at the latest.",
    )
    since = models.DateTimeField(help_text="From this moment on.")
    change = models.CharField(
        max_length=16, choices=StandingChange, help_text="What brought it there."
    )
    rank_before = models.PositiveIntegerField(null=True, help_text="Where it stood till then.")
    rank = models.PositiveIntegerField(null=True, help_text="Empty where it is not ranked.")
    rank_low = models.PositiveIntegerField(null=True, help_text="Of the rank's 95 % interval.")
    rank_high = models.PositiveIntegerField(null=True, help_text="The same.")
    n_ranked = models.PositiveIntegerField(help_text="All that were ranked at this moment.")
    overall = models.FloatField(null=True, help_text="Score, 0 to 1; empty where it has left.")
    low = models.FloatField(null=True, help_text="Of the score's 95 % interval.")
    high = models.FloatField(null=True, help_text="The same.")
    n_came_above = models.PositiveIntegerField(
        default=0, help_text="Others that were not ranked before and now stand above."
    )
    n_left_above = models.PositiveIntegerField(
        default=0, help_text="Others that stood above and are not ranked any more."
    )

    class Meta:
        ordering = ("-since", "-pk")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("submission", "benchmark_version", "since"),
                name="one_standing_at_a_moment",
            )
        ]

    def __str__(self) -> str:
        return f"{self.submission_id} on {self.benchmark_version_id} since {self.since}"

    @property
    def has_left(self) -> bool:
        return self.change in {StandingChange.WITHDRAWN, StandingChange.REPEATED}
