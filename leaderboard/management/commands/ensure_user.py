"""Creates a user unless there is one of that name; the password comes from the environment."""

from __future__ import annotations

import os

from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    help = (
        "Create a user with the password in TOUCHSTONE_PASSWORD; one who exists is left as he is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", default="")
        parser.add_argument("--staff", action="store_true", help="An administrator of everything.")

    def handle(self, *, username: str, email: str, staff: bool, **options: object) -> None:
        password = os.environ.get("TOUCHSTONE_PASSWORD", "")
        if len(password) < 8:
            raise CommandError("Set TOUCHSTONE_PASSWORD to a password of at least 8 characters.")
        existing = User.objects.filter(username=username).first()
        if existing is not None and staff and not existing.is_superuser:
            raise CommandError(
                f"{username} exists already and is no administrator, and is left as he is. Take "
                "another name, or make him one in the admin, under Users."
            )
        if existing is not None:
            self.stdout.write(f"{username} exists already")
            return
        create = User.objects.create_superuser if staff else User.objects.create_user
        user = create(username, email, password)
        if email:  # an administrator vouches for it
            EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
        self.stdout.write(f"created {username}")
