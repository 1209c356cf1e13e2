"""What the previous release wrote, and writes during an upgrade, is read by this one."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
from django.apps import apps
from django.db import connection

from leaderboard import models
from leaderboard.services.boards.replicates import of_evaluations
from leaderboard.services.evaluations.metric_replicates import unpacked
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

_REPORTED = [0.0, 1.0, 0.123456, 0.999999, 1e-6, *np.random.default_rng(0).random(40).round(6)]


def written_by_the_previous_release(replicates: list[float]) -> models.Evaluation:
    evaluation = factories.evaluation(state="running", worker=factories.worker(),
                                      lease_expires_at="2030-01-01T00:00Z")  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE leaderboard_evaluation SET replicates = %s, score = 0.5, state = 'succeeded',"
            " verdict = 'ok', finished_at = now() WHERE id = %s",
            [[float(number) for number in replicates], evaluation.pk],
        )
    return evaluation


def test_what_the_previous_release_reports_is_packed_as_it_comes() -> None:
    evaluation = written_by_the_previous_release(_REPORTED)
    assert of_evaluations([evaluation.pk])[evaluation.pk].tolist() == _REPORTED


def test_rows_of_the_previous_release_are_packed_and_no_board_changes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER touchstone_pack_replicates ON leaderboard_evaluation")
        evaluation = written_by_the_previous_release(_REPORTED)
        assert of_evaluations([evaluation.pk]) == {}
        cursor.execute(
            "CREATE TRIGGER touchstone_pack_replicates BEFORE UPDATE ON leaderboard_evaluation"
            " FOR EACH ROW EXECUTE FUNCTION touchstone_pack_replicates();"
            "SET CONSTRAINTS ALL IMMEDIATE"
        )
    n_changes = models.BoardChange.objects.count()
    migration = import_module("leaderboard.migrations.0029_fill_packed_replicates")
    with connection.schema_editor() as editor:
        migration.fill(apps, editor)
    assert of_evaluations([evaluation.pk])[evaluation.pk].tolist() == _REPORTED
    assert models.BoardChange.objects.count() == n_changes


def test_numbers_below_and_beyond_single_precision_stop_no_report_of_the_previous_release() -> None:
    small = written_by_the_previous_release([1e-60, 0.5])
    small.refresh_from_db()
    assert unpacked(small.replicates).tolist() == [0.0, 0.5]
    large = written_by_the_previous_release([1e300, 0.5])
    large.refresh_from_db()
    assert bytes(large.replicates) == b""
    nan = written_by_the_previous_release([float("nan"), 0.5])
    nan.refresh_from_db()
    assert bytes(nan.replicates) == b""


def test_the_guard_of_ended_evaluations_stands_after_the_rows_are_filled() -> None:
    evaluation = factories.evaluation(score=0.5, replicates=[0.4, 0.6])
    with pytest.raises(Exception, match="has ended and cannot change"):
        models.Evaluation.objects.filter(pk=evaluation.pk).update(replicates=b"")
