"""Teams, their members, and invitations."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from rest_framework import serializers

from leaderboard.api.serializers.fields import Link, Record, StrictRequest
from leaderboard.enums import TeamRole
from leaderboard.models import Team
from leaderboard.models.permissions import role_in

_SLUG = serializers.RegexField(
    r"^[a-z0-9]+(?:[.-][a-z0-9]+)*\Z", max_length=64, help_text="Never changes."
)


class TeamRequest(StrictRequest):
    slug = _SLUG
    name = serializers.CharField(max_length=100)


class TeamChange(StrictRequest):
    name = serializers.CharField(max_length=100)


class TeamRecord(Record):
    slug = serializers.CharField()
    url = Link("team", "slug")
    page = serializers.CharField(source="get_absolute_url", help_text="Path of its page.")
    name = serializers.CharField()
    role = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()

    def get_role(self, team: Team) -> str | None:
        """Yours; null for the staff outside."""
        user: User = self.context["request"].user
        return role_in(user, team)


class MemberRecord(Record):
    username = serializers.CharField(source="user.username")
    role = serializers.ChoiceField(choices=TeamRole.choices)
    joined_at = serializers.DateTimeField()


class RoleChange(StrictRequest):
    role = serializers.ChoiceField(choices=TeamRole.choices)


class InvitationRequest(StrictRequest):
    role = serializers.ChoiceField(choices=TeamRole.choices)
    username = serializers.CharField(
        required=False, max_length=150, help_text="Of whom to invite; or"
    )
    email = serializers.EmailField(required=False, help_text="where to send the link.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if ("username" in attrs) == ("email" in attrs):
            raise serializers.ValidationError("Give either a user name or an e-mail address.")
        return attrs


class InvitationRecord(Record):
    id = serializers.UUIDField()
    url = Link("invitation", "pk")
    page = serializers.CharField(source="get_absolute_url", help_text="Path of its page.")
    team = serializers.CharField(source="team.slug")
    team_name = serializers.CharField(source="team.name")
    role = serializers.ChoiceField(choices=TeamRole.choices)
    username = serializers.CharField(source="user.username", default=None, allow_null=True)
    email = serializers.CharField(help_text="Empty for one by user name.")
    invited_by = serializers.CharField(source="invited_by.username")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
