"""Which rows of a board a reader wants to see. Ranks stay those of the whole board."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from evaluator.catalog.elements import SYMBOLS
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.boards.licences import is_open


@dataclass(frozen=True, kw_only=True)
class BoardFilter:
    """Every condition that is given must hold; texts are compared without regard to case."""

    elements: tuple[str, ...] = ()
    level_of_theory: str = ""
    training_set: str = ""
    licence: str = ""
    architecture: str = ""
    team: str = ""
    hardware: str = ""
    min_parameters: int | None = None
    max_parameters: int | None = None
    open_weights: bool | None = None
    conservative: bool | None = None
    #: Somewhere in name, version, architecture, licence, training sets or level of theory.
    text: str = ""

    def accepts_row(self, entrant: Entrant, hardware: Iterable[str]) -> bool:
        """Judge a row by its entrant and by what its cells were evaluated on, described."""
        return (
            # What a checkpoint alone tells is not claimed here.
            set(self.elements) <= set(entrant.elements or ())
            and self._has_size(entrant.n_parameters)
            and is_among(self.level_of_theory, entrant.level_of_theory.split(","))
            and is_among(self.training_set, entrant.training_sets)
            and is_among(self.licence, [entrant.licence])
            and is_among(self.architecture, [entrant.architecture])
            and is_among(self.team, [entrant.team])
            and self.open_weights in {None, is_open(entrant.licence)}
            and self.conservative in {None, not entrant.declares_non_conservative}
            and self.text.strip().casefold() in _words(entrant)
            and self._has_hardware(hardware)
        )

    def _has_size(self, n_parameters: int | None) -> bool:
        if self.min_parameters is None and self.max_parameters is None:
            return True
        if n_parameters is None:
            return False
        low, high = self.min_parameters or 0, self.max_parameters
        return low <= n_parameters and (high is None or n_parameters <= high)

    def _has_hardware(self, hardware: Iterable[str]) -> bool:
        """Whether a cell was evaluated on hardware whose description holds the text."""
        wanted = self.hardware.casefold()
        return not wanted or any(wanted in text.casefold() for text in hardware)


EVERY_ROW = BoardFilter()


def read_elements(text: str) -> tuple[str, ...]:
    """Chemical symbols as readers write them: Si,O or Si O or Si-O. Raises ValueError."""
    symbols = tuple(dict.fromkeys(filter(None, re.split(r"[\s,;-]+", text))))
    if unknown := [symbol for symbol in symbols if symbol not in SYMBOLS]:
        raise ValueError(f"{unknown[0][:20]!r} is no chemical symbol. Write Li, P, S.")
    return symbols


def read_count(text: str) -> int:
    """A whole number; 5M and 200k are taken too. Raises ValueError."""
    written = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([kMG]?)", text.strip())
    if written is None:
        raise ValueError("must be a number like 250000, 250k or 5M.")
    return round(float(written[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[written[2]])


def read_yes_or_no(text: str) -> bool:
    """1 or 0, also as true, yes, on, false, no or off. Raises ValueError."""
    known = {"1": True, "true": True, "yes": True, "on": True}
    known |= {"0": False, "false": False, "no": False, "off": False}
    if text.strip().lower() not in known:
        raise ValueError("must be 1 or 0.")
    return known[text.strip().lower()]


def is_among(wanted: str, present: Iterable[str]) -> bool:
    """Without regard to case; everything is among what was not asked for."""
    return not wanted or wanted.strip().casefold() in {text.strip().casefold() for text in present}


def _words(entrant: Entrant) -> str:
    parts = (
        *(entrant.name, entrant.slug, entrant.version, entrant.architecture),
        *(entrant.licence, entrant.level_of_theory, *entrant.training_sets),
    )
    return " ".join(parts).casefold()
