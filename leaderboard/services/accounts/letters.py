"""E-mail that the service writes; what allauth writes lies in templates/account/email/."""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Mapping

from django.core.mail import EmailMessage
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)


def send_letter(name: str, to: str, context: Mapping[str, object]) -> bool:
    """Send templates/letters/<name>.txt, whose first line is the subject; whether it went off.

    A mail server that is down must not undo what the letter tells of: the fault is logged, and
    the reader finds the same on the site.
    """
    text = render_to_string(f"letters/{name}.txt", dict(context))
    subject, _, body = text.strip().partition("\n")
    letter = EmailMessage(subject=" ".join(subject.split()), body=body.strip() + "\n", to=[to])
    try:
        letter.send()
    except (smtplib.SMTPException, OSError):
        logger.exception("The letter %r could not be sent", name)
        return False
    return True
