"""The tables of the previous release stay for its last moments, and hold nothing back."""

from __future__ import annotations

import pytest
from django.db import connection

from leaderboard import models
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def test_a_version_whose_board_the_previous_release_stored_can_be_deleted() -> None:
    benchmark = models.Benchmark.objects.create(slug="b", name="B", summary="A draft.")
    version = models.BenchmarkVersion.objects.create(benchmark=benchmark, number=1)
    task_version = factories.task_version()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO leaderboard_boardsnapshot"
            " (benchmark_version_id, stamp, matrix, replicates, made_at)"
            " VALUES (%s, '4.1.1.1', 'packed', 'packed', now())",
            [version.pk],
        )
        cursor.execute(
            "INSERT INTO leaderboard_taskboardsnapshot (task_version_id, stamp, rows, made_at)"
            " VALUES (%s, '4.1.1.1', 'packed', now())",
            [task_version.pk],
        )
        version.delete()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
