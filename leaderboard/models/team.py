"""Teams: several people who own potentials together. Who may do what: ``permissions.py``."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from leaderboard.enums import TeamRole
from leaderboard.lib.names import NameField
from leaderboard.models.potential import slug_validator

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

INVITATION_LIFETIME = timedelta(days=14)
ANY_ROLE = tuple(TeamRole)
#: Whose members may submit versions of the team's potentials.
SUBMITTING_ROLES = (TeamRole.SUBMITTER, TeamRole.OWNER)


class TeamQuerySet(models.QuerySet["Team"]):
    def visible_to(self, user: User | AnonymousUser) -> TeamQuerySet:
        """One's own teams; all of them for the staff. Who belongs together is nobody else's."""
        if user.is_staff:
            return self
        if user.is_anonymous:
            return self.none()
        return self.filter(pk__in=Membership.objects.filter(user=user).values("team"))


class Team(models.Model):
    slug = models.CharField(
        max_length=64,
        unique=True,
        validators=[slug_validator],
        help_text="Name in addresses. Never changes.",
    )
    name = NameField(max_length=100, help_text="Name as its members write it.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="teams_created",
        help_text="Who made it; counted against the number of teams one may make.",
    )
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was made.")

    objects: ClassVar[models.Manager[Team]] = TeamQuerySet.as_manager()

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"/teams/{self.slug}/"


class Membership(models.Model):
    """A person in a team. A trigger keeps at least one owner in every team."""

    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, related_name="memberships", help_text="Of which."
    )
    # A person who is the last owner must hand the team over before he is deleted.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="memberships",
        help_text="Who.",
    )
    role = models.CharField(
        max_length=16, choices=TeamRole, help_text="Viewers read, submitters submit, owners manage."
    )
    joined_at = models.DateTimeField(auto_now_add=True, help_text="When.")

    class Meta:
        ordering = ("team", "joined_at")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=("team", "user"), name="one_membership_per_person"),
            models.CheckConstraint(
                name="membership_role_is_known", condition=models.Q(role__in=TeamRole.values)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role}) in {self.team}"


def _invitation_end() -> object:
    return timezone.now() + INVITATION_LIFETIME


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def pending(self) -> InvitationQuerySet:
        return self.filter(answered_at__isnull=True, expires_at__gt=timezone.now())


class Invitation(models.Model):
    """An invitation to join a team.

    Its id stands in the link and is a secret of 122 random bits.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, related_name="invitations", help_text="To which."
    )
    role = models.CharField(max_length=16, choices=TeamRole, help_text="Role in the team.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="invitations",
        help_text="Whom, if by user name: only he may accept.",
    )
    email = models.EmailField(
        blank=True, help_text="Where it was sent, if by e-mail: whoever has the link may accept."
    )
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="invitations_sent",
        help_text="By whom.",
    )
    created_at = models.DateTimeField(auto_now_add=True, help_text="When.")
    expires_at = models.DateTimeField(default=_invitation_end, help_text="Void from then on.")
    answered_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was accepted, declined or revoked."
    )

    objects: ClassVar[models.Manager[Invitation]] = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints: ClassVar = [
            models.CheckConstraint(
                name="invitation_has_one_addressee",
                condition=models.Q(user__isnull=False, email="")
                | (models.Q(user__isnull=True) & ~models.Q(email="")),
            ),
            models.UniqueConstraint(
                fields=("team", "user"),
                condition=models.Q(answered_at__isnull=True),
                name="one_open_invitation_per_person",
            ),
            models.UniqueConstraint(
                fields=("team", "email"),
                condition=models.Q(answered_at__isnull=True) & ~models.Q(email=""),
                name="one_open_invitation_per_address",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user or self.email} to {self.team}"

    def get_absolute_url(self) -> str:
        return f"/invitations/{self.pk}/"


def potentials_of(user: User, prefix: str = "", roles: tuple[TeamRole, ...] = ANY_ROLE) -> models.Q:
    """Rows whose potential is this user's, by himself or by a team in which he has such a role.

    ``prefix`` is the path from the row to the potential: "" or "potential__" and so on.
    """
    teams = Membership.objects.filter(user=user, role__in=roles).values("team")
    alone = models.Q(**{f"{prefix}owner": user, f"{prefix}team__isnull": True})
    return alone | models.Q(**{f"{prefix}team__in": teams})
