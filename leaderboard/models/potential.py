"""A potential known to the public; its versions are submissions."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.validators import ArrayMaxLengthValidator
from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models

from leaderboard.lib.names import NameField

slug_validator = RegexValidator(
    r"^[a-z0-9]+(?:[.-][a-z0-9]+)*\Z",
    "Use small letters, digits, and single dots or hyphens between them.",
)


class Potential(models.Model):
    slug = models.CharField(
        max_length=64,
        unique=True,
        validators=[slug_validator],
        help_text="Name in addresses, e.g. mace-mp-0. Never changes.",
    )
    name = NameField(max_length=100, help_text="Name as its authors write it.")
    resembles = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Slug of an older potential, of other people, whose name looks like this one.",
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="potentials",
        help_text="Who registered it, and owns it unless a team does.",
    )
    team = models.ForeignKey(
        "leaderboard.Team",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="potentials",
        help_text="The team that owns it, if one does; its members have their roles' rights.",
    )
    description = models.TextField(
        blank=True,
        max_length=10_000,
        validators=[MaxLengthValidator(10_000)],
        help_text="In Markdown: CommonMark with tables, without HTML; pictures become their words.",
    )
    architecture = NameField(max_length=100, blank=True, help_text="E.g. MACE, CHGNet, M3GNet.")
    authors = NameField(
        max_length=500,
        blank=True,
        help_text="Parted by commas, or by semicolons: Doe, J.; Roe, R.",
    )
    paper_url = models.URLField(blank=True, help_text="The paper that describes it.")
    code_url = models.URLField(blank=True, help_text="Where its code is.")
    licence = NameField(max_length=100, blank=True, help_text="Of the weights; SPDX name.")
    training_sets = ArrayField(
        NameField(max_length=100),
        default=list,
        blank=True,
        validators=[ArrayMaxLengthValidator(50)],
        help_text="E.g. MPtrj, OMat24.",
    )
    level_of_theory = NameField(
        max_length=100, blank=True, help_text="Of its training data, e.g. PBE, r2SCAN."
    )
    n_parameters = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Number of trained parameters."
    )
    is_baseline = models.BooleanField(
        default=False, help_text="Stands on every board for comparison; marked as a baseline."
    )
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was registered.")

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/potentials/{self.slug}/"
