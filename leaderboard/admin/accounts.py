"""API tokens: who has them; their text is known to nobody."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from leaderboard.admin.base import ReadOnlyAdmin, for_each
from leaderboard.models import ApiToken
from leaderboard.services.accounts.accounts import revoke_token

admin.site.unregister(Authenticator)  # allauth's page would show and change secrets


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    """Taken away with ``manage.py drop_second_factor``, by who runs the service."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("type",)
    search_fields = ("user__username",)
    exclude = ("data",)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ("hint", "user", "name", "scopes", "expires_at", "last_used_at", "revoked_at")
    list_select_related = ("user",)
    search_fields = ("hint", "name", "user__username")
    exclude = ("token_hash",)
    actions = ("revoke",)

    @admin.action(description="Revoke", permissions=["operate"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        def act(token: ApiToken) -> str:
            revoke_token(request.user, token)  # type: ignore[arg-type]
            return ""

        for_each(request, queryset, act, "Revoked")
