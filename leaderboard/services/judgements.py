"""What is strong and what is weak about a potential, in words that follow from its numbers.

The rules, said on its page too:

* A task's score is a strength where its whole 95 % interval lies above the median score of the
  other trained potentials that are ranked there, a weakness where it lies below. Fewer than three
  others say nothing. Those furthest from the median come first.
* A metric that is best at one (softening slope, ratio of frequencies) is a weakness where its
  interval leaves one out and its value is off by more than five percent: which way, is said.
* Systems that failed are a weakness from five percent on; forces that were measured not to be the
  energy's gradient are one, unless declared.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evaluator.catalog import METRICS, Direction
from leaderboard.models import Evaluation
from leaderboard.services.board_types import BenchmarkBoard, BoardRow

MIN_OTHERS = 3
_OFF_BY = 0.05
_MANY_FAILED = 0.05


@dataclass(frozen=True, kw_only=True)
class Remark:
    text: str
    address: str
    #: How far from the ordinary; larger comes first.
    weight: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    strengths: list[Remark]
    weaknesses: list[Remark]
    #: Tasks that could be compared with others.
    n_compared: int


def judgement(
    board: BenchmarkBoard | None, row: BoardRow | None, evaluations: Iterable[Evaluation]
) -> Judgement:
    """``evaluations`` are those of the row's submission, with their scores prefetched."""
    strengths, weaknesses, n_compared = _against_others(board, row)
    for evaluation in evaluations:
        weaknesses += [*_off_one(evaluation), *_failed(evaluation)]
    return Judgement(
        strengths=_ordered(strengths), weaknesses=_ordered(weaknesses), n_compared=n_compared
    )


def _against_others(
    board: BenchmarkBoard | None, row: BoardRow | None
) -> tuple[list[Remark], list[Remark], int]:
    strengths: list[Remark] = []
    weaknesses: list[Remark] = []
    n_compared = 0
    if board is None or row is None:
        return strengths, weaknesses, n_compared
    for entry in board.entries:
        cell = row.cells[entry.task_version_id]
        others = _others(board, row, entry.task_version_id, cell.hardware)
        if cell.score is None or cell.low is None or cell.high is None or len(others) < MIN_OTHERS:
            continue
        n_compared += 1
        median = statistics.median(others)
        if not (is_better := cell.low > median) and cell.high >= median:
            continue
        remark = Remark(
            text=f"{entry.task_version.task.name}: {cell.score:.2f} "
            f"({cell.low:.2f} to {cell.high:.2f}), where half of the others reach {median:.2f}",
            address=f"/tasks/{entry.task_version.task.slug}/{entry.task_version.number}/",
            weight=abs(cell.score - median),
        )
        (strengths if is_better else weaknesses).append(remark)
    return strengths, weaknesses, n_compared


def _others(board: BenchmarkBoard, row: BoardRow, task: int, hardware: str) -> list[float]:
    """Scores of the other trained potentials that are ranked on the task."""
    return [
        cell.score
        for other in board.rows
        if other.submission.potential_id != row.submission.potential_id
        and not other.submission.potential.is_baseline
        and (cell := other.cells[task]).score is not None
        and cell.rank is not None
        and cell.hardware == hardware
    ]


def _off_one(evaluation: Evaluation) -> Iterable[Remark]:
    for score in evaluation.scores.all():
        about = METRICS.get(score.metric)
        if about is None or about.direction != Direction.ONE or score.value is None:
            continue
        if score.low is None or score.high is None or score.low <= 1 <= score.high:
            continue
        if abs(score.value - 1) <= _OFF_BY:
            continue
        word = "low" if score.value < 1 else "high"
        yield Remark(
            text=f"{about.label} too {word} in {evaluation.task_version.task.name}: "
            f"{score.value:.2f} ({score.low:.2f} to {score.high:.2f}), where 1 is right",
            address=evaluation.get_absolute_url(),
            weight=abs(score.value - 1),
        )


def _failed(evaluation: Evaluation) -> Iterable[Remark]:
    n_judged = evaluation.n_systems - evaluation.n_unsupported
    if n_judged > 0 and evaluation.n_failed >= _MANY_FAILED * n_judged and evaluation.n_failed:
        yield Remark(
            text=f"{evaluation.n_failed} of {n_judged} systems failed in "
            f"{evaluation.task_version.task.name}",
            address=evaluation.get_absolute_url(),
            weight=evaluation.n_failed / n_judged,
        )
    declared = evaluation.submission.declares_non_conservative
    if evaluation.consistency.get("is_conservative_measured") is False and not declared:
        yield Remark(
            text=f"Forces were not the energy’s gradient in {evaluation.task_version.task.name}",
            address=evaluation.get_absolute_url(),
            weight=0.1,
        )


def _ordered(remarks: Sequence[Remark]) -> list[Remark]:
    return sorted(remarks, key=lambda remark: -remark.weight)
