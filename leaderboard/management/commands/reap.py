"""``manage.py reap``: what Celery's beat does periodically, once or in a loop of its own."""

from __future__ import annotations

import logging
import time

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from leaderboard.services.reaper import reap

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    requires_system_checks = ()  # they import every page, and none is served here
    help = "Return evaluations of lost workers to the queue and repeat lost messages."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--loop",
            action="store_true",
            help="go on, every TOUCHSTONE_REAPER_INTERVAL_S seconds, instead of Celery's beat",
        )

    def handle(self, *args: object, loop: bool, **options: object) -> None:
        if not loop:
            self.stdout.write(str(reap()))
            return
        while True:
            try:
                reap()
            except DatabaseError:
                logger.exception("The reaper could not reach the database; it tries again.")
                connection.close()
            time.sleep(settings.REAPER_INTERVAL_S)
