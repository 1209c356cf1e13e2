"""``manage.py reap``: the reaper, once or in a loop. It needs the database, not the queue."""

from __future__ import annotations

import logging
import time

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from leaderboard.management.commands import deliver_webhooks, record_history
from leaderboard.services.housekeeping import reap, sweep

logger = logging.getLogger(__name__)

_SWEEP_EVERY_S = 3600


class Command(BaseCommand):
    requires_system_checks = ()  # they import every page, and none is served here
    help = "Return evaluations of lost workers to the queue and repeat lost messages."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--loop",
            action="store_true",
            help="go on, every TOUCHSTONE_REAPER_INTERVAL_S seconds, deliver webhooks, and write "
            "the history of boards",
        )

    def handle(self, *args: object, loop: bool, **options: object) -> None:
        if not loop:
            self.stdout.write(f"{reap()}, {sweep()} left over removed")
            return
        deliver_webhooks.start_in_background()
        record_history.start_in_background()
        swept_at = float("-inf")
        while True:
            try:
                reap()
                if time.monotonic() - swept_at > _SWEEP_EVERY_S:
                    sweep()
                    swept_at = time.monotonic()
            except (DatabaseError, psycopg.Error):
                logger.exception("The reaper could not reach the database; it tries again.")
                connection.close()
            time.sleep(settings.REAPER_INTERVAL_S)
