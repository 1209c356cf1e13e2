"""Artifacts that are a few numbers in a JSON file: what may stand in them, and what they say.

Standard library only. Adapters read their file by this in the sandbox; command line and service
ask it before anything is registered: no code of a submitter runs, and nothing is unpacked.

``ase``: ``{"calculator": "emt"}``, ``{"calculator": "tersoff", "element": "Si"}`` or
``{"calculator": "lj", "sigma_A": {"Ar": 3.4}, "epsilon_eV": {"Ar": 0.0104}, "cutoff_A": 10.2,
"smooth": true}``, where ``epsilon_eV`` may be one number for all and ``cutoff_A`` defaults to
three σ of each pair. ``dummy``: ``{"energy_per_atom_eV": {"Si": -5.4}, "default_eV": 0}``.
``xtb``: ``{"method": "GFN2-xTB", "electronic_temperature_K": 300, "accuracy": 1}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

MOST_BYTES = 2**20
#: Characters of a name or a value that a refusal tells.
_MOST_TOLD = 60
#: Of Tersoff's potentials those whose numbers are known.
TERSOFF_ELEMENTS = ("Si", "Ge")
XTB_METHODS = ("GFN2-xTB", "GFN1-xTB", "IPEA1-xTB")


class JsonFault(ValueError):
    """What the file says is not what its kind takes; one sentence without its full stop."""


class NotReadable(JsonFault):
    """It is no JSON object, or too large to be one of a few numbers."""


@dataclass(frozen=True)
class Emt:
    """ASE's EMT, which takes no numbers."""


@dataclass(frozen=True)
class Tersoff:
    element: str


@dataclass(frozen=True, kw_only=True)
class LennardJones:
    """σ in Å and ε in eV by chemical symbol; ``cutoff_A`` None for three σ of each pair."""

    sigma_A: Mapping[str, float]
    epsilon_eV: Mapping[str, float]
    cutoff_A: float | None
    smooth: bool


@dataclass(frozen=True, kw_only=True)
class Dummy:
    """Mean energies by chemical symbol, and that of every other element; None for no other."""

    energy_per_atom_eV: Mapping[str, float]
    default_eV: float | None


@dataclass(frozen=True, kw_only=True)
class Xtb:
    """A tight-binding method, its electrons' temperature, and how tightly it converges."""

    method: str
    electronic_temperature_K: float
    accuracy: float


AseFile: TypeAlias = Emt | Tersoff | LennardJones


def fault_of(kind: str, content: bytes, symbols: Collection[str]) -> str:
    """What is wrong with a file of a kind; empty where nothing is, or the kind is no JSON file."""
    reader = _READERS.get(kind)
    if reader is None:
        return ""
    try:
        reader(content, symbols)
    except JsonFault as fault:
        return str(fault)
    return ""


def is_json_kind(kind: str) -> bool:
    return kind in _READERS


def read_ase(content: bytes, symbols: Collection[str]) -> AseFile:
    """One of ASE's potentials with its numbers; ``symbols`` are all there are. Raises JsonFault."""
    values = _read_object(content)
    name = values.pop("calculator", None)
    if not isinstance(name, str) or name not in _ASE:
        raise JsonFault(f'"calculator" must be one of {", ".join(_ASE)}, not {_told(name)}')
    return _ASE[name](values, symbols)


def read_dummy(content: bytes, symbols: Collection[str]) -> Dummy:
    """Mean energies; ``symbols`` are all there are. Raises JsonFault."""
    values = _read_object(content)
    _check_names(values, ("energy_per_atom_eV", "default_eV"), "a dummy")
    energies = _by_element(values.get("energy_per_atom_eV", {}), "energy_per_atom_eV", symbols)
    default = values.get("default_eV")
    if default is not None:
        default = _number(default, "default_eV")
    elif not energies:
        raise JsonFault("give energy_per_atom_eV, or default_eV for all elements")
    return Dummy(energy_per_atom_eV=energies, default_eV=default)


def read_xtb(content: bytes, symbols: Collection[str]) -> Xtb:
    """A method of tblite with its numbers. Raises JsonFault."""
    values = _read_object(content)
    _check_names(values, ("method", "electronic_temperature_K", "accuracy"), "xtb")
    method = values.get("method")
    if not isinstance(method, str) or method not in XTB_METHODS:
        raise JsonFault(f'"method" must be one of {", ".join(XTB_METHODS)}, not {_told(method)}')
    temperature = values.get("electronic_temperature_K", 300)
    accuracy = values.get("accuracy", 1)
    return Xtb(
        method=method,
        electronic_temperature_K=_number(temperature, "electronic_temperature_K", is_positive=True),
        accuracy=_number(accuracy, "accuracy", is_positive=True),
    )


