"""Teams, invitations, and the limits of those who differ from the site's."""

from __future__ import annotations

from django.contrib import admin

from leaderboard.admin.base import ModelAdmin, ReadOnlyAdmin, ReadOnlyInline
from leaderboard.models import Charge, Invitation, Membership, QuotaOverride, Team


class MembershipInline(ReadOnlyInline):
    model = Membership
    fields = ("user", "role", "joined_at")
    readonly_fields = ("joined_at",)


@admin.register(Team)
class TeamAdmin(ReadOnlyAdmin):
    """Changed on the team's own page, where the staff has an owner's rights."""

    list_display = ("slug", "name", "created_by", "created_at")
    list_select_related = ("created_by",)
    search_fields = ("slug", "name")
    inlines = (MembershipInline,)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    list_display = ("team", "user", "email", "role", "invited_by", "expires_at", "answered_at")
    list_select_related = ("team", "user", "invited_by")


@admin.register(QuotaOverride)
class QuotaOverrideAdmin(ModelAdmin):
    list_display = ("__str__", "per_day", "per_month", "concurrent", "reason")
    list_select_related = ("user", "team")
    autocomplete_fields = ("user", "team")


@admin.register(Charge)
class ChargeAdmin(ReadOnlyAdmin):
    list_display = ("at", "user", "team", "evaluation")
    list_select_related = ("user", "team", "evaluation__submission__potential")
    list_filter = ("at",)
    search_fields = ("user__username", "team__slug")
