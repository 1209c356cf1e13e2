from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from evaluator.client.records import Evaluation, Submission

BRIEF: dict[str, Any] = {
    "id": "e1",
    "task": "smoke",
    "task_version": 1,
    "state": "running",
    "phase": "loading",
    "progress": {"done": 1, "total": 4},
    "verdict": "",
    "score": None,
}


def test_a_record_reads_what_it_knows_and_keeps_the_rest() -> None:
    newer = {**BRIEF, "finished_at": "2026-11-20T12:00:00Z", "of_a_later_version": [1]}
    evaluation = Evaluation.from_json(newer)
    assert (evaluation.progress.done, evaluation.progress.total) == (1, 4)
    assert evaluation.finished_at == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert not evaluation.has_ended
    assert evaluation.raw["of_a_later_version"] == [1]


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_ended_states_are_told(state: str) -> None:
    assert Evaluation.from_json({**BRIEF, "state": state}).has_ended


def test_records_within_records_are_read() -> None:
    submission = Submission.from_json(
        {
            "id": "s1",
            "version": "1",
            "potential": {"slug": "p", "name": "P"},
            "artifact": {"sha256": "0", "size_bytes": 1, "filename": "f"},
            "calculator_kind": "ase",
            "supported_elements": ["Si"],
            "evaluations": [BRIEF],
        }
    )
    assert submission.name == "P 1"
    assert submission.supported_elements == ("Si",)
    assert submission.evaluations == (Evaluation.from_json(BRIEF),)


@pytest.mark.parametrize("answer", [{"id": "e1"}, [], "text", {**BRIEF, "finished_at": "soon"}])
def test_what_is_no_such_record_is_refused(answer: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Evaluation.from_json(answer)
