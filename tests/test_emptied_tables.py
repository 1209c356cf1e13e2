"""What is left of a test that commits."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import TransactionTestCase

from tests.emptied_tables import empty_tables
from tests.leaderboard import factories


def rows_by_table() -> dict[str, int]:
    """Those tables that hold any."""
    with connection.cursor() as cursor:
        counts = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")
            counts[table] = int(cursor.fetchone()[0])
    return {table: n for table, n in counts.items() if n}


@pytest.mark.django_db(transaction=True)
def test_no_row_is_left_of_what_was_committed_and_permissions_stay() -> None:
    before = rows_by_table()
    permissions = set(Permission.objects.values_list("pk", "codename"))
    # A published version, a score and an audit entry are guarded by triggers.
    evaluation = factories.evaluation(on=factories.task_version(), score=0.5)
    assert evaluation.task_version.state == "published"
    assert rows_by_table().keys() > before.keys()

    empty_tables(TransactionTestCase())

    assert rows_by_table() == before
    assert set(Permission.objects.values_list("pk", "codename")) == permissions != set()
    factories.evaluation(on=factories.task_version(), score=0.5)  # the guards are on again
    with pytest.raises(Exception, match="published"):
        version = factories.task_version()
        version.seed += 1
        version.save()
