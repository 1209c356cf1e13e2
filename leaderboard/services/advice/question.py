"""What somebody who looks for a potential wants to simulate, read from a query string.

The page /choose/ and the API read the same names, so that an address of one is one of the other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluator.catalog.elements import SYMBOLS
from leaderboard.exceptions import SubmissionError
from leaderboard.services.boards.rules import WEIGHT_PREFIX, weights_from_query

_NUMBER = {symbol: n for n, symbol in enumerate(SYMBOLS)}
_MAX_TEXT = 200

#: Instead of a name of hardware: the most often timed GPU, the most often timed processor.
ANY_GPU, ANY_CPU = "gpu", "cpu"
OPEN, ANY = "open", "any"
PS_PER_UNIT = {"ps": 1.0, "ns": 1000.0}


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """A simulation, and what counts. Defaults are those of an empty form."""

    #: Chemical symbols by atomic number; empty: any.
    elements: tuple[str, ...] = ()
    n_atoms: int = 1000
    duration: float = 100.0
    duration_unit: str = "ps"
    timestep_fs: float = 1.0
    temperature_K: float | None = None
    #: A name that was timed, ANY_GPU, ANY_CPU, or empty: the most often timed.
    hardware: str = ""
    #: What the device has; None: what is known of it.
    memory_GiB: float | None = None
    max_hours: float | None = None
    #: OPEN or ANY.
    licence: str = ANY
    level_of_theory: str = ""
    #: Instead of a category's own weight in the overall score.
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def duration_ps(self) -> float:
        return self.duration * PS_PER_UNIT[self.duration_unit]

    @property
    def n_steps(self) -> float:
        return 1000.0 * self.duration_ps / self.timestep_fs


#: Name -> least, most, whether the least itself is allowed.
_RANGES: dict[str, tuple[float, float, bool]] = {
    "n_atoms": (1, 1e9, True),
    "duration": (0, 1e9, False),
    "timestep_fs": (0.01, 100, True),
    "temperature_K": (0, 1e5, True),
    "memory_GiB": (0, 1e6, False),
    "max_hours": (0, 1e7, False),
}
_CHOICES = {"duration_unit": tuple(PS_PER_UNIT), "licence": (ANY, OPEN)}
NAMES = ("elements", "hardware", "level_of_theory", *_RANGES, *_CHOICES)


def wishes_from_query(query: Mapping[str, str]) -> Wishes:
    """Read a query string; empty fields are as if left out. Unknown names are not looked at.

    Raises SubmissionError with a sentence for each bad field.
    """
    errors: dict[str, str] = {}
    wishes: dict[str, object] = {}
    given = {name: query.get(name, "").strip() for name in NAMES}
    for name, text in given.items():
        if not text:
            continue
        try:
            wishes[name] = _read(name, text)
        except ValueError as error:
            errors[name] = str(error)
    try:
        wishes["weights"] = weights_from_query(
            {name: text for name, text in query.items() if name.startswith(WEIGHT_PREFIX)}
        )
    except SubmissionError as error:
        errors |= error.errors
    if errors:
        raise SubmissionError(errors)
    return Wishes(**wishes)  # type: ignore[arg-type]


def elements_of(text: str) -> tuple[str, ...]:
    """Symbols of "Li,P,S", "Li-P-S", "Li P S" or "Li3PS4", by atomic number.

    >>> elements_of("S-Li P")
    ('Li', 'P', 'S')
    """
    if not re.fullmatch(r"(?:[A-Z][a-z]?[0-9.]*|[\s,;()+-])+", text):
        raise ValueError(f"Write elements as symbols, such as Li,P,S; {text[:40]!r} is not clear.")
    symbols = set(re.findall(r"[A-Z][a-z]?", text))
    if unknown := sorted(symbols - set(SYMBOLS)):
        raise ValueError(f"There is no element {', '.join(unknown[:5])}.")
    return tuple(sorted(symbols, key=_NUMBER.__getitem__))


def _read(name: str, text: str) -> object:
    if len(text) > _MAX_TEXT or "\x00" in text:
        raise ValueError(f"At most {_MAX_TEXT} plain characters are read here.")
    if name == "elements":
        return elements_of(text)
    if name in _CHOICES:
        if text not in _CHOICES[name]:
            raise ValueError(f"{text[:40]!r} is none of {', '.join(_CHOICES[name])}.")
        return text
    if name in _RANGES:
        return _number(name, text)
    return text


def _number(name: str, text: str) -> float | int:
    least, most, is_allowed = _RANGES[name]
    value = _count(text) if name == "n_atoms" else _float(text)
    if not (least <= value <= most) or (value == least and not is_allowed):
        above = "from" if is_allowed else "above"
        raise ValueError(
            f"{text[:40]!r} must be a number {above} {least:.10g}, at most {most:.10g}."
        )
    if name != "n_atoms":
        return value
    if value != int(value):
        raise ValueError(f"{text[:40]!r} must be a whole number of atoms.")
    return int(value)


def _float(text: str) -> float:
    """NaN for what is no number, and for Python's 1_000."""
    try:
        return math.nan if "_" in text else float(text)
    except ValueError:
        return math.nan


def _count(text: str) -> float:
    """Read large numbers as people write them: 10000, 10,000, 10 000, 10k, 1.5M, 1e4."""
    match = re.fullmatch(r"(\d{1,3}(?:[, \u00a0\u202f]\d{3})+|[^, ]+?)\s?([kM]?)", text)
    if match is None:
        return math.nan
    digits = re.sub(r"[, \u00a0\u202f]", "", match[1])
    return _float(digits) * {"": 1, "k": 1e3, "M": 1e6}[match[2]]
