"""Tokens and the account."""

from __future__ import annotations

from rest_framework import serializers

from leaderboard.api.serializers.fields import Record, StrictRequest


class TokenRequest(StrictRequest):
    username = serializers.CharField(
        required=False, max_length=150, help_text="Of your account; not needed with a session."
    )
    password = serializers.CharField(
        required=False, max_length=1000, trim_whitespace=False, write_only=True
    )
    name = serializers.CharField(max_length=100, help_text="What the token is for.")
    expires_in_days = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        max_value=3650,
        help_text="It is refused after so many days; never, if left out.",
    )


class TokenRecord(Record):
    hint = serializers.CharField(help_text="The token's first characters, which tell it.")
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)


class NewTokenRecord(TokenRecord):
    token = serializers.CharField(help_text="Shown this once. Keep it like a password.")


class MeRecord(Record):
    username = serializers.CharField()
    is_staff = serializers.BooleanField()
    token = TokenRecord(allow_null=True, help_text="Which token this request carried.")
