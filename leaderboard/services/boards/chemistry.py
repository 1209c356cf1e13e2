"""A chemistry that a reader names: elements, or a family that elements alone tell."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass

from evaluator.catalog.elements import SYMBOLS
from leaderboard.services.boards.filters import read_elements

_METALLOIDS = frozenset(["B", "Si", "Ge", "As", "Sb", "Te"])
_HALOGENS = frozenset(["F", "Cl", "Br", "I"])
_ORGANIC = _HALOGENS | {"H", "C", "N", "O", "P", "S"}
_NON_METALS = _ORGANIC | {"He", "Ne", "Ar", "Se", "Kr", "Xe", "At", "Rn", "Ts", "Og"}
_METALS = frozenset(SYMBOLS) - _METALLOIDS - _NON_METALS


def _holds_metal(elements: Set[str]) -> bool:
    return not elements.isdisjoint(_METALS | _METALLOIDS)


@dataclass(frozen=True)
class Family:
    #: What its systems are made of, for readers.
    words: str
    holds: Callable[[Set[str]], bool]


#: Molecules are none: the elements do not tell them from crystals.
FAMILIES = {
    "metals": Family("metallic elements alone", lambda e: e <= _METALS),
    "oxides": Family(
        "oxygen and at least one metal or metalloid", lambda e: "O" in e and _holds_metal(e)
    ),
    "nitrides": Family(
        "nitrogen and at least one metal or metalloid, without oxygen",
        lambda e: "N" in e and "O" not in e and _holds_metal(e),
    ),
    "halides": Family(
        "F, Cl, Br or I and at least one metal or metalloid, without oxygen",
        lambda e: bool(e & _HALOGENS) and "O" not in e and _holds_metal(e),
    ),
    "organics": Family(
        "carbon and hydrogen, and nothing beyond N, O, F, P, S, Cl, Br, I",
        lambda e: {"C", "H"} <= e <= _ORGANIC,
    ),
}


@dataclass(frozen=True)
class Chemistry:
    """Either a family or elements, in order of atomic number."""

    family: str = ""
    elements: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.family or ",".join(self.elements)

    @property
    def words(self) -> str:
        """What a system must be made of."""
        if self.family:
            return FAMILIES[self.family].words
        return f"{', '.join(self.elements)} alone"

    def holds(self, elements: Set[str]) -> bool:
        """Whether a system of these elements belongs to it; one of unknown elements never does."""
        if not elements:
            return False
        if self.family:
            return FAMILIES[self.family].holds(elements)
        return elements <= set(self.elements)


def read_chemistry(text: str) -> Chemistry:
    """Read Si,O (or Si-O) or a family such as oxides. Raises ValueError."""
    word = text.strip().casefold()
    if word in FAMILIES:
        return Chemistry(family=word)
    try:
        elements = read_elements(text)
    except ValueError as error:
        raise ValueError(f"{error} Families are {', '.join(FAMILIES)}.") from error
    if not elements:
        raise ValueError(f"must name elements, as Si,O, or one of {', '.join(FAMILIES)}.")
    return Chemistry(elements=tuple(sorted(elements, key=SYMBOLS.index)))


def elements_of(text: str) -> frozenset[str]:
    """Read a system's elements as its table keeps them: Cl-Na."""
    return frozenset(text.split("-")) - {""}
