"""Sends a letter, so that an operator sees whether those of the service arrive."""

from __future__ import annotations

import smtplib

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

_TEXT = """This letter was sent by an operator of {host} to see whether letters arrive.

Whoever reads it need not do anything. Look at its headers: the receiving server says there
whether it trusts the sender (SPF, DKIM, DMARC).
"""


class Command(BaseCommand):
    requires_system_checks = ()
    help = "Send a letter to an address, by the mail server of TOUCHSTONE_EMAIL_HOST."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", help="of a mailbox that you can read")

    def handle(self, *, address: str, **options: object) -> None:
        try:
            validate_email(address)
        except ValidationError as error:
            raise CommandError(f"{address!r} is no e-mail address.") from error
        if not settings.EMAIL_HOST:
            raise CommandError(
                "TOUCHSTONE_EMAIL_HOST is not set: no letter is sent, and nobody can sign up."
            )
        server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        letter = EmailMessage(
            subject="Touchstone: a test letter",
            body=_TEXT.format(host=next(iter(settings.NAMED_HOSTS), "Touchstone")),
            to=[address],
        )
        try:
            letter.send()
        except (smtplib.SMTPException, OSError) as error:
            raise CommandError(
                f"{server} did not take it: {type(error).__name__}: {error}. Look at "
                "TOUCHSTONE_EMAIL_HOST, _PORT, _USER, _PASSWORD, _TLS and _FROM "
                f"({settings.DEFAULT_FROM_EMAIL})."
            ) from error
        self.stdout.write(
            f"{server} took a letter from {settings.DEFAULT_FROM_EMAIL} to {address}. "
            "Look whether it arrives, and not among spam."
        )
