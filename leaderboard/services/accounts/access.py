"""When access ends: a changed password or a closed account ends all tokens and other sessions.

Whoever changes a password often does so because somebody else may know it, and that somebody may
have made tokens. Whatever code changes it (the page, the letter's link, the admin, a command) saves
the user, so the end is tied to that (``leaderboard/apps.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import models
from django.utils import timezone

from leaderboard.enums import TokenEnd, TokenScope
from leaderboard.models import ApiToken


def saved(instance: User, *, created: bool, **_: object) -> None:
    """Receives Django's signal that a user was saved."""
    if created:
        return
    if not instance.is_active:
        end_tokens(instance, TokenEnd.CLOSED)
        end_sessions(instance)
    # Set by set_password and cleared after the save; a hash that is only renewed leaves it empty.
    elif instance._password is not None:  # type: ignore[attr-defined]
        # Django ends the sessions itself: each carries a hash of the password's hash.
        end_tokens(instance, TokenEnd.PASSWORD)


def end_tokens(user: User, why: TokenEnd, *, scope: TokenScope | None = None) -> int:
    """Revoke every token that is valid, or those with a scope; returns how many."""
    tokens = ApiToken.objects.filter(user=user, revoked_at__isnull=True)
    if scope is not None:
        tokens = tokens.filter(scopes__contains=[scope])
    return tokens.update(revoked_at=timezone.now(), revoked_why=why)


def end_sessions(user: User) -> int:
    """Forget every session in which this user is signed in; returns how many."""
    keys = list(_sessions_of(user))
    return Session.objects.filter(pk__in=keys).delete()[0]


def _sessions_of(user: User) -> Iterator[str]:
    """A session tells only when it is read whose it is; an account is closed rarely."""
    open_ones: models.QuerySet[Session] = Session.objects.filter(expire_date__gt=timezone.now())
    for session in open_ones.iterator():
        if session.get_decoded().get(SESSION_KEY) == str(user.pk):
            yield session.pk
