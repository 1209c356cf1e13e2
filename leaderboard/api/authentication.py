"""Authorization by API token: ``Authorization: Bearer tst_...``.

A token's scopes are enforced here, so that no view can forget them: safe methods need "read"
unless the view's ``safe_scope`` names another, all others "submit" unless its ``token_scope`` does
(None: any valid token will do). Without "admin" a member of the staff is an ordinary user to
everything behind.
"""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from leaderboard.api.throttling import SAFE
from leaderboard.enums import TokenScope
from leaderboard.models import ApiToken
from leaderboard.models.account import hash_token
from leaderboard.services.accounts import second_factor

#: A busy client would otherwise write the row with every request.
_LAST_USED_STEP = timedelta(minutes=1)
_MAKE_ONE = "Make a new one with POST /api/v1/tokens/."


class TokenAuthentication(BaseAuthentication):
    """The header may be absent; one that is there must be right, on public addresses too."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = get_authorization_header(request).split()
        if not words:
            return None
        if words[0].lower() != b"bearer" or len(words) != 2:
            raise AuthenticationFailed(
                "The Authorization header must read 'Bearer tst_...', with an API token."
            )
        token = _find(words[1].decode("latin-1"))
        _check_scope(token, request)
        _note_use(token)
        return _user_of(token), token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="touchstone"'


def _find(text: str) -> ApiToken:
    token = ApiToken.objects.select_related("user").filter(token_hash=hash_token(text)).first()
    if token is None:
        raise AuthenticationFailed(f"This API token is unknown. {_MAKE_ONE}")
    if not token.user.is_active:
        raise AuthenticationFailed("This account is inactive. Write to the site's administrators.")
    if token.revoked_at is not None:
        why = f" {token.get_revoked_why_display()}" if token.revoked_why else ""
        raise AuthenticationFailed(f"The API token {token.hint}... was revoked{why}. {_MAKE_ONE}")
    if token.expires_at is not None and token.expires_at <= timezone.now():
        raise AuthenticationFailed(f"The API token {token.hint}... has expired. {_MAKE_ONE}")
    return token


def _check_scope(token: ApiToken, request: Request) -> None:
    view = (request.parser_context or {}).get("view")
    if request.method in SAFE:
        needed: str | None = getattr(view, "safe_scope", TokenScope.READ)
    else:
        needed = getattr(view, "token_scope", TokenScope.SUBMIT)
    if needed is not None:
        require_scope(token, needed)


def require_scope(token: ApiToken, scope: str) -> None:
    """Raises PermissionDenied, with the scope in the member ``missing_scope``, if it lacks."""
    if scope not in token.scopes:
        error = PermissionDenied(
            f"The API token {token.hint}... lacks the scope {str(scope)!r}; it has "
            f"{', '.join(token.scopes)}. Make one with this scope on your account's page, or with "
            "POST /api/v1/tokens/."
        )
        error.members = {"missing_scope": str(scope)}  # type: ignore[attr-defined]
        raise error


def _user_of(token: ApiToken) -> User:
    user: User = token.user
    second_factor.withhold_from_token(user, token)
    if TokenScope.ADMIN not in token.scopes:
        # Of this request's copy alone; nothing behind a token saves a user.
        user.is_staff = user.is_superuser = False
    return user


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - _LAST_USED_STEP)
    if token.last_used_at is None or token.last_used_at < now - _LAST_USED_STEP:
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
