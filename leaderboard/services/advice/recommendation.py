"""Which potential for this simulation: who can do it, how well, how long it takes, who is out.

Nobody disappears: what cannot be recommended is listed with the reason. Where elements are asked
for, ranks are those of the board for them: everybody is judged on the systems that they make alone.
Where there are none, ranks are those of the whole board, and it is said. The asker's weights count.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from leaderboard import ranking
from leaderboard.enums import VersionState
from leaderboard.models import BenchmarkVersion
from leaderboard.services.advice import speed
from leaderboard.services.advice.question import ANY_CPU, ANY_GPU, OPEN, Wishes
from leaderboard.services.advice.scaling import Estimate, estimate, ran_out_of_memory
from leaderboard.services.boards import licences, pareto
from leaderboard.services.boards.chemistry import Chemistry
from leaderboard.services.boards.chemistry_board import (
    ChemistryBoard,
    chemistry_board,
    on_chemistry,
)
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.reader import BoardRow, BoardView, view_of
from leaderboard.services.boards.skill_maps import FEW_CLUSTERS
from leaderboard.services.boards.store import (
    StoredBoard,
    current_board,
    private_board,
    replicates_of_rows,
)
from leaderboard.services.boards.supported_elements import told_by_checkpoints
from leaderboard.services.submissions.submissions import default_benchmark

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

#: So many of the best are compared with the best one, replicate by replicate.
_COMPARED = 30
_HARDWARE_WORDS = {"": "any hardware", ANY_GPU: "a GPU", ANY_CPU: "a processor"}
_HYDROGEN_STEP_FS, _LONG_STEP_FS = 1.0, 5.0


class Group(StrEnum):
    """Where a candidate stands in the answer."""

    RECOMMENDED = "recommended"  # can do it, is ranked and was timed on the hardware
    UNTIMED = "untimed"  # can do it as far as is known, but was not timed there
    UNJUDGED = "unjudged"  # can do it, but has no rank on the board
    UNKNOWN = "unknown"  # nobody told which elements it supports
    OUT = "out"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    row: BoardRow
    group: Group
    #: Why it is not recommended, a sentence; empty for those that are.
    reason: str = ""
    estimate: Estimate | None = None
    #: The evaluation that the estimate rests on.
    timed_by: uuid.UUID | None = None
    #: Nothing recommended is both faster and more accurate.
    is_on_front: bool = False
    #: Cannot be told apart from the best one. None where that was not tried.
    is_tied_with_best: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    wishes: Wishes
    #: That the ranks are of: for the asked elements, or the whole.
    board: BoardView
    #: None where the ranks are those of the whole board.
    chemistry: ChemistryBoard | None
    #: What the ranks rest on, in sentences; empty where no elements are asked for.
    judged_on: str
    hardware: list[speed.Hardware]
    #: The one that the estimates are for; empty where nothing was timed on what was asked for.
    chosen_hardware: str
    #: The recommended ones first by rank, then the other groups.
    candidates: list[Candidate]
    #: What to know beside, sentences.
    notes: list[str]

    def of(self, group: Group) -> list[Candidate]:
        return [c for c in self.candidates if c.group == group]


def board_version() -> BenchmarkVersion | None:
    """The benchmark whose scores recommend: that of the first page."""
    return default_benchmark() or (
        BenchmarkVersion.objects.filter(state=VersionState.PUBLISHED)
        .order_by("benchmark__created_at", "-number")
        .first()
    )


def recommend(
    wishes: Wishes, version: BenchmarkVersion, *, user: User | AnonymousUser
) -> Recommendation:
    """Answer from what stands on the board and what was timed; a constant number of queries.

    Raises SubmissionError for weights of categories that there are not.
    """
    basis = _basis(current_board(version), user, wishes)
    rows = basis.rows
    measured = speed.measured_hardware()
    hardware = speed.chosen_hardware(wishes.hardware, measured)
    elements = _elements_told(rows)
    reasons = [_why_out(r.entrant, elements.get(r.key), wishes) for r in rows]
    able = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    timings = speed.timings([row.key for row in able], hardware)
    candidates = [
        _candidate(
            row,
            wishes,
            known=elements.get(row.key),
            timing=timings.get(row.key),
            hardware=hardware or _HARDWARE_WORDS.get(wishes.hardware, wishes.hardware),
        )
        for row in able
    ]
    candidates += [
        Candidate(row=row, group=Group.OUT, reason=reason)
        for row, reason in zip(rows, reasons, strict=True)
        if reason
    ]
    return Recommendation(
        wishes=wishes,
        board=basis.view,
        chemistry=basis.chemistry,
        judged_on=basis.words,
        hardware=measured,
        chosen_hardware=hardware,
        candidates=_finished(candidates, basis.view),
        notes=_notes(wishes, basis.whole),
    )


class _Basis(NamedTuple):
    """What ranks are made of."""

    whole: BoardView
    view: BoardView
    chemistry: ChemistryBoard | None
    words: str
    #: All of the board: who is not judged for the chemistry stands last, without a rank.
    rows: list[BoardRow]


def _basis(board: StoredBoard, user: User | AnonymousUser, wishes: Wishes) -> _Basis:
    own = private_board(board, user)
    whole = view_of(board, own, wishes.weights)
    if not wishes.elements:
        return _Basis(whole, whole, None, "", whole.rows)
    chemistry = chemistry_board(board, Chemistry(elements=wishes.elements))
    view = _view_of_chemistry(chemistry, own, wishes)
    if view is None:
        words = (
            f"No task that counts has a system made of {chemistry.chemistry.words}: the ranks are "
            "those of the whole board, on systems of other elements too."
        )
        return _Basis(whole, whole, None, words, whole.rows)
    judged = {row.key for row in view.rows}
    why_not = f"Not judged on any system of {chemistry.chemistry.words}."
    others = [_without_rank(row, why_not) for row in whole.rows if row.key not in judged]
    words = _judged_on(chemistry, view)
    return _Basis(whole, view, chemistry, words, [*view.rows, *others])


def _view_of_chemistry(
    chemistry: ChemistryBoard, own: StoredBoard | None, wishes: Wishes
) -> BoardView | None:
    """None where none of the categories with a weight is left."""
    own_weights = {e.category: e.category_weight for e in chemistry.board.entries}
    asked = {name: w for name, w in wishes.weights.items() if name in own_weights}
    weights = own_weights | asked
    if not any(e.weight and weights[e.category] for e in chemistry.board.entries):
        return None
    return view_of(chemistry.board, on_chemistry(own, chemistry), asked)


def _without_rank(row: BoardRow, why_not: str) -> BoardRow:
    return replace(
        row,
        rank=None,
        rank_low=None,
        rank_high=None,
        overall=None,
        low=None,
        high=None,
        why_not_ranked=why_not,
        tied_with_previous=False,
    )


def _judged_on(chemistry: ChemistryBoard, view: BoardView) -> str:
    """How many systems in how many tasks, and which elements none of them holds."""
    counted = [t for t in chemistry.judged if view.shares[t.entry.task_version_id] > 0]
    n_systems, n_tasks = sum(t.n_systems for t in counted), len(counted)
    words = (
        f"Ranked on the {n_systems} system{'s' if n_systems > 1 else ''} made of "
        f"{chemistry.chemistry.words}, in {n_tasks} task{'s' if n_tasks > 1 else ''}."
    )
    held = {symbol for task in counted for symbol in task.elements}
    if missing := [e for e in chemistry.chemistry.elements if e not in held]:
        words += f" None of them holds {' or '.join(missing)}."
    if sum(t.n_clusters for t in counted) < FEW_CLUSTERS:
        words += " So few are a hint, no measurement."
    return words


def _elements_told(rows: Sequence[BoardRow]) -> dict[uuid.UUID, frozenset[str]]:
    """What each declares, or its checkpoint told when it was evaluated. At most one query."""
    by_submission = {}
    for row in rows:
        declared = row.entrant.elements
        elements = row.entrant.told_elements if declared is None else declared
        if elements is not None:
            by_submission[row.key] = frozenset(elements)
    # It may have been told on a task that is not of this board.
    elsewhere = told_by_checkpoints([row.key for row in rows if row.key not in by_submission])
    return by_submission | {key: frozenset(elements) for key, elements in elsewhere.items()}


def _why_out(entrant: Entrant, known: frozenset[str] | None, wishes: Wishes) -> str:
    """What is known without estimating anything; empty for what remains."""
    if entrant.calculator_kind == "dummy":
        return "A dummy for comparison: its forces are zero."
    if known is not None and (missing := [e for e in wishes.elements if e not in known]):
        return f"Does not support {', '.join(missing)}."
    if wishes.licence == OPEN and not licences.is_open(entrant.licence):
        return (
            f"Its licence, {entrant.licence}, is not known to be open."
            if entrant.licence
            else "Names no licence."
        )
    levels = {level.strip().casefold() for level in entrant.level_of_theory.split(",")}
    if wishes.level_of_theory and wishes.level_of_theory.casefold() not in levels:
        return f"Trained on {entrant.level_of_theory or 'no stated level of theory'}."
    return ""


def _candidate(
    row: BoardRow,
    wishes: Wishes,
    *,
    known: frozenset[str] | None,
    timing: speed.Timing | None,
    hardware: str,
) -> Candidate:
    estimated = None
    if timing is not None:
        estimated = estimate(
            timing.materials,
            n_atoms=wishes.n_atoms,
            n_steps=wishes.n_steps,
            timestep_fs=wishes.timestep_fs,
        )
    too_much = _too_much(wishes, timing, estimated)
    group, reason = Group.RECOMMENDED, ""
    if too_much:
        group, reason = Group.OUT, too_much
    elif known is None and wishes.elements:
        group, reason = (
            Group.UNKNOWN,
            "Nobody tells which elements it can do.",
        )
    elif estimated is None:
        group, reason = Group.UNTIMED, f"Not timed on {hardware}."
    elif row.rank is None:
        group, reason = Group.UNJUDGED, row.why_not_ranked
    return Candidate(
        row=row,
        group=group,
        reason=reason,
        estimate=estimated,
        timed_by=timing.evaluation if timing and estimated else None,
    )


def _too_much(wishes: Wishes, timing: speed.Timing | None, estimate: Estimate | None) -> str:
    """Why it does not fit the device or the time; empty where it does, or nothing is known."""
    if timing is None or estimate is None:
        return ""
    has_MiB = timing.device_MiB if wishes.memory_GiB is None else 1024 * wishes.memory_GiB
    failed = ran_out_of_memory(timing.materials, wishes.n_atoms)
    was_allowed = timing.limit_MiB
    if failed is not None:
        on_gpu = failed["first_failed_reason"] == "out_of_memory_gpu"
        most = timing.device_MiB if on_gpu else was_allowed
        if has_MiB is None or most is None or has_MiB <= most:
            return (
                f"Ran out of memory at {failed['first_failed_n_atoms']} atoms of "
                f"{failed.get('formula', 'a material')}."
            )
    if (
        has_MiB is not None
        and estimate.memory_GiB is not None
        and 1024 * estimate.memory_GiB > has_MiB
    ):
        has_GiB = has_MiB / 1024
        return f"Needs about {estimate.memory_GiB:.3g} GiB of memory; there are {has_GiB:.3g} GiB."
    if wishes.max_hours is not None and estimate.hours > wishes.max_hours:
        return f"Takes about {estimate.hours:.3g} hours; at most {wishes.max_hours:g} are wanted."
    return ""


def _finished(candidates: list[Candidate], board: BoardView) -> list[Candidate]:
    """Put candidates in order, with the front and the ties among those that are recommended."""
    order = list(Group)
    candidates = sorted(
        candidates,
        key=lambda c: (order.index(c.group), c.row.rank or 10**9, -(c.row.overall or 0.0)),
    )
    chosen = [c for c in candidates if c.group == Group.RECOMMENDED]
    on_front = pareto.front(
        [c.estimate.hours for c in chosen if c.estimate],
        [c.row.overall for c in chosen if c.row.overall is not None],
    )
    ties = _ties(chosen[:_COMPARED], board)
    marked = [
        replace(c, is_on_front=is_on, is_tied_with_best=ties.get(c.row.key))
        for c, is_on in zip(chosen, on_front, strict=True)
    ]
    return marked + candidates[len(chosen) :]


def _ties(chosen: Sequence[Candidate], board: BoardView) -> dict[uuid.UUID, bool]:
    """Whether each cannot be told apart from the first. What is ranked is of the public board."""
    rows = [c.row for c in chosen]
    scores = ranking.as_array([row.overall for row in rows])
    shares = [board.shares[e.task_version_id] for e in board.entries]
    replicates = replicates_of_rows(board.board, [row.index for row in rows], shares)
    return {
        row.key: bool(ranking.ties(scores[[0, i]], replicates[[0, i]])[1])
        for i, row in enumerate(rows)
        if i > 0
    }


def _notes(wishes: Wishes, board: BoardView) -> list[str]:
    notes = []
    if wishes.temperature_K is not None:
        notes.append(_about_temperature(wishes.temperature_K, board))
    if "H" in wishes.elements and wishes.timestep_fs > _HYDROGEN_STEP_FS:
        notes.append("Bonds to hydrogen vibrate fast: a time step of 0.5 fs is the usual choice.")
    elif wishes.timestep_fs > _LONG_STEP_FS:
        notes.append(f"A time step of {wishes.timestep_fs:g} fs is too long for most solids.")
    return notes


def _about_temperature(temperature_K: float, board: BoardView) -> str:
    """Which tasks of dynamics reach the temperature. It does not change what a step costs."""
    reach = []
    for entry in board.entries:
        parameters = entry.task_version.parameters
        if entry.task_version.protocol == "md_stability" and "temperature_K" in parameters:
            start = float(parameters["temperature_K"])
            end = max(start, float(parameters.get("final_temperature_K") or 0.0))
            reach.append((end, f"{entry.task_version.task.name} (to {end:g} K)"))
    if not reach:
        return f"No task of this board runs dynamics, so nothing is known of {temperature_K:g} K."
    enough = [words for end, words in reach if end >= temperature_K]
    if enough:
        return f"Stability at {temperature_K:g} K is judged by {', '.join(enough)}."
    tasks = ", ".join(words for _, words in reach)
    return f"No task of dynamics reaches {temperature_K:g} K: {tasks}."
