"""API tokens. Only a hash is kept; the token itself is shown once, when it is made."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from leaderboard.enums import TokenEnd, TokenScope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TOKEN_PREFIX = "tst_"  # noqa: S105  (a public marker by which leaked tokens are found)


def hash_token(token: str) -> str:
    # The token has 256 random bits, so a plain fast hash cannot be searched.
    return hashlib.sha256(token.encode()).hexdigest()


def default_scopes() -> list[str]:
    return [TokenScope.READ.value, TokenScope.SUBMIT.value]


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self) -> ApiTokenQuerySet:
        now = timezone.now()
        return self.filter(
            models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=now),
            revoked_at__isnull=True,
            user__is_active=True,
        )


class ApiToken(models.Model):
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="api_tokens",
        help_text="Whose rights the token carries.",
    )
    name = models.CharField(
        max_length=100, help_text="What the token is for, in its owner's words."
    )
    hint = models.CharField(max_length=12, help_text="The token's first characters, to tell it.")
    token_hash = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token.")
    created_at = models.DateTimeField(auto_now_add=True, help_text="When it was made.")
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="Last request with it.")
    scopes = ArrayField(
        models.CharField(max_length=16, choices=TokenScope),
        default=default_scopes,
        help_text="read: what its user sees; submit: changes; admin: teams, and staff's rights.",
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Refused from then on.")
    revoked_at = models.DateTimeField(null=True, blank=True, help_text="Refused from then on.")
    revoked_why = models.CharField(
        max_length=16,
        blank=True,
        choices=TokenEnd,
        default="",
        db_default="",
        help_text="By its owner or the staff, or with something else that ended.",
    )

    objects: ClassVar[models.Manager[ApiToken]] = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints: ClassVar = [
            models.CheckConstraint(
                name="token_has_known_scopes",
                condition=models.Q(
                    scopes__contained_by=[scope.value for scope in TokenScope], scopes__len__gt=0
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.hint}… of {self.user}"

    @classmethod
    def create(
        cls,
        user: User,
        name: str,
        lifetime: timedelta | None = None,
        scopes: Collection[str] | None = None,
    ) -> tuple[ApiToken, str]:
        """Make a token; return the row and the token's text, which cannot be had again."""
        text = TOKEN_PREFIX + secrets.token_urlsafe(32)
        row = cls.objects.create(
            user=user,
            name=name,
            hint=text[:10],
            token_hash=hash_token(text),
            scopes=default_scopes() if scopes is None else sorted(scopes),
            expires_at=timezone.now() + lifetime if lifetime else None,
        )
        return row, text
