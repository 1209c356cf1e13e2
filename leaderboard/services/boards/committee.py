"""A committee of all submissions: how far each one's answers lie from those of the others.

Members, who judge, are the newest public version of each potential that has a score on the task
above that of every baseline, and the reference's level of theory as far as both are known; of those
that answer alike the oldest alone, the best scored ``MOST_MEMBERS`` at most. Judged is every public
row, by the members of other potentials. It is an uncertainty that is shown; no score follows from
it. Hidden sets have none: errors of chosen answers are equations in the labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import AnonymousUser
from django.db.models import TextField
from django.db.models.functions import MD5, Cast

from evaluator import committee, frames
from evaluator.committee import Calibration, Estimate, Frames
from leaderboard.enums import EvaluationState
from leaderboard.lib.json_values import finite
from leaderboard.lib.memory import of_process
from leaderboard.models import Evaluation, FrameErrorTable, TaskVersion
from leaderboard.models.disclosure import OF_OPEN, is_hidden
from leaderboard.services.boards.rules import are_apart, levels_of, on_boards
from leaderboard.services.boards.snapshots import Snapshot
from leaderboard.services.boards.stamps import stamp_of_task
from leaderboard.services.boards.task_store import current_task_board
from leaderboard.services.boards.types import TaskRow

#: Of all their answers the best scored judge: more voices hardly move a median.
MOST_MEMBERS = 24
#: One alone judges nobody: nothing says which of two that differ is wrong.
_QUORUM = 2
#: Of so many of the best it is asked who copied whom.
_MOST_COMPARED = 128
#: Of rows whose arrays are in memory together.
_ROWS_AT_ONCE = 64
#: Protocols that ask for single frames of the reference.
PROTOCOLS = frozenset({"energy_forces", "rare_event_forces"})

#: Of what is told of each quantity.
UNITS = {"forces": "eV/Å", "energies": "meV/atom"}

_committees = of_process(20)

Floats = npt.NDArray[np.float32]


class Judged(NamedTuple):
    """One row, by one quantity: what the others say, and what is true, frame by frame."""

    #: RMS difference from the others' answers, and from the reference; NaN where unknown.
    uncertainty: Floats
    error: Floats
    #: How many independent voices spoke about it.
    n_voices: float
    calibration: Calibration | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Committee:
    """Of one task version; energies in meV/atom, forces in eV/Å."""

    #: Ids of the members' evaluations, the best scored first.
    members: Sequence[UUID]
    #: By evaluation; of each quantity that the task has ("forces", "energies").
    rows: Mapping[UUID, Mapping[str, Judged]]

    @property
    def is_quorate(self) -> bool:
        """Whether there is anybody who can judge anybody else."""
        return len(self.members) >= _QUORUM


#: Where there is no reference that anybody may know, or no frames.
NOBODY = Committee(members=(), rows={})


def has_committee(version: TaskVersion) -> bool:
    """Whether the task asks for single frames of a set that is open."""
    return version.protocol in PROTOCOLS and not is_hidden(version)


def current_committee(version: TaskVersion) -> Committee:
    """As it stands now. One query where this process has it, none for other tasks."""
    if not has_committee(version):
        return NOBODY
    snapshot = Snapshot(
        key=f"committee 2 {version.pk}",
        memory=_committees,
        stamp=lambda: stamp_of_task(version.pk),
        compute=lambda _: committee_of(version, snapshot.last()),
        to_plain=_plain,
        from_plain=lambda _, plain: _from_plain(plain),
    )
    return snapshot.value()


def judged_rows(
    version: TaskVersion, found: Committee
) -> list[tuple[TaskRow, Mapping[str, Judged]]]:
    """Rows of the task's board that are judged, in its order. One query."""
    if not found.rows:
        return []
    board = current_task_board(version)
    return [
        (row, found.rows[row.evaluation_id])
        for row in board.rows
        if row.evaluation_id in found.rows
    ]


def uncertainties_of(evaluation: Evaluation) -> dict[str, list[float | None]]:
    """Of each quantity, system by system in the order of the set; empty where nobody judges it.

    One query where this process has the committee; none for tasks that have none.
    """
    judged = current_committee(evaluation.task_version).rows.get(evaluation.pk, {})
    return {
        name: [finite(value) for value in by_system.uncertainty.tolist()]
        for name, by_system in judged.items()
        if np.isfinite(by_system.uncertainty).any()
    }


