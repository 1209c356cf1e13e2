"""A broker for demo and tests that needs no server: tables in the PostgreSQL that is there anyway.

kombu's SQLAlchemy transport keeps messages in two tables of its own.
"""

from __future__ import annotations

from urllib.parse import urlsplit


def local_broker_url(database_url: str) -> str:
    """The CELERY_BROKER_URL that belongs to a DATABASE_URL ``postgresql://...``."""
    parts = urlsplit(database_url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError(f"{parts.scheme}: must be a postgresql:// address")
    return "sqla+" + parts._replace(scheme="postgresql+psycopg").geturl()
