"""Evaluations as they move: a table redrawn on a terminal, lines where there is none."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TextIO

from evaluator.cli.durations import format_duration
from evaluator.client import Evaluation

#: Of a potential that has the elements of none of a task's systems: no failure.
NOT_COVERED = "not covered"

_LINES_INTERVAL_S = 20.0


def describe_state(evaluation: Evaluation) -> str:
    """Describe a state in a few words: its progress, its score, or how it failed."""
    if evaluation.state == "running":
        return _running(evaluation)
    if evaluation.has_ended and evaluation.score is not None:
        coverage = "" if evaluation.coverage is None else f"  coverage {evaluation.coverage:.0%}"
        return f"score {evaluation.score:.3f}{coverage}"
    if evaluation.is_not_covered:
        return NOT_COVERED
    if evaluation.has_ended:
        verdict = evaluation.verdict
        return verdict if verdict == evaluation.state else f"{evaluation.state}: {verdict}"
    return evaluation.state


def _running(evaluation: Evaluation) -> str:
    """How many systems are done, where they are what is counted; else the phase."""
    if evaluation.phase != "simulating":
        phase = evaluation.phase or "running"
        return "waiting for the device" if phase == "waiting" else phase
    progress = evaluation.progress
    words = [f"{_bar(progress.done, progress.total)} {progress.done}/{progress.total} systems"]
    if progress.calls:
        words.append(f"{progress.calls:,} force calls")
    if progress.expected_at is not None:
        left_s = (progress.expected_at - datetime.now(UTC)).total_seconds()
        words.append(f"about {format_duration(max(0.0, left_s))} left")
    return ", ".join(words)


def _bar(done: int, total: int, width: int = 16) -> str:
    filled = round(width * done / total) if total else 0
    return "█" * filled + "░" * (width - filled)


def _line(evaluation: Evaluation) -> str:
    name = f"{evaluation.submission.name:<36.36} " if evaluation.submission else ""
    return f"  {name}{evaluation.task:<22.22} {describe_state(evaluation)}"


def _most_telling(evaluations: Sequence[Evaluation], n_shown: int) -> list[Evaluation]:
    """What runs, then what ended last, then what waits; as many as fit, in their own order."""
    urgency = {"running": 0, "queued": 2}
    by_urgency = sorted(
        range(len(evaluations)),
        key=lambda i: (urgency.get(evaluations[i].state, 1), -_ended_at(evaluations[i])),
    )
    return [evaluations[i] for i in sorted(by_urgency[:n_shown])]


def _ended_at(evaluation: Evaluation) -> float:
    return evaluation.finished_at.timestamp() if evaluation.finished_at else 0.0


class Display:
    """Shows evaluations as they move; ``update`` is called again and again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._n_drawn = 0
        self._shown: dict[str, str] = {}
        self._last_summary = time.monotonic()
        self._started = time.monotonic()

    def update(self, evaluations: Sequence[Evaluation]) -> None:
        if self._is_terminal:
            self._redraw(evaluations)
        else:
            self._report_changes(evaluations)

    def _summary(self, evaluations: Iterable[Evaluation]) -> str:
        ended = [evaluation.has_ended for evaluation in evaluations]
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        return f"  {sum(ended)} of {len(ended)} evaluations ended, {minutes}:{seconds:02d} elapsed"

    def _redraw(self, evaluations: Sequence[Evaluation]) -> None:
        # The cursor cannot go up past the terminal's first line, nor count lines that wrap.
        size = shutil.get_terminal_size()
        shown = _most_telling(evaluations, max(3, size.lines - 3))
        lines = [*map(_line, shown), self._summary(evaluations)]
        up = f"\x1b[{self._n_drawn}A" if self._n_drawn else ""
        text = "".join(f"\x1b[2K{line[: size.columns]}\n" for line in lines)
        self._stream.write(f"{up}{text}\x1b[0J")
        self._stream.flush()
        self._n_drawn = len(lines)

    def _report_changes(self, evaluations: Sequence[Evaluation]) -> None:
        for evaluation in evaluations:
            if self._shown.get(evaluation.id) != evaluation.state:
                self._shown[evaluation.id] = evaluation.state
                if evaluation.has_ended:
                    self._say(_line(evaluation))
        if time.monotonic() - self._last_summary >= _LINES_INTERVAL_S:
            self._last_summary = time.monotonic()
            running = [_line(e) for e in evaluations if e.state == "running"]
            self._say("\n".join([self._summary(evaluations), *running]))

    def _say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)
