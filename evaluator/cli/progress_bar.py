"""How far an evaluation has come, on a terminal."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from evaluator.cli.durations import format_duration
from evaluator.contract import Phase, Progress

#: Without tqdm's own estimate of the time left: the driver knows when one can be told.
_COUNTED = "{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} systems [{elapsed}{postfix}]"
#: While processes load and scores are made, no system is counted.
_UNCOUNTED = "{desc} [{elapsed}]"

_WAITING = "Waiting for this machine: what is timed needs it alone, and other work is going on."


class ProgressBar:
    """Progress on stderr; silent where that is no terminal."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] = tqdm(
            unit="system", bar_format=_UNCOUNTED, leave=False, disable=None, file=sys.stderr
        )

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, progress: Progress) -> None:
        if progress.phase is Phase.WAITING:
            # Said also where there is no bar: nothing else moves meanwhile.
            self._bar.write(_WAITING, file=sys.stderr)
        self._bar.set_description(progress.phase.value.capitalize(), refresh=False)
        is_counted = progress.phase is Phase.SIMULATING
        self._bar.bar_format = _COUNTED if is_counted else _UNCOUNTED
        self._bar.total, self._bar.n = progress.n_total, progress.n_done
        self._bar.set_postfix_str(details_of(progress), refresh=False)
        self._bar.refresh()


def details_of(progress: Progress) -> str:
    """What stands behind the bar: calls answered and the time left, where there is any to tell."""
    said = []
    if progress.phase is Phase.SIMULATING:
        said.append(f"{progress.n_calls:,} force calls")
    if progress.remaining_s is not None and progress.n_done < progress.n_total:
        said.append(f"about {format_duration(progress.remaining_s)} left")
    return ", ".join(said)