_READERS: dict[str, Callable[[bytes, Collection[str]], object]] = {
    "ase": read_ase,
    "dummy": read_dummy,
    "xtb": read_xtb,
}


def _emt(values: Mapping[str, Any], symbols: Collection[str]) -> Emt:
    _check_names(values, (), "emt")
    return Emt()


def _tersoff(values: Mapping[str, Any], symbols: Collection[str]) -> Tersoff:
    _check_names(values, ("element",), "tersoff")
    element = values.get("element")
    if not isinstance(element, str) or element not in TERSOFF_ELEMENTS:
        known = ", ".join(TERSOFF_ELEMENTS)
        raise JsonFault(f'tersoff: "element" must be one of {known}, not {_told(element)}')
    return Tersoff(element)


def _lj(values: Mapping[str, Any], symbols: Collection[str]) -> LennardJones:
    _check_names(values, ("sigma_A", "epsilon_eV", "cutoff_A", "smooth"), "lj")
    sigma = _by_element(values.get("sigma_A"), "sigma_A", symbols, is_positive=True)
    epsilon = values.get("epsilon_eV")
    if not isinstance(epsilon, dict):
        epsilon = dict.fromkeys(sigma, _number(epsilon, "epsilon_eV", is_positive=True))
    epsilon = _by_element(epsilon, "epsilon_eV", symbols, is_positive=True)
    if not sigma or set(sigma) != set(epsilon):
        raise JsonFault("lj: sigma_A and epsilon_eV must be given for the same elements")
    cutoff = values.get("cutoff_A")
    if cutoff is not None:
        cutoff = _number(cutoff, "cutoff_A", is_positive=True)
    smooth = values.get("smooth", False)
    if not isinstance(smooth, bool):
        raise JsonFault(f"smooth must be true or false, not {_told(smooth)}")
    return LennardJones(sigma_A=sigma, epsilon_eV=epsilon, cutoff_A=cutoff, smooth=smooth)


_ASE: dict[str, Callable[[dict[str, Any], Collection[str]], AseFile]] = {
    "emt": _emt,
    "lj": _lj,
    "tersoff": _tersoff,
}


def _read_object(content: bytes) -> dict[str, Any]:
    """A JSON object; anything else is refused, an object that has a key twice too."""
    if len(content) > MOST_BYTES:
        raise NotReadable("the file is larger than 1 MiB; a JSON of a few numbers is expected")
    try:
        value = json.loads(content, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:  # JSON and UTF-8 errors are ValueErrors
        raise NotReadable(f"the file is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotReadable(f"the JSON must be an object, not {type(value).__name__}")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    by_key = dict(pairs)
    if len(by_key) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return by_key


def _check_names(values: Mapping[str, Any], known: Collection[str], what: str) -> None:
    if unknown := sorted(set(values) - set(known)):
        takes = f"known are {', '.join(known)}" if known else "it takes none"
        named = ", ".join(name if _is_short_word(name) else _told(name) for name in unknown[:5])
        raise JsonFault(f"{what} has no parameter {named}; {takes}")


def _number(value: object, name: str, *, is_positive: bool = False) -> float:
    """A finite number."""
    try:
        number = float(value) if type(value) in (int, float) else math.nan  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise JsonFault(f"{name} must be a number, not {_told(value)}")
    if is_positive and number <= 0:
        raise JsonFault(f"{name} must be positive, not {_told(value)}")
    return number


def _by_element(
    value: object, name: str, symbols: Collection[str], *, is_positive: bool = False
) -> dict[str, float]:
    """Finite numbers by chemical symbol."""
    if not isinstance(value, dict):
        raise JsonFault(
            f"{name} must be an object of numbers by chemical symbol, not {_told(value)}"
        )
    strange = [symbol for symbol in value if symbol not in symbols]
    if strange:
        raise JsonFault(f"{name}: {_told(strange[0])} is no chemical symbol")
    return {s: _number(v, f"{name} of {s}", is_positive=is_positive) for s, v in value.items()}


def _is_short_word(name: str) -> bool:
    return name.isidentifier() and len(name) <= _MOST_TOLD


def _told(value: object) -> str:
    """A value as it was read, shortened: what a file holds may be long."""
    text = repr(value)
    return text if len(text) <= _MOST_TOLD else f"{text[: _MOST_TOLD - 1]}…"
