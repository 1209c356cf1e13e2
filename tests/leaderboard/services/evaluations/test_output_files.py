from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from evaluator.contract import EvaluationReport, FileRecord, Verdict
from leaderboard import models
from leaderboard.exceptions import InfrastructureError
from leaderboard.lib import blobs
from leaderboard.models.output import storage_name
from leaderboard.services.evaluations import lifecycle, output_files
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

CONTENT = b"a trajectory"


@pytest.fixture(autouse=True)
def _own_files(settings: Any, tmp_path: Path) -> None:
    """What other tests have stored is not swept here."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "blobs"},
        },
    }


def record(content: bytes = CONTENT, **more: Any) -> FileRecord:
    described: dict[str, Any] = {
        "system_id": "Si",
        "name": "trajectory.extxyz.gz",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "media_type": "application/gzip",
    }
    return FileRecord(**{**described, **more})


def report_with(*files: FileRecord) -> EvaluationReport:
    return EvaluationReport(verdict=Verdict.OK, files=files)


def running() -> models.Evaluation:
    found = lifecycle.claim_evaluation(factories.evaluation().pk, factories.worker())
    assert found is not None
    return found


def age(sha256: str, hours: float) -> None:
    then = time.time() - hours * 3600
    os.utime(blobs.path_of(storage_name(sha256)), (then, then))


def test_files_are_bound_to_the_evaluation_with_its_report() -> None:
    evaluation = running()
    output_files.write(record(), CONTENT)

    lifecycle.record_report(evaluation.pk, 1, report_with(record()))

    file = evaluation.files.get()
    assert (file.system_id, file.name) == ("Si", "trajectory.extxyz.gz")
    assert (file.size_bytes, file.media_type) == (12, "application/gzip")
    with blobs.open_stored(file.storage_name) as stored:
        assert stored.read() == CONTENT


def test_a_file_that_was_left_out_is_recorded_without_bytes() -> None:
    evaluation = running()

    lifecycle.record_report(evaluation.pk, 1, report_with(record(left_out="Too large.")))

    assert evaluation.files.get().left_out == "Too large."


def test_a_report_whose_files_are_missing_is_stored_in_no_part() -> None:
    evaluation = running()

    with pytest.raises(InfrastructureError, match="is missing from the storage"):
        lifecycle.record_report(evaluation.pk, 1, report_with(record(b"never written")))

    evaluation.refresh_from_db()
    assert evaluation.state == "running"
    assert evaluation.files.count() == 0


def test_bytes_that_are_not_what_the_record_says_are_refused() -> None:
    with pytest.raises(InfrastructureError, match="another hash"):
        output_files.write(record(b"something else"), CONTENT)


def test_a_bound_file_is_never_edited() -> None:
    evaluation = running()
    output_files.write(record(), CONTENT)
    lifecycle.record_report(evaluation.pk, 1, report_with(record()))

    with pytest.raises(IntegrityError, match="never edited"), transaction.atomic():
        evaluation.files.update(name="other.txt")


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "a\n"])
def test_an_unsafe_name_does_not_reach_the_database(name: str) -> None:
    evaluation = running()
    output_files.write(record(), CONTENT)

    with pytest.raises(IntegrityError, match="file_name_is_safe"), transaction.atomic():
        output_files.bind(evaluation, [record(name=name)])


def test_only_old_bytes_that_nobody_names_are_swept() -> None:
    evaluation = running()
    for content in (CONTENT, b"fresh orphan", b"old orphan"):
        output_files.write(record(content), content)
    lifecycle.record_report(evaluation.pk, 1, report_with(record()))
    age(record().sha256, 25)
    age(record(b"old orphan").sha256, 25)

    assert output_files.sweep() == 1

    assert blobs.exists(storage_name(record().sha256))
    assert blobs.exists(storage_name(record(b"fresh orphan").sha256))
    assert not blobs.exists(storage_name(record(b"old orphan").sha256))
    assert output_files.sweep() == 0


def test_bytes_that_are_written_again_are_young_again() -> None:
    output_files.write(record(), CONTENT)
    age(record().sha256, 25)

    output_files.write(record(), CONTENT)

    assert output_files.sweep() == 0


def test_nothing_is_swept_where_nothing_was_ever_stored() -> None:
    assert output_files.sweep() == 0


@pytest.mark.django_db(transaction=True)
def test_who_binds_keeps_the_sweeper_waiting() -> None:
    evaluation = running()
    output_files.write(record(), CONTENT)
    with transaction.atomic():
        output_files.bind(evaluation, [record()])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND pid = pg_backend_pid()"
            )
            assert ("ShareLock",) in cursor.fetchall()
