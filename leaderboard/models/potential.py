"""A potential known to the public; its versions are submissions."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.validators import ArrayMaxLengthValidator
from django.core.validators import MaxLengthValidator, RegexValidator
from django.db import models
from django.db.models.functions import Cast, Concat, Left

from leaderboard.lib.names import NameField

slug_validator = RegexValidator(
    r"^[a-z0-9]+(?:[.-][a-z0-9]+)*\Z",
    "Use small letters, digits, and single dots or hyphens between them.",
)


class PotentialQuerySet(models.QuerySet["Potential"]):
    def named(self, name: str) -> models.QuerySet[Potential]:
        """The one that an address or a slug means, if any: who holds the slug, else the oldest.

        An address with a tail means the same potential before and after it holds its slug.
        """
        slug, tilde, tail = name.partition("~")
        rows = self.filter(slug=slug, tail=tail) if tilde else self.filter(slug=slug)
        return rows.order_by("-holds_slug", "created_at", "pk")[:1]


class Potential(models.Model):
    """What everybody sees holds its slug; of what nobody else has seen, nobody else is told.

    A slug is held from the first public version on, by a trigger in the database. Until then it
    is unique among its holder's own alone, and ``address`` has a tail that nobody can guess:
    that a slug is in use by somebody's private potential is told to nobody.
    """

    slug = models.CharField(
        max_length=64,
        db_index=True,
        validators=[slug_validator],
        help_text="Name, e.g. mace-mp-0. Never changes once a version of it was public.",
    )
    holds_slug = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="A version of it was public: the slug is its own for everybody.",
    )
    tail = models.CharField(
        max_length=8,
        db_default=Left(Cast(RandomUUID(), models.CharField()), 8),
        editable=False,
        help_text="Of the address, while the slug is not held.",
    )
    address = models.GeneratedField(
        expression=models.Case(
            models.When(holds_slug=True, then=models.F("slug")),
            default=Concat(models.F("slug"), models.Value("~"), models.F("tail")),
        ),
        output_field=models.CharField(max_length=73),
        db_persist=True,
        unique=True,
        help_text="Name in addresses: the slug, with a tail until a version of it was public.",
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

    objects: ClassVar[models.Manager[Potential]] = PotentialQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=("owner", "slug"),
                condition=models.Q(team__isnull=True),
                name="one_potential_of_a_person_per_slug",
            ),
            models.UniqueConstraint(
                fields=("team", "slug"), name="one_potential_of_a_team_per_slug"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/potentials/{self.address}/"
