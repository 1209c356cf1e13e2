"""A reference set that was uploaded and checked, and waits for its administrator's word."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class ReferenceUpload(models.Model):
    """Kept for a day at most. The canonical file lies under its sha256, apart from the sets."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="reference_uploads",
        help_text="Who uploaded it.",
    )
    filename = models.CharField(max_length=200, help_text="Name under which it was uploaded.")
    sha256 = models.CharField(max_length=64, help_text="Of the canonical extended XYZ file.")
    description = models.JSONField(help_text="Slug, version, title, licence, ... as given.")
    summary = models.JSONField(help_text="What the check found: evaluator/references/upload.py.")
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was uploaded.")

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.filename

    @property
    def storage_name(self) -> str:
        return f"reference-uploads/{self.pk}"
