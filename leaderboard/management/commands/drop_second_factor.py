"""Takes the second factor from somebody who has lost both telephone and recovery codes."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from leaderboard.services.accounts import second_factor


class Command(BaseCommand):
    help = "Take the second factor from a user, who then signs in by password and sets up another."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *, username: str, **options: object) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username!r}.")
        n_factors = second_factor.drop(user, "drop_second_factor")
        self.stdout.write(f"{username}: {n_factors or 'nothing'} removed")
