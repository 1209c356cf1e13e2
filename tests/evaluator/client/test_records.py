from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from evaluator.client.records import Evaluation, Problem, Submission

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


def test_each_record_within_keeps_its_own_answer() -> None:
    answer = {"fields": 1, "errors": [{"pointer": "#/a", "detail": "No.", "code": "x"}]}
    problem = Problem.from_json({"status": 400, **answer})
    assert problem.errors[0].raw["code"] == "x"
    assert Problem(status=400).raw == {}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ({"id": "e1"}, "Object missing required field `task`"),
        ([], "Expected `object`, got `array`"),
        ("text", "Expected `object`, got `str`"),
        ({**BRIEF, "finished_at": "soon"}, "Invalid RFC3339 encoded datetime - at `$.finished_at`"),
        ({**BRIEF, "task_version": "1"}, "Expected `int`, got `str` - at `$.task_version`"),
        ({**BRIEF, "progress": {"done": None}}, "got `null` - at `$.progress.done`"),
    ],
)
def test_what_is_no_such_record_is_refused_with_its_place(answer: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        Evaluation.from_json(answer)
