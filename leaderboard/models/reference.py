"""Versioned ground truth. The bytes are one extended XYZ file, stored under their sha256."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from evaluator.contract import ReferenceSpec
from leaderboard.enums import VersionState
from leaderboard.lib.names import NameField
from leaderboard.models.potential import slug_validator


class ReferenceSetQuerySet(models.QuerySet["ReferenceSet"]):
    def in_use(self) -> ReferenceSetQuerySet:
        """Those that published task versions rest on."""
        return self.filter(task_versions__state=VersionState.PUBLISHED).distinct()


class ReferenceSet(models.Model):
    """Immutable once a published task uses it: new data is a new version."""

    slug = models.CharField(
        max_length=64, validators=[slug_validator], help_text="Name in addresses."
    )
    version = models.CharField(max_length=32, help_text="E.g. 1 or 2025.1.")
    title = NameField(max_length=200, help_text="What it is, in a line.")
    sha256 = models.CharField(max_length=64, help_text="Of the canonical extended XYZ file.")
    size_bytes = models.PositiveBigIntegerField(help_text="Length of the file.")
    n_systems = models.PositiveIntegerField(help_text="Number of structures.")
    elements = ArrayField(
        models.CharField(max_length=2), default=list, help_text="Chemical symbols it contains."
    )
    properties = ArrayField(
        models.CharField(max_length=64),
        default=list,
        blank=True,
        help_text="What every structure carries, e.g. energy, forces, stress; empty for a set of "
        "structures alone.",
    )
    level_of_theory = models.CharField(max_length=100, help_text="E.g. PBE, r2SCAN, experiment.")
    licence = models.CharField(max_length=200, help_text="SPDX name or a sentence.")
    citation = models.TextField(help_text="Paper with DOI.")
    url = models.URLField(blank=True, max_length=500, help_text="Where it was published.")
    is_public = models.BooleanField(
        default=True, help_text="Reference values of a hidden set are never shown."
    )
    summary = models.JSONField(
        default=dict,
        db_default={},  # the previous release writes rows without it
        blank=True,
        help_text="What was found in it when it was checked: counts, ranges, a dummy's errors.",
    )
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was loaded.")

    objects: ClassVar[models.Manager[ReferenceSet]] = ReferenceSetQuerySet.as_manager()

    class Meta:
        ordering = ("slug", "version")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("slug", "version"), name="one_reference_per_version"),
            models.CheckConstraint(
                name="reference_sha256_is_hex", condition=models.Q(sha256__regex="^[0-9a-f]{64}$")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug} {self.version}"

    @property
    def storage_name(self) -> str:
        return f"references/{self.sha256[:2]}/{self.sha256}"

    def spec(self) -> ReferenceSpec:
        return ReferenceSpec(
            name=self.slug,
            version=self.version,
            sha256=self.sha256,
            level_of_theory=self.level_of_theory,
        )