def committee_of(version: TaskVersion, before: Committee | None = None) -> Committee:
    """Compute it; rows that the same members have judged are taken from ``before``.

    Records never change, and whoever judges decides what is said: so nothing else can have changed.
    """
    candidates = _candidates(version)
    if not candidates:
        return NOBODY
    layout = FrameErrorTable.objects.get(pk=candidates[0].pk)
    fit = [c for c in candidates if _may_judge(c, candidates, version)]
    members = _members(fit, layout)
    pks = [member.pk for member, _ in members]
    known = before.rows if before is not None and list(before.members) == pks else {}
    judging = _Judging.of(members if len(members) >= _QUORUM else [], layout)
    new = [c for c in candidates if c.pk not in known]
    rows = {c.pk: known[c.pk] for c in candidates if c.pk in known}
    for some in _batches(new):
        rows |= judging.judge(some, _arrays([c.pk for c in some], layout))
    return Committee(members=pks, rows=rows)


class _Candidate(NamedTuple):
    """A public evaluation whose frames are kept."""

    pk: UUID
    potential: int
    score: float | None
    is_baseline: bool
    level_of_theory: str
    #: The larger the newer.
    at: Any
    layout: str


def _candidates(version: TaskVersion) -> list[_Candidate]:
    """The best scored first, of the layout that most have. One query."""
    shown = on_boards(AnonymousUser()).filter(task_version=version, state=EvaluationState.SUCCEEDED)
    rows = (
        FrameErrorTable.objects.filter(OF_OPEN, evaluation__in=shown.order_by().values("pk"))
        .annotate(layout=MD5(Cast("n_atoms", TextField())))
        .values_list(
            "pk",
            "evaluation__submission__potential_id",
            "evaluation__score",
            "evaluation__submission__potential__is_baseline",
            "evaluation__submission__potential__level_of_theory",
            "evaluation__submission__created_at",
            "layout",
        )
    )
    candidates = [_Candidate._make(row) for row in rows]
    counts: dict[str, int] = {}
    for candidate in candidates:
        counts[candidate.layout] = counts.get(candidate.layout, 0) + 1
    common = max(sorted(counts), key=counts.__getitem__, default="")
    return sorted(
        (c for c in candidates if c.layout == common),
        # Of equal scores the older one: a copy does not push out what it was copied from.
        key=lambda c: (-(c.score if c.score is not None else -1.0), c.at, c.pk),
    )


def _may_judge(
    candidate: _Candidate, candidates: Sequence[_Candidate], version: TaskVersion
) -> bool:
    """Whether it is a member: see above."""
    if candidate.is_baseline or candidate.score is None:
        return False
    reference = version.reference_set
    theirs = levels_of(reference.level_of_theory if reference else "")
    if are_apart(levels_of(candidate.level_of_theory), theirs):
        return False
    bar = max((c.score for c in candidates if c.is_baseline and c.score is not None), default=0.0)
    newest = max(c.at for c in candidates if c.potential == candidate.potential)
    return candidate.score > bar and candidate.at == newest


def _members(fit: Sequence[_Candidate], layout: FrameErrorTable) -> list[tuple[_Candidate, Floats]]:
    """Those who judge, with their errors: no two that answer alike."""
    best = fit[:_MOST_COMPARED]
    if not best:
        return []
    arrays = _arrays([c.pk for c in best], layout)
    # An energy counts as a frame, and the forces of a system as another one.
    sizes = [*(1 for _ in layout.n_atoms), *(3 * n for n in layout.n_atoms)]
    stacked = Frames(errors=np.stack([arrays[c.pk] for c in best]), sizes=np.array(sizes, np.int64))
    ages = [-c.at.timestamp() for c in best]
    return [
        (best[i], arrays[best[i].pk]) for i in committee.choose_judges(stacked, MOST_MEMBERS, ages)
    ]


def _batches(candidates: Sequence[_Candidate]) -> Iterator[Sequence[_Candidate]]:
    for start in range(0, len(candidates), _ROWS_AT_ONCE):
        yield candidates[start : start + _ROWS_AT_ONCE]


