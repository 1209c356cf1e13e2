"""kombu's transport for PostgreSQL, made safe for a worker whose slots are threads.

Celery answers a message in the thread that tells it of the end of a job (``call_soon_ack``), and
without an event loop this is a slot's, while the main thread asks for the next message. Both use
the channel's one SQLAlchemy session, which then raises IllegalStateChangeError and ends the worker.
Here one thread has the channel's session at a time, and a statement that fails is rolled back, so
that it does not spoil the next. ``leaderboard/celery.py`` puts this under the name ``sqla``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from kombu.transport import sqlalchemy


def _alone(name: str) -> Callable[..., Any]:
    """The method of kombu's channel, for one thread at a time from its statement to its commit."""
    method = getattr(sqlalchemy.Channel, name)

    @wraps(method)
    def alone(channel: Channel, *arguments: object, **options: object) -> object:
        with channel.lock:
            try:
                return method(channel, *arguments, **options)
            except Exception:
                channel.session.rollback()
                raise

    return alone


class Channel(sqlalchemy.Channel):
    """Reads and writes messages for several threads."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  (kombu's own)
        self.lock = threading.RLock()
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]

    _new_queue = _alone("_new_queue")
    _put = _alone("_put")
    _get = _alone("_get")
    _size = _alone("_size")
    _purge = _alone("_purge")


class Transport(sqlalchemy.Transport):
    """Serves addresses ``sqla+postgresql+psycopg://...``."""

    Channel = Channel
