"""The live display: a table that is redrawn on a terminal, lines where there is none."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

Evaluation = dict[str, Any]

ENDED = {"succeeded", "failed", "cancelled"}
_LINES_INTERVAL_S = 20.0


def _bar(done: int, total: int, width: int = 16) -> str:
    filled = round(width * done / total) if total else 0
    return "█" * filled + "░" * (width - filled)


def _state(evaluation: Evaluation) -> str:
    if evaluation["state"] == "running":
        done, total = evaluation["progress"]["done"], evaluation["progress"]["total"]
        return f"{_bar(done, total)} {done}/{total} {evaluation['phase']}"
    if evaluation["state"] == "queued":
        return "queued"
    if evaluation["score"] is not None:
        return f"score {evaluation['score']:.3f}  coverage {evaluation['coverage']:.0%}"
    return f"{evaluation['state']}: {evaluation['verdict']}"


def _line(evaluation: Evaluation) -> str:
    submission = evaluation["submission"]
    name = f"{submission['potential']['name']} {submission['version']}"
    return f"  {name:<36.36} {evaluation['task']:<22.22} {_state(evaluation)}"


def _most_telling(evaluations: list[Evaluation], n_shown: int) -> list[Evaluation]:
    """What runs, then what ended last, then what waits; as many as fit, in their own order."""
    urgency = {"running": 0, "queued": 2}
    by_urgency = sorted(
        range(len(evaluations)),
        key=lambda i: (urgency.get(evaluations[i]["state"], 1), -_ended_at(evaluations[i])),
    )
    return [evaluations[i] for i in sorted(by_urgency[:n_shown])]


def _ended_at(evaluation: Evaluation) -> float:
    finished: str | None = evaluation["finished_at"]
    return datetime.fromisoformat(finished).timestamp() if finished else 0.0


class Display:
    """Shows evaluations as they move; ``update`` is called again and again."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._n_drawn = 0
        self._shown: dict[str, str] = {}
        self._last_summary = 0.0
        self._started = time.monotonic()

    def update(self, evaluations: list[Evaluation]) -> None:
        if self._is_terminal:
            self._redraw(evaluations)
        else:
            self._report_changes(evaluations)

    def _summary(self, evaluations: Iterable[Evaluation]) -> str:
        states = [e["state"] for e in evaluations]
        n_ended = sum(state in ENDED for state in states)
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"  {n_ended} of {len(states)} evaluations ended, {minutes}:{seconds:02d} elapsed"

    def _redraw(self, evaluations: list[Evaluation]) -> None:
        # The cursor cannot go up past the terminal's first line.
        room = max(3, shutil.get_terminal_size().lines - 3)
        lines = [*map(_line, _most_telling(evaluations, room)), self._summary(evaluations)]
        up = f"\x1b[{self._n_drawn}A" if self._n_drawn else ""
        sys.stdout.write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
        sys.stdout.flush()
        self._n_drawn = len(lines)

    def _report_changes(self, evaluations: list[Evaluation]) -> None:
        for evaluation in evaluations:
            if self._shown.get(evaluation["id"]) != evaluation["state"]:
                self._shown[evaluation["id"]] = evaluation["state"]
                if evaluation["state"] in ENDED:
                    print(_line(evaluation), flush=True)
        if time.monotonic() - self._last_summary >= _LINES_INTERVAL_S:
            self._last_summary = time.monotonic()
            running = [_line(e) for e in evaluations if e["state"] == "running"]
            print("\n".join([self._summary(evaluations), *running]), flush=True)
