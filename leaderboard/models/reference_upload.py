"""A reference set that was uploaded and checked, and waits for its administrator's word."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class ReferenceUpload(models.Model):
    """Kept for a day at most, apart from the sets: the file as it came, and the canonical one.

    Until it has been checked it has neither sha256 nor summary: its form was not complete.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="reference_uploads",
        help_text="Who uploaded it.",
    )
    filename = models.CharField(max_length=200, help_text="Name under which it was uploaded.")
    sha256 = models.CharField(
        max_length=64, blank=True, help_text="Of the canonical extended XYZ file."
    )
    description = models.JSONField(help_text="Slug, version, title, licence, ... as given.")
    convention = models.JSONField(
        default=dict,
        db_default={},  # the previous release writes rows without it
        blank=True,
        help_text="Names and units of the file's values, as given.",
    )
    summary = models.JSONField(help_text="What the check found: evaluator/references/upload.py.")
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was uploaded.")

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return self.filename

    @property
    def is_checked(self) -> bool:
        return bool(self.sha256)

    @property
    def storage_name(self) -> str:
        """Of the canonical file."""
        return f"reference-uploads/{self.pk}"

    @property
    def original_name(self) -> str:
        """Of the file as it was uploaded; one of the previous release has none."""
        return f"reference-uploads/{self.pk}-original"
