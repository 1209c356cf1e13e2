"""``manage.py reap``: the reaper, once or in a loop. It needs the database, not the queue."""

from __future__ import annotations

import logging
import time

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from leaderboard.management.commands import deliver_webhooks, record_history
from leaderboard.services.housekeeping import Reaped, reap, sweep

logger = logging.getLogger(__name__)

_SWEEP_EVERY_S = 3600
#: Of nothing is told only so often: silence for longer means that no reaper lives.
_TELL_EVERY_S = 600


class Rounds:
    """Says in the log what a round did, and now and then that there were rounds at all.

    Messages are sent again in most rounds of a busy service, and are no news.
    """

    def __init__(self) -> None:
        self._told_at: float | None = None
        self._n_rounds = self._n_messages = 0

    def tell(self, reaped: Reaped, now: float) -> None:
        self._n_rounds += 1
        self._n_messages += reaped.n_messages_sent
        if reaped.n_returned or reaped.n_failed or reaped.n_cancelled:
            logger.warning(
                "Evaluations whose worker was lost: %d returned to the queue, %d failed, "
                "%d cancelled.",
                *(reaped.n_returned, reaped.n_failed, reaped.n_cancelled),
            )
        if self._told_at is None or now - self._told_at >= _TELL_EVERY_S:
            logger.info(
                "The reaper lives: %d rounds since it last said so, %d messages sent again. "
                "A round every %d s.",
                *(self._n_rounds, self._n_messages, settings.REAPER_INTERVAL_S),
            )
            self._told_at, self._n_rounds, self._n_messages = now, 0, 0


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
        rounds = Rounds()
        while True:
            try:
                rounds.tell(reap(), time.monotonic())
                if time.monotonic() - swept_at > _SWEEP_EVERY_S:
                    sweep()
                    swept_at = time.monotonic()
            except (DatabaseError, psycopg.Error):
                logger.exception("The reaper could not reach the database; it tries again.")
                connection.close()
            time.sleep(settings.REAPER_INTERVAL_S)
