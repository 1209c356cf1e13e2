"""The application: which of its services hear what other code does."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_save


class LeaderboardConfig(AppConfig):
    name = "leaderboard"

    def ready(self) -> None:
        from django.contrib.auth.models import User

        from leaderboard.services.accounts import access

        post_save.connect(access.saved, sender=User, dispatch_uid="access-ends")
