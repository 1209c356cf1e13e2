"""The application: which of its services hear what other code does."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_save, pre_save


class LeaderboardConfig(AppConfig):
    name = "leaderboard"

    def ready(self) -> None:
        from allauth.mfa import signals as factors
        from django.contrib.auth.models import User

        from leaderboard.services.accounts import access, second_factor

        post_save.connect(access.saved, sender=User, dispatch_uid="access-ends")
        pre_save.connect(second_factor.before_save, sender=User, dispatch_uid="rights-kept")
        post_save.connect(second_factor.after_save, sender=User, dispatch_uid="rights-withheld")
        factors.authenticator_added.connect(second_factor.added)
        factors.authenticator_removed.connect(second_factor.removed)
        factors.authenticator_reset.connect(second_factor.renewed)
        factors.authenticator_used.connect(second_factor.used)
