"""Uploads in parts: a file that arrives piece by piece and may be resumed after a break.

Rows tell what has arrived; the bytes of each part lie in the storage until the whole is complete.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

#: Every part but the last has exactly this length.
PART_BYTES = 8 * 2**20


class UploadQuerySet(models.QuerySet["Upload"]):
    def standing(self) -> UploadQuerySet:
        """Uploads that have not expired."""
        return self.filter(expires_at__gt=timezone.now())


class Upload(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="uploads",
        help_text="Who uploads; nobody else sees it.",
    )
    filename = models.CharField(max_length=200, help_text="As announced, cleaned.")
    size_bytes = models.PositiveBigIntegerField(help_text="Of the whole file, as announced.")
    sha256 = models.CharField(max_length=64, help_text="Of the whole file, as announced.")
    artifact = models.ForeignKey(
        "leaderboard.Artifact",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="uploads",
        help_text="What it became; empty until it is complete.",
    )
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was announced.")
    completed_at = models.DateTimeField(null=True, blank=True, help_text="When it was whole.")
    expires_at = models.DateTimeField(help_text="Removed after this; each part moves it on.")

    objects: ClassVar[models.Manager[Upload]] = UploadQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints: ClassVar = [
            models.CheckConstraint(
                name="upload_is_not_empty", condition=models.Q(size_bytes__gt=0)
            ),
            models.CheckConstraint(
                name="complete_upload_has_an_artifact",
                condition=models.Q(completed_at__isnull=True, artifact__isnull=True)
                | models.Q(completed_at__isnull=False, artifact__isnull=False),
            ),
        ]
        indexes: ClassVar = [models.Index(fields=("expires_at",), name="upload_expiry")]

    def __str__(self) -> str:
        return f"{self.filename} ({self.pk})"

    @property
    def n_parts(self) -> int:
        return -(-self.size_bytes // PART_BYTES)

    def length_of(self, number: int) -> int:
        """Bytes of part ``number``, 1 to n_parts."""
        return min(PART_BYTES, self.size_bytes - (number - 1) * PART_BYTES)


class UploadPart(models.Model):
    upload = models.ForeignKey(
        Upload, on_delete=models.CASCADE, related_name="parts", help_text="Of which."
    )
    number = models.PositiveIntegerField(help_text="1, 2, 3, ...")
    sha256 = models.CharField(max_length=64, help_text="Of the part.")
    size_bytes = models.PositiveIntegerField(help_text="Length of the part.")
    received_at = models.DateTimeField(auto_now=True, help_text="When it arrived.")

    class Meta:
        ordering = ("upload", "number")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("upload", "number"), name="one_part_per_number")
        ]

    def __str__(self) -> str:
        return f"part {self.number} of {self.upload_id}"

    @property
    def storage_name(self) -> str:
        # With its hash: a part that is sent anew with other bytes never overwrites the old one.
        return f"uploads/{self.upload_id}/{self.number:06d}-{self.sha256}"
