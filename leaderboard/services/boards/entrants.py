"""What a board tells of submissions and potentials, in plain values that can be packed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, overload

import msgpack

from leaderboard.models import Submission
from leaderboard.services.boards.grades import letters_by_name

#: Shown beside the scores, of a task that times.
SPEED, MEMORY = "atom_time_median", "memory_peak"
_MAX_CHOICES = 100


class Entrant(NamedTuple):
    submission: str
    version: str
    visibility: str
    calculator_kind: str
    declares_non_conservative: bool
    #: That are declared; None where the checkpoint is to tell.
    elements: list[str] | None
    date: str
    #: With a tail as long as no version was public: ``Potential.address``.
    slug: str
    name: str
    architecture: str
    licence: str
    level_of_theory: str
    training_sets: list[str]
    n_parameters: int | None
    is_baseline: bool
    team: str
    #: What the checkpoint told when it was evaluated, where nothing is declared.
    told_elements: list[str] | None = None
    #: µs/atom and MiB, where a task of the board measured them.
    speed: float | None = None
    memory: float | None = None
    #: Of the checks, by the board's tasks; see ``grades.letters_of``.
    grades: str = ""
    #: User name of who registered it, and the slug of an older potential that it looks like.
    owner: str = ""
    resembles: str = ""

    @property
    def title(self) -> str:
        """The potential's name and the version, as a submission is written."""
        return f"{self.name} {self.version}"

    @property
    def letters(self) -> dict[str, str]:
        """Its grades by their names."""
        return letters_by_name(self.grades)

    @property
    def key(self) -> str:
        """How a query string names it."""
        return f"{self.slug}:{self.version}"


class Entrants(Sequence[Entrant]):
    """A board's, row by row. A page shows few of many, so each is unpacked when it is looked at."""

    def __init__(self, rows: Iterable[Entrant | bytes]) -> None:
        self._rows = list(rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, at: int) -> Entrant: ...
    @overload
    def __getitem__(self, at: slice) -> Entrants: ...
    def __getitem__(self, at: int | slice) -> Entrant | Entrants:
        if isinstance(at, slice):
            return self.chosen(range(len(self))[at])
        row = self._rows[at]
        if isinstance(row, bytes):
            row = self._rows[at] = Entrant(*msgpack.unpackb(row))
        return row

    def chosen(self, rows: Iterable[int]) -> Entrants:
        return Entrants(self._rows[i] for i in rows)

    def packed(self) -> list[bytes]:
        return [row if isinstance(row, bytes) else msgpack.packb(row) for row in self._rows]


def entrant_of(
    submission: Submission,
    timed: Mapping[str, float] | None = None,
    told_elements: list[str] | None = None,
    grades: str = "",
) -> Entrant:
    timed = timed or {}
    potential = submission.potential
    date = submission.published_at or submission.created_at
    return Entrant(
        submission=str(submission.pk),
        version=submission.version,
        visibility=submission.visibility,
        calculator_kind=submission.calculator_kind,
        declares_non_conservative=submission.declares_non_conservative,
        elements=submission.supported_elements,
        date=date.date().isoformat(),
        slug=potential.address,
        name=potential.name,
        architecture=potential.architecture,
        licence=potential.licence,
        level_of_theory=potential.level_of_theory,
        training_sets=list(potential.training_sets),
        n_parameters=potential.n_parameters,
        is_baseline=potential.is_baseline,
        team=potential.team.slug if potential.team else "",
        told_elements=told_elements,
        speed=timed.get(SPEED),
        memory=timed.get(MEMORY),
        grades=grades,
        owner=potential.owner.username,
        resembles=potential.resembles,
    )


class Described(Protocol):
    """What filters look at: of an entrant, or of a potential."""

    @property
    def architecture(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def level_of_theory(self) -> str: ...
    @property
    def training_sets(self) -> list[str]: ...


def choices_of(entrants: Sequence[Described]) -> dict[str, list[str]]:
    """What rows may be filtered by, as far as it occurs among them."""
    return {
        "level_of_theory": _texts(
            level.strip() for e in entrants for level in e.level_of_theory.split(",")
        ),
        "licence": _texts(e.licence for e in entrants),
        "architecture": _texts(e.architecture for e in entrants),
        "training_set": _texts(name for e in entrants for name in e.training_sets),
    }


def _texts(values: Iterable[str]) -> list[str]:
    return sorted({text for text in values if text}, key=str.casefold)[:_MAX_CHOICES]
