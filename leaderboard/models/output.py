"""What evaluations leave besides numbers: output files, and systems kept for a next attempt."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from evaluator.contract import FILE_NAME_PATTERN
from leaderboard.models.evaluation import Evaluation


class EvaluationFile(models.Model):
    """An output file of one system of an evaluation that has ended. Never edited."""

    evaluation = models.ForeignKey(
        Evaluation, on_delete=models.PROTECT, related_name="files", help_text="Of which."
    )
    position = models.PositiveIntegerField(help_text="Order within the evaluation.")
    system_id = models.CharField(max_length=200, help_text="Name within the reference set.")
    name = models.CharField(max_length=100, help_text="File name, safe in addresses and headers.")
    sha256 = models.CharField(max_length=64, help_text="Of its bytes, hex.")
    size_bytes = models.PositiveBigIntegerField(help_text="Length of the file.")
    media_type = models.CharField(max_length=100, help_text="By its suffix.")
    left_out = models.CharField(
        max_length=200, blank=True, help_text="Why its bytes were not kept; empty if they were."
    )

    class Meta:
        ordering = ("evaluation", "position")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("evaluation", "system_id", "name"), name="one_file_per_name"
            ),
            models.CheckConstraint(
                name="file_sha256_is_hex", condition=models.Q(sha256__regex="^[0-9a-f]{64}$")
            ),
            models.CheckConstraint(
                name="file_name_is_safe", condition=models.Q(name__regex=f"^{FILE_NAME_PATTERN}$")
            ),
        ]
        indexes: ClassVar = [models.Index(fields=("sha256",), name="file_sha256")]

    def __str__(self) -> str:
        return f"{self.name} of {self.system_id}"

    @property
    def storage_name(self) -> str:
        return storage_name(self.sha256)


class KeptSystem(models.Model):
    """A finished system of an evaluation that has not ended, so that no attempt repeats it."""

    evaluation = models.ForeignKey(
        Evaluation, on_delete=models.CASCADE, related_name="kept_systems", help_text="Of which."
    )
    system_id = models.CharField(max_length=200, help_text="Name within the reference set.")
    fencing_token = models.PositiveBigIntegerField(help_text="Of the claim that found it.")
    worker = models.ForeignKey(
        "leaderboard.Worker",
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Who found it.",
    )
    content = models.BinaryField(help_text="As evaluator.driver.finished writes it; no pickle.")
    kept_at = models.DateTimeField(auto_now_add=True, help_text="When.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("evaluation", "system_id"), name="kept_once")
        ]

    def __str__(self) -> str:
        return f"{self.system_id} of {self.evaluation_id}"


def storage_name(sha256: str) -> str:
    """Where the storage keeps an output file's bytes."""
    return f"outputs/{sha256[:2]}/{sha256}"
