"""API tokens: who has them; their text is known to nobody."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from leaderboard.admin.asking import ask_first, question_about
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
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> HttpResponse | None:
        def act(token: ApiToken) -> str:
            revoke_token(request.user, token)  # type: ignore[arg-type]
            return ""

        valid = [row for row in queryset.select_related("user") if row.revoked_at is None]
        meaning = "Whatever signs in with them is refused from then on. It cannot be undone."
        question = question_about("Revoke", valid, meaning, request.get_full_path())
        if valid and (page := ask_first(request, self.admin_site, question)):
            return page
        for_each(request, queryset, act, "Revoked")
        return None
