"""Creates a user unless there is one of that name; the password comes from the environment."""

from __future__ import annotations

import os

from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from leaderboard.lib.names import fault_of


class Command(BaseCommand):
    help = (
        "Create a user with the password in TOUCHSTONE_PASSWORD, under the rules of those who sign "
        "up; one who exists is left as he is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", default="")
        parser.add_argument("--staff", action="store_true", help="An administrator of everything.")

    def handle(self, *, username: str, email: str, staff: bool, **options: object) -> None:
        existing = User.objects.filter(username=username).first()
        if existing is not None and staff and not existing.is_superuser:
            raise CommandError(
                f"{username} exists already and is no administrator, and is left as he is. Take "
                "another name, or make him one in the admin, under Users."
            )
        if existing is not None:
            self.stdout.write(f"{username} exists already")
            return
        password = os.environ.get("TOUCHSTONE_PASSWORD", "")
        _check(User(username=username, email=email), password)
        create = User.objects.create_superuser if staff else User.objects.create_user
        with transaction.atomic():
            user = create(username, email, password)
            if email:  # an administrator vouches for it
                EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
        self.stdout.write(f"created {username}")


def _check(user: User, password: str) -> None:
    """Raises CommandError with all that is wrong with name, address and password."""
    faults = []
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        faults += [f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items()]
    if fault := fault_of(user.username):
        faults.append(f"username: {fault}")
    if User.objects.filter(username__iexact=user.username).exists():
        faults.append("username: Somebody has it, with other capitals.")
    if user.email and EmailAddress.objects.filter(email__iexact=user.email, verified=True).exists():
        faults.append("email: It is another account's.")
    if not password:
        faults.append("Set TOUCHSTONE_PASSWORD to the password.")
    else:
        try:
            validate_password(password, user)
        except ValidationError as error:
            faults.append(f"TOUCHSTONE_PASSWORD: {' '.join(error.messages)}")
    if faults:
        raise CommandError(" ".join(faults))
