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
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluator.catalog import METRICS, Direction, format_number
from leaderboard.models import Evaluation
from leaderboard.services.boards.grades import GRADIENT, letter_of
from leaderboard.services.boards.reader import BoardRow
from leaderboard.services.boards.store import StoredBoard

_MIN_OTHERS = 3
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
    board: StoredBoard | None, row: BoardRow | None, evaluations: Iterable[Evaluation]
) -> Judgement:
    """Judge a row of the board, or of the reader's own.

    ``evaluations`` are those of its submission, with their scores prefetched.
    """
    strengths, weaknesses, n_compared = _against_others(board, row)
    for evaluation in evaluations:
        weaknesses += [*_ordered(_off_one(evaluation))[:1], *_failed(evaluation)]
    return Judgement(
        strengths=_ordered(strengths), weaknesses=_ordered(weaknesses), n_compared=n_compared
    )


def _against_others(
    board: StoredBoard | None, row: BoardRow | None
) -> tuple[list[Remark], list[Remark], int]:
    strengths: list[Remark] = []
    weaknesses: list[Remark] = []
    n_compared = 0
    if board is None or row is None:
        return strengths, weaknesses, n_compared
    others = trained_others(board, row.entrant.slug)
    for j, entry in enumerate(board.entries):
        cell = row.cells[j]
        median = median_of(board, others, j, cell.hardware)
        if cell.score is None or cell.low is None or cell.high is None or median is None:
            continue
        n_compared += 1
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


def trained_others(board: StoredBoard, slug: str) -> npt.NDArray[np.str_]:
    """Slug of each row, "" of baselines and of this potential, shape (rows,)."""
    return np.array(["" if e.is_baseline or e.slug == slug else e.slug for e in board.entrants])


def median_of(
    board: StoredBoard, others: npt.NDArray[np.str_], column: int, hardware: str
) -> float | None:
    """The median score of the ``trained_others`` that are ranked on a task, on this hardware.

    Each potential counts once, by its best version; None where they are too few to compare with.
    """
    matrix = board.matrix
    is_same = np.array([key == hardware for key in matrix.hardware_keys], bool)
    chosen = (others != "") & (matrix.rank[:, column] > 0) & is_same[matrix.hardware[:, column]]
    best: dict[str, float] = {}
    scores = matrix.score[chosen, column].tolist()
    for slug, score in zip(others[chosen].tolist(), scores, strict=True):
        best[slug] = max(best.get(slug, 0.0), score)
    return statistics.median(best.values()) if len(best) >= _MIN_OTHERS else None


def _off_one(evaluation: Evaluation) -> Iterable[Remark]:
    """Several metrics of a task tell the same in other ways: the worst of them is enough."""
    for score in evaluation.scores.all():
        about = METRICS.get(score.metric)
        if about is None or about.direction != Direction.ONE or score.value is None:
            continue
        if score.low is None or score.high is None or score.low <= 1 <= score.high:
            continue
        if abs(score.value - 1) <= _OFF_BY:
            continue
        word = "low" if score.value < 1 else "high"
        value, low, high = (format_number(x, 2) for x in (score.value, score.low, score.high))
        yield Remark(
            text=f"{about.label} too {word} in {evaluation.task_version.task.name}: "
            f"{value} ({low} to {high}), where 1 is right",
            address=evaluation.get_absolute_url(),
            weight=abs(score.value - 1),
        )


def _failed(evaluation: Evaluation) -> Iterable[Remark]:
    if evaluation.is_veiled:  # counts and consistency are withheld
        return
    n_judged = evaluation.n_systems - evaluation.n_unsupported
    if n_judged > 0 and evaluation.n_failed >= _MANY_FAILED * n_judged and evaluation.n_failed:
        yield Remark(
            text=f"{evaluation.n_failed} of {n_judged} systems failed in "
            f"{evaluation.task_version.task.name}",
            address=evaluation.get_absolute_url(),
            weight=evaluation.n_failed / n_judged,
        )
    if _is_not_gradient(evaluation) and not evaluation.submission.declares_non_conservative:
        yield Remark(
            text=f"Forces were not the energy’s gradient in {evaluation.task_version.task.name}",
            address=evaluation.get_absolute_url(),
            weight=0.1,
        )


def _is_not_gradient(evaluation: Evaluation) -> bool:
    """Measured so, and by more than a grade of B allows."""
    error = evaluation.consistency.get(GRADIENT)
    is_far = error is None or letter_of(GRADIENT, error) > "B"
    return evaluation.consistency.get("is_conservative_measured") is False and is_far


def _ordered(remarks: Iterable[Remark]) -> list[Remark]:
    return sorted(remarks, key=lambda remark: -remark.weight)
