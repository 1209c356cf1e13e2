"""Tokens and the account."""

from __future__ import annotations

from rest_framework import serializers

from leaderboard.api.serializers.fields import Record, StrictRequest
from leaderboard.enums import TokenScope
from leaderboard.models.account import default_scopes
from leaderboard.services.accounts.accounts import DEFAULT_TOKEN_DAYS, MAX_TOKEN_DAYS


class TokenRequest(StrictRequest):
    username = serializers.CharField(
        required=False, max_length=150, help_text="Of your account; not needed with a session."
    )
    password = serializers.CharField(
        required=False, max_length=1000, trim_whitespace=False, write_only=True
    )
    code = serializers.CharField(
        required=False,
        max_length=32,
        write_only=True,
        help_text="Of the authenticator app, or a recovery code, where the account has two-factor "
        "sign-in.",
    )
    name = serializers.CharField(max_length=100, help_text="What the token is for.")
    expires_in_days = serializers.IntegerField(
        required=False,
        default=DEFAULT_TOKEN_DAYS,
        min_value=1,
        max_value=MAX_TOKEN_DAYS,
        help_text="It is refused after so many days.",
    )
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=TokenScope.choices),
        required=False,
        default=default_scopes,
        min_length=1,
        max_length=len(TokenScope),
        help_text="read: whatever you may see. submit: whatever changes something. "
        "admin: teams, and the staff's rights if you have them.",
    )


class TokenRecord(Record):
    hint = serializers.CharField(help_text="The token's first characters, which tell it.")
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=TokenScope.choices))
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)


class NewTokenRecord(TokenRecord):
    token = serializers.CharField(help_text="Shown this once. Keep it like a password.")


class MeRecord(Record):
    username = serializers.CharField()
    is_staff = serializers.BooleanField(
        help_text="Whether this request has the staff's rights; a token needs the scope admin."
    )
    token = TokenRecord(allow_null=True, help_text="Which token this request carried.")


class AllowanceRecord(Record):
    name = serializers.ChoiceField(
        choices=(
            "per_day",
            "per_month",
            "concurrent",
            "worker_seconds_per_day",
            "worker_seconds_per_week",
            "potentials",
            "stored_MiB",
            "open_uploads",
        )
    )
    unit = serializers.CharField(
        help_text="Of the numbers: evaluations, worker-seconds, potentials, MiB or uploads."
    )
    limit = serializers.IntegerField(help_text="The most.")
    used = serializers.IntegerField()
    remaining = serializers.IntegerField()
    resets_at = serializers.DateTimeField(
        allow_null=True, help_text="When it starts anew; null: as something ends or goes."
    )


class QuotaRecord(Record):
    account = serializers.CharField(help_text="Your user name, or the team's slug.")
    is_unlimited = serializers.BooleanField(help_text="For the staff nothing is counted.")
    limits = AllowanceRecord(many=True)
