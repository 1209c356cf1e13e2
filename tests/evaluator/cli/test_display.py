from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evaluator.cli.display import Display, describe_state
from evaluator.client import Evaluation


def evaluation(**members: Any) -> Evaluation:
    brief = {"id": "e1", "task": "smoke", "task_version": 1, "state": "queued", **members}
    return Evaluation.from_json(brief)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "queued"),
        (
            {"state": "running", "phase": "simulating", "progress": {"done": 1, "total": 4}},
            "████░░░░░░░░░░░░ 1/4 systems",
        ),
        (
            {"state": "succeeded", "verdict": "ok", "score": 0.5, "coverage": 0.25},
            "score 0.500  coverage 25%",
        ),
        ({"state": "failed", "verdict": "load_error"}, "failed: load_error"),
        # A bar counts systems: while processes load, there is none.
        (
            {"state": "running", "phase": "loading", "progress": {"done": 1, "total": 2}},
            "loading",
        ),
        ({"state": "running", "phase": "waiting"}, "waiting for the device"),
        ({"state": "running", "phase": ""}, "running"),
        ({"state": "failed", "verdict": "unsupported", "coverage": 0.0}, "not covered"),
        ({"state": "failed", "verdict": "unsupported", "coverage": 0.5}, "failed: unsupported"),
    ],
)
def test_a_state_is_told_in_a_few_words(members: dict[str, Any], words: str) -> None:
    assert describe_state(evaluation(**members)) == words


def test_a_long_one_tells_its_calls_and_the_time_left() -> None:
    later = (datetime.now(UTC) + timedelta(minutes=3, seconds=5)).isoformat()
    progress = {"done": 2, "total": 4, "calls": 1200, "expected_at": later}
    running = evaluation(state="running", phase="simulating", progress=progress)
    assert describe_state(running) == (
        "████████░░░░░░░░ 2/4 systems, 1,200 force calls, about 3 min left"
    )


def test_a_log_gets_one_line_when_an_evaluation_has_ended() -> None:
    stream = io.StringIO()
    display = Display(stream)
    for members in (
        {},
        {"state": "running"},
        *[{"state": "cancelled", "verdict": "cancelled"}] * 2,
    ):
        display.update([evaluation(**members)])
    assert stream.getvalue() == "  smoke                  cancelled\n"


def test_a_terminal_is_drawn_over_and_never_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "24")
    stream = Terminal()
    display = Display(stream)
    display.update([evaluation()])
    first = stream.getvalue()
    display.update([evaluation(state="failed", verdict="out_of_memory_host")])
    second = stream.getvalue().removeprefix(first)
    assert second.startswith("\x1b[2A"), "the line and the summary are drawn over"
    lines = [line.removeprefix("\x1b[2K") for line in second.removeprefix("\x1b[2A").split("\n")]
    assert [len(line) <= 30 for line in lines[:2]] == [True, True]
    assert lines[1].startswith("  1 of 1 evaluations ended")