def _arrays(pks: Sequence[UUID], layout: FrameErrorTable) -> dict[UUID, Floats]:
    """Errors as they are packed: energies of all systems, then components of forces. One query."""
    rows = FrameErrorTable.objects.filter(pk__in=pks).values_list("pk", "packed")
    return {pk: frames.unpacked(packed, layout.n_atoms) for pk, packed in rows}


def _part(values: Floats, n_systems: int, quantity: str) -> Floats:
    """Of a packed row, or of several."""
    return values[..., n_systems:] if quantity == "forces" else values[..., :n_systems]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judging:
    """The members, ready to judge."""

    potentials: npt.NDArray[np.int64]
    clusters: Sequence[str]
    n_systems: int
    #: Of each quantity: the members' errors, and how alike they are.
    judges: Mapping[str, tuple[Frames, npt.NDArray[np.float64]]]

    @classmethod
    def of(cls, members: Sequence[tuple[_Candidate, Floats]], layout: FrameErrorTable) -> _Judging:
        n_systems = len(layout.n_atoms)
        n_values = n_systems + 3 * sum(layout.n_atoms)
        stacked = np.array([values for _, values in members], np.float32).reshape(-1, n_values)
        judges = {}
        for quantity in UNITS:
            errors = _part(stacked, n_systems, quantity)
            part = Frames.of(list(errors), layout.n_atoms, quantity)
            judges[quantity] = (part, committee.likeness(part, part))
        return cls(
            potentials=np.array([member.potential for member, _ in members], np.int64),
            clusters=list(layout.clusters),
            n_systems=n_systems,
            judges=judges,
        )

    def judge(
        self, rows: Sequence[_Candidate], arrays: Mapping[UUID, Floats]
    ) -> dict[UUID, dict[str, Judged]]:
        own = np.array([row.potential for row in rows])[:, None] == self.potentials[None, :]
        found: dict[UUID, dict[str, Judged]] = {row.pk: {} for row in rows}
        for quantity, (judges, among) in self.judges.items():
            errors = np.stack([_part(arrays[row.pk], self.n_systems, quantity) for row in rows])
            part = Frames(errors=errors, sizes=judges.sizes)
            weights = committee.voices(part, judges, own, among)
            for i, row in enumerate(rows):
                if np.isfinite(errors[i]).any():
                    found[row.pk][quantity] = self._judged(part, judges, i, weights[i])
        return found

    def _judged(
        self, part: Frames, judges: Frames, i: int, weights: npt.NDArray[np.float64]
    ) -> Judged:
        error = part.rms(part.errors[i])
        uncertainty = np.full(len(error), np.nan)
        if len(weights):
            uncertainty = committee.disagreement(part.errors[i], judges, weights)
        return Judged(
            uncertainty=uncertainty.astype(np.float32),
            error=error.astype(np.float32),
            n_voices=round(float(weights.sum()), 3),
            calibration=committee.calibration(
                uncertainty, error, judges.sizes.astype(float), self.clusters
            ),
        )


def _plain(value: Committee) -> dict[str, Any]:
    return {
        "members": [pk.bytes for pk in value.members],
        "rows": [
            (pk.bytes, {name: _plain_judged(judged) for name, judged in by_quantity.items()})
            for pk, by_quantity in value.rows.items()
        ],
    }


def _plain_judged(judged: Judged) -> list[Any]:
    calibration = judged.calibration
    return [*judged[:3], None if calibration is None else asdict(calibration)]


def _from_plain(plain: Mapping[str, Any]) -> Committee:
    return Committee(
        members=[UUID(bytes=pk) for pk in plain["members"]],
        rows={
            UUID(bytes=pk): {
                name: Judged(
                    uncertainty, error, n_voices, None if about is None else _calibration(about)
                )
                for name, (uncertainty, error, n_voices, about) in by_quantity.items()
            }
            for pk, by_quantity in plain["rows"]
        },
    )


def _calibration(plain: Mapping[str, Any]) -> Calibration:
    estimates = {
        name: None if plain[name] is None else Estimate(**plain[name])
        for name in ("spearman", "auroc", "rmse", "rmse_half")
    }
    return Calibration(**{**plain, **estimates, "risk": tuple(plain["risk"])})
