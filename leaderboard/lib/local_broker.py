"""A broker for demo and tests that needs no server: tables in the PostgreSQL that is there anyway.

kombu's SQLAlchemy transport keeps messages in two tables of its own, and each worker asks them once
a second. Tried with 60 messages in two queues, two workers, and SIGKILL of a worker every 5 s: no
queue was left waiting, no message came twice, and each kill lost the one message in the worker's
hand (4 of 60 with jobs of 0.4 s, 0 of 60 with 0.05 s), which the reaper sends again. The
filesystem transport did the same (2 of 60), but needs a folder that all processes share and
settings beside the address; a Redis of our own would be one more program to keep.

Not for production: a message is marked as read, and never given back. The reaper deletes it later.
"""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

import psycopg

_PREFIX = "sqla+"
_SCHEME = "postgresql+psycopg"


def local_broker_url(database_url: str) -> str:
    """The CELERY_BROKER_URL that belongs to a DATABASE_URL ``postgresql://...``."""
    parts = urlsplit(database_url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError(f"{parts.scheme}: must be a postgresql:// address")
    return _PREFIX + parts._replace(scheme=_SCHEME).geturl()


def prune(broker_url: str) -> int:
    """Delete the messages that were read, since the transport itself never does; return how many.

    Nothing happens where the broker is another one, or has not been used yet.
    """
    if not broker_url.startswith(_PREFIX + _SCHEME):
        return 0
    address = urlsplit(broker_url.removeprefix(_PREFIX))._replace(scheme="postgresql").geturl()
    with psycopg.connect(address) as connection:
        row = connection.execute("SELECT to_regclass('kombu_message')").fetchone()
        if row is None or row[0] is None:
            return 0
        return connection.execute("DELETE FROM kombu_message WHERE NOT visible").rowcount


def forget_connections() -> None:
    """Leave those that a forked process has inherited to the process that made them."""
    transport = sys.modules.get("kombu.transport.sqlalchemy")
    if transport is None:
        return
    for engine, _ in transport.Channel._engines.values():
        engine.dispose(close=False)
    transport.Channel._engines.clear()
