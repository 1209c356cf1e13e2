from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from django.db import IntegrityError

from evaluator import frames
from evaluator.contract import EvaluationReport, FrameErrorsRecord
from leaderboard.enums import Visibility
from leaderboard.exceptions import InfrastructureError
from leaderboard.models import FrameErrorTable, Submission
from leaderboard.services.evaluations import frame_error_tables
from tests.leaderboard import skilled

pytestmark = pytest.mark.django_db

ERRORS = frames.FrameErrors(
    energies_meV_atom=np.array([1.0, -2.0, np.nan, 0.5]),
    forces_eV_A=[np.full((n, 3), 0.1 * n) for n in (1, 2, 3, 1)],
)


def report(record: FrameErrorsRecord | None = None) -> EvaluationReport:
    return replace(skilled.report(), frame_errors=record or frames.packed(ERRORS, list("abcd")))


def test_errors_of_frames_are_kept_as_they_were_reported() -> None:
    table = FrameErrorTable.objects.get(evaluation=skilled.evaluation(ended=report()))
    assert (table.n_atoms, table.clusters) == ([1, 2, 3, 1], ["Al", "Cu", "AlCu", "He"])
    values = frames.unpacked(table.packed, table.n_atoms)
    expected = [1, -2, np.nan, 0.5, *[0.1] * 3, *[0.2] * 6, *[0.3] * 9, *[0.1] * 3]
    np.testing.assert_allclose(values, np.array(expected, np.float32))


def test_a_report_without_frames_keeps_none() -> None:
    skilled.evaluation()
    assert not FrameErrorTable.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [{"packed": "no base64!"}, {"packed": "AAAA"}, {"n_atoms": (1, 2, 3, 2)}, {"n_atoms": (1, 2)}],
)
def test_what_is_no_table_is_a_fault_of_ours(wrong: dict[str, object]) -> None:
    record = replace(report().frame_errors, **wrong)  # type: ignore[type-var]
    with pytest.raises(InfrastructureError):
        skilled.evaluation(ended=report(record))


def test_tables_are_never_edited() -> None:
    skilled.evaluation(ended=report())
    with pytest.raises(IntegrityError, match="never edited"):
        FrameErrorTable.objects.update(clusters=[])


def test_tables_of_repeated_evaluations_and_beyond_the_bound_are_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = skilled.task_version()
    repeated, old, new = (skilled.evaluation(version=version, ended=report()) for _ in range(3))
    other = skilled.evaluation(ended=report())
    type(repeated).objects.filter(pk=repeated.pk).update(is_current=False)
    monkeypatch.setattr(frame_error_tables, "MOST_TABLES", 1)
    assert frame_error_tables.sweep() == 2
    assert set(FrameErrorTable.objects.values_list("pk", flat=True)) == {new.pk, other.pk}
    assert old.queued_at < new.queued_at


def test_tables_that_nobody_is_shown_push_out_none_that_stand_on_boards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = skilled.task_version()
    public, private, withdrawn = (
        skilled.evaluation(version=version, ended=report()) for _ in range(3)
    )
    Submission.objects.filter(pk=private.submission_id).update(visibility=Visibility.PRIVATE)
    gone = Submission.objects.filter(pk=withdrawn.submission_id)
    gone.update(withdrawn_at=withdrawn.queued_at)
    monkeypatch.setattr(frame_error_tables, "MOST_TABLES", 1)
    assert frame_error_tables.sweep() == 2
    assert FrameErrorTable.objects.get().pk == public.pk
