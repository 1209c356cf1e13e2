"""What the administrators did. Rows are only ever added: a trigger refuses everything else."""

from __future__ import annotations

from django.db import models


class AuditEntry(models.Model):
    """Who did what to which row, when, and what stood there before.

    Names and keys are copied, not referenced, so that the entry outlives what it speaks of.
    """

    at = models.DateTimeField(auto_now_add=True, db_index=True, help_text="When.")
    actor = models.CharField(max_length=150, db_index=True, help_text="User name, or the command.")
    actor_id = models.BigIntegerField(null=True, help_text="The user's key; empty for a command.")
    action = models.CharField(max_length=64, db_index=True, help_text="What was done, in a word.")
    model = models.CharField(max_length=64, blank=True, help_text="Kind of row.")
    object_id = models.CharField(max_length=64, blank=True, help_text="The row's key.")
    label = models.CharField(max_length=300, blank=True, help_text="The row's name at the time.")
    changes = models.JSONField(
        default=dict, blank=True, help_text="Field -> [old, new]; secrets are not copied."
    )
    detail = models.TextField(blank=True, help_text="What else is to be known, in words.")

    class Meta:
        ordering = ("-pk",)
        verbose_name_plural = "audit entries"
        indexes = (models.Index(fields=("model", "object_id"), name="audit_of_row"),)

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.label}"
