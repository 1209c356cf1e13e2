"""Where an evaluation stands, in words: the only place that says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leaderboard.enums import EvaluationState


def state_words(evaluation: Mapping[str, Any]) -> str:
    """Put into words the ``progress.STATE_FIELDS`` of an evaluation.

    Queued, running with its phase and progress, ended well, or the verdict.
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
    return str(evaluation["verdict"]).replace("_", " ") or str(state)
