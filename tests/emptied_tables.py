"""Tables emptied after a test that commits, in milliseconds: Django takes a fifth of a second.

Django truncates every table, the empty ones too, for which PostgreSQL writes hundreds of files, and
makes content types and permissions anew. Here rows are deleted, and those two tables stay, since no
test changes them.
"""

from __future__ import annotations

from django.db import connection, transaction
from django.test import TransactionTestCase

_STAY = {"auth_permission", "django_content_type", "django_migrations"}
_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


def empty_tables(test_case: TransactionTestCase) -> None:
    """Take the place of the method of Django's test case; without a superuser call it."""
    if not _is_superuser():
        _flush(test_case)
        return
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [connection.ops.quote_name(name) for name in names if name not in _STAY]
    with transaction.atomic(), connection.cursor() as cursor:
        # Neither foreign keys nor the guards of published rows are asked.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("; ".join(f"DELETE FROM {table}" for table in tables))


def _is_superuser() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        return bool(cursor.fetchone()[0])
