"""Where an evaluation stands, in words: the only place that says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluator.contract import is_not_covered
from leaderboard.enums import EvaluationState

#: Of a potential that has the elements of none of a task's systems: no failure.
NOT_COVERED = "not covered"


def state_words(evaluation: Mapping[str, Any]) -> str:
    """Put into words the ``progress.STATE_FIELDS`` of an evaluation.

    Queued, running with its phase and progress, ended well, not covered, or the verdict.
    """
    state, phase = evaluation["state"], evaluation["phase"]
    if state == EvaluationState.RUNNING:
        if phase == "waiting":
            return "waiting for the device"
        done, total = evaluation["progress_done"], evaluation["progress_total"]
        return (phase or "running") + (f" {done}/{total}" if total else "")
    if state == EvaluationState.QUEUED:
        return "queued"
    if state == EvaluationState.SUCCEEDED:
        return "ended well"
    if is_not_covered(evaluation["verdict"], evaluation["coverage"]):
        return NOT_COVERED
    return str(evaluation["verdict"]).replace("_", " ") or str(state)
