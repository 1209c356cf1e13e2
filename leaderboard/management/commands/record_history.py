"""``manage.py record_history``: writes down how the places on boards went over time.

``manage.py reap --loop`` does it beside its own work, in a thread. By hand it is only needed to see
a long past written at once, or to have it written anew (``--anew``).
"""

from __future__ import annotations

import logging
import threading
import time

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from leaderboard.models import BoardHistory
from leaderboard.services.boards.history import forget, record_all

logger = logging.getLogger(__name__)

_PAUSE_S = 30.0
#: Of a long past, so many moments of each board at a time, and then a breath for the others.
_AT_ONCE, _BREATH_S = 50, 1.0


class Command(BaseCommand):
    requires_system_checks = ()  # they import every page, and none is served here
    help = "Write the history of all boards up to now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--anew", action="store_true", help="from the beginning")

    def handle(self, *args: object, anew: bool, **options: object) -> None:
        if anew:
            for history in BoardHistory.objects.select_related("benchmark_version"):
                forget(history.benchmark_version)
        n = 0
        while n_new := record_all(_AT_ONCE):
            n += n_new
            self.stderr.write(f"\r{n} moments", ending="")
        self.stderr.write("")
        self.stdout.write(f"{n} moments written")


def start_in_background() -> None:
    threading.Thread(target=record_for_ever, name="history", daemon=True).start()


def record_for_ever() -> None:
    while True:
        n_new = 0
        try:
            n_new = record_all(_AT_ONCE)
        except DatabaseError:
            logger.exception("The history of the boards could not be written; it is tried again.")
            connection.close()
        time.sleep(_BREATH_S if n_new else _PAUSE_S)
