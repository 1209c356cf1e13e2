"""Accounts and their API tokens."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from leaderboard.exceptions import SubmissionError
from leaderboard.models import ApiToken

_MAX_TOKENS = 50


def create_token(
    user: User, name: str, *, expires_in_days: int | None = None
) -> tuple[ApiToken, str]:
    """Make an API token; return the row and the token's text, which cannot be had again."""
    name = name.strip()
    if not name or len(name) > 100:
        raise SubmissionError({"name": "Say in 1 to 100 characters what the token is for."})
    if ApiToken.objects.valid().filter(user=user).count() >= _MAX_TOKENS:
        raise SubmissionError(f"You have {_MAX_TOKENS} valid tokens. Revoke one first.")
    lifetime = None if expires_in_days is None else timedelta(days=expires_in_days)
    return ApiToken.create(user, name, lifetime)


def revoke_token(user: User, token: ApiToken) -> None:
    """From now on the token is refused. Doing it twice changes nothing."""
    if token.user_id != user.pk and not user.is_staff:
        raise PermissionDenied("Only its owner may revoke a token.")
    ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
