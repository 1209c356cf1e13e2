"""Accounts and their API tokens."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from leaderboard.enums import TokenEnd, TokenScope
from leaderboard.exceptions import SubmissionError
from leaderboard.lib.names import fault_of, normal
from leaderboard.models import ApiToken
from leaderboard.models.account import default_scopes
from leaderboard.services.accounts import second_factor

_MAX_TOKENS = 50
_FACTOR_FIRST = (
    "The staff's tokens with the scope admin need two-factor sign-in: set it up on your account's "
    "page, or sign in with it."
)

#: How long a token is valid unless its maker says otherwise, and at most.
DEFAULT_TOKEN_DAYS = 365
MAX_TOKEN_DAYS = 3650


def create_token(
    user: User,
    name: str,
    *,
    expires_in_days: int = DEFAULT_TOKEN_DAYS,
    scopes: Collection[str] | None = None,
) -> tuple[ApiToken, str]:
    """Make an API token; return the row and the token's text, which cannot be had again.

    ``scopes`` are read and submit unless given. Raises SubmissionError.
    """
    name = normal(name)
    if fault := fault_of(name):
        raise SubmissionError({"name": fault})
    if not name or len(name) > 100:
        raise SubmissionError({"name": "Say in 1 to 100 characters what the token is for."})
    if not 1 <= expires_in_days <= MAX_TOKEN_DAYS:
        raise SubmissionError({"expires_in_days": f"must be 1 to {MAX_TOKEN_DAYS}."})
    chosen = set(default_scopes() if scopes is None else scopes)
    if not chosen or chosen - set(TokenScope):
        raise SubmissionError({"scopes": f"Choose among {', '.join(TokenScope)}."})
    if TokenScope.ADMIN in chosen and second_factor.lacks(user):
        raise SubmissionError({"scopes": _FACTOR_FIRST})
    with transaction.atomic():
        # Two requests at the same time count each other; and a password that changed since it was
        # checked ends the tokens that are there by then, so none may come after.
        current = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if current.password != user.password or not current.is_active:
            raise SubmissionError("The password was changed meanwhile. Sign in anew.")
        if valid_tokens(user).count() >= _MAX_TOKENS:
            raise SubmissionError(f"You have {_MAX_TOKENS} valid tokens. Revoke one first.")
        return ApiToken.create(user, name, timedelta(days=expires_in_days), chosen)


def valid_tokens(user: User) -> QuerySet[ApiToken]:
    """Those that are neither revoked nor too old."""
    return ApiToken.objects.valid().filter(user=user)


def revoke_token(user: User, token: ApiToken) -> None:
    """From now on the token is refused. Doing it twice changes nothing."""
    if token.user_id != user.pk and not user.is_staff:
        raise PermissionDenied("Only its owner may revoke a token.")
    ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(
        revoked_at=timezone.now(), revoked_why=TokenEnd.ASKED
    )


def is_confirmed(user: AbstractBaseUser) -> bool:
    """Whether one may sign in: an address is confirmed, or an administrator made the account.

    The latter has no row of allauth's until its owner enters an address, and whoever has been in
    before is not shut out for it. Who signed up cannot have been in without confirming.
    """
    addresses = EmailAddress.objects.filter(user_id=user.pk)
    is_known = user.last_login is not None or not addresses.exists()
    return is_known or addresses.filter(verified=True).exists()
