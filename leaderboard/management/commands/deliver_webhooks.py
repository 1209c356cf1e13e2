"""``manage.py deliver_webhooks``: sends what is due, once or in a loop.

``manage.py reap --loop`` does it beside its own work, in a thread: a receiver that is slow never
holds up the reaper.
"""

from __future__ import annotations

import logging
import threading
import time

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from leaderboard.services.accounts.webhooks import deliver_due

logger = logging.getLogger(__name__)

_PAUSE_S = 2.0


class Command(BaseCommand):
    requires_system_checks = ()  # they import every page, and none is served here
    help = "Send the deliveries of webhooks that are due."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--loop", action="store_true", help="go on for ever")

    def handle(self, *args: object, loop: bool, **options: object) -> None:
        if loop:
            deliver_for_ever()
        self.stdout.write(f"{deliver_due()} deliveries tried")


def start_in_background() -> None:
    threading.Thread(target=deliver_for_ever, name="webhooks", daemon=True).start()


def deliver_for_ever() -> None:
    while True:
        try:
            n_tried = deliver_due()
        except DatabaseError:
            logger.exception("The outbox could not be read; it is tried again.")
            connection.close()
            n_tried = 0
        if not n_tried:
            time.sleep(_PAUSE_S)
