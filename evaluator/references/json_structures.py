"""Reads structures from JSON: plain lists and numbers, each refusal with the structure's place.

A list of objects, or ``{"structures": [...]}``, each with ``symbols`` (or ``numbers``),
``positions`` in Å, and, where there are, ``cell`` in Å, ``pbc``, ``system_id``, ``family``, energy,
forces and stress under their names, and ``values`` (other numbers by name).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.formula import Formula
from numpy.typing import NDArray

from evaluator.exceptions import SubmissionError
from evaluator.references.electronic_states import is_electronic_name
from evaluator.references.extxyz import UnreadableFrame, check_cell, element_of, shown
from evaluator.references.records import Record, finite_numbers

_OF_STRUCTURE = ("symbols", "numbers", "positions", "cell", "pbc", "values")
_TEXTS = ("system_id", "name", "family", "cluster")
_DEFAULT_NAMES = ("energy", "forces", "stress")
_CONVERT = (
    "Read it with the program that wrote it, and write extended XYZ: "
    "ase.io.write('set.extxyz', list_of_atoms, format='extxyz')."
)
#: Keys that tell whose JSON it is.
_FOREIGN: Mapping[str, str] = {
    "@module": "This is JSON of pymatgen. Turn each structure into atoms "
    "(AseAtomsAdaptor.get_atoms) with its values in atoms.info, and write extended XYZ.",
    "lattice_mat": "This is JSON of JARVIS. " + _CONVERT,
    "nextid": "This is a database of ASE as JSON. Write extended XYZ from it: "
    "ase.io.write('set.extxyz', ase.io.read('FILE.json', index=':'), format='extxyz').",
    "structure": "The structures lie inside the objects, as pymatgen writes them. " + _CONVERT,
    "atoms": "The structures lie inside the objects. " + _CONVERT,
}


def read_json(text: str, names: Collection[str]) -> list[Record]:
    """All structures. ``names`` are those of the reference values. Raises SubmissionError."""
    try:
        content = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except RecursionError as error:
        raise SubmissionError("It cannot be read as JSON: it is nested too deep.") from error
    except ValueError as error:
        raise SubmissionError(f"It cannot be read as JSON: {error}.{_hint(text)}") from error
    rows = content.get("structures") if isinstance(content, dict) else content
    if isinstance(content, dict) and isinstance(rows, list) and len(content) > 1:
        others = ", ".join(name for name in content if name != "structures")
        raise SubmissionError(
            f"Beside structures the file holds {shown(others)}, which would not be read: choose "
            "units in the form, put what belongs to a structure into it, and take the rest away."
        )
    if isinstance(rows, list):
        return [_record(row, f"Structure {i}", names) for i, row in enumerate(rows)]
    if isinstance(content, dict):
        _refuse_foreign(content, "The file")
    raise SubmissionError('JSON must be a list of structures, or {"structures": [...]}.')


def _refuse_constant(name: str) -> float:
    raise ValueError(
        f"{name} is no number of JSON, and no reference value: leave out what is not there"
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{shown(twice)} stands twice in one object")
    return content


def _hint(text: str) -> str:
    beginning = text.lstrip()
    if re.match(r"\d+\s*\n", beginning):
        return " It begins as extended XYZ does: then its name must end with .extxyz."
    if beginning.startswith("{") and re.search(r"\}\s*\n\s*\{", text):
        return " One object a line is not read: put them into a list."
    return ""


def _refuse_foreign(row: Mapping[str, Any], place: str) -> None:
    for key, sentence in _FOREIGN.items():
        if key in row and "positions" not in row:
            raise SubmissionError(f"{place} holds {key!r}. {sentence}")


def _record(row: Any, place: str, names: Collection[str]) -> Record:  # noqa: ANN401
    if not isinstance(row, dict):
        raise SubmissionError(f"{place} must be a JSON object, not {shown(json.dumps(row))}.")
    _refuse_foreign(row, place)
    known = {*_OF_STRUCTURE, *_TEXTS, *_DEFAULT_NAMES, "charge", "spin", "migrating", *names}
    if unknown := sorted(n for n in set(row) - known if not is_electronic_name(n)):
        raise SubmissionError(
            f"{place} has {shown(', '.join(unknown))}; known are {', '.join(sorted(known))}"
            ". Other numbers belong into values; energy, forces and stress of another name must "
            "be named."
        )
    values = row.get("values", {})
    if not isinstance(values, dict):
        raise SubmissionError(
            f"{place}: values must be an object, not {shown(json.dumps(values))}."
        )
    top = {key: value for key, value in row.items() if key not in _OF_STRUCTURE}
    if twice := sorted(set(top) & set(values)):
        raise SubmissionError(f"{place}: {shown(', '.join(twice))} stands beside values and in it.")
    return Record(place=place, atoms=_atoms(row, place), values={**values, **top})


def _atoms(row: Mapping[str, Any], place: str) -> Atoms:
    positions = _positions(row, place)
    numbers = _elements(row, place, len(positions))
    cell = _cell(row.get("cell"), place)
    # Vectors that are zero are open, as in extended XYZ.
    given = row.get("pbc")
    pbc = _pbc([bool(vector.any()) for vector in cell] if given is None else given, place)
    check_cell(cell, pbc, place)
    return Atoms(numbers, positions, cell=cell, pbc=pbc)


def _positions(row: Mapping[str, Any], place: str) -> NDArray[np.float64]:
    if "positions" not in row:
        raise SubmissionError(f"{place}: positions are missing.")
    positions = finite_numbers(row["positions"])
    if positions is None or positions.ndim != 2 or positions.shape[1] != 3:
        raise SubmissionError(f"{place}: positions must be three finite numbers for each atom.")
    return positions


def _elements(row: Mapping[str, Any], place: str, n_atoms: int) -> list[int]:
    symbols, numbers = row.get("symbols"), row.get("numbers")
    if (symbols is None) == (numbers is None):
        raise SubmissionError(f"{place}: give symbols or numbers, one of them.")
    if isinstance(symbols, str):
        symbols = _symbols_of(symbols, place, n_atoms)
    given = numbers if symbols is None else symbols
    if not isinstance(given, list) or len(given) != n_atoms:
        n_given = len(given) if isinstance(given, list) else "no list of"
        raise SubmissionError(f"{place}: {n_given} elements for {n_atoms} positions.")
    element = _element_numbered if symbols is None else _element_called
    return [element(value, place) for value in given]


def _element_called(symbol: object, place: str) -> int:
    if not isinstance(symbol, str):
        raise SubmissionError(f"{place}: {shown(str(symbol))} is no symbol: use numbers.")
    return element_of(symbol, place)


def _element_numbered(number: object, place: str) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 118:
        raise SubmissionError(f"{place}: an atomic number is 1 to 118, not {shown(str(number))}.")
    return number


def _symbols_of(formula: str, place: str, n_atoms: int) -> list[str]:
    """The symbols of a formula, in its order: H2O is H, H, O."""
    try:
        read = Formula(formula[:1000])
        if len(read) == n_atoms:
            return list(read)
    except (ValueError, RecursionError, KeyError, IndexError, OverflowError) as error:
        raise SubmissionError(f"{place}: {shown(formula)} is no formula.") from error
    raise SubmissionError(f"{place}: {shown(formula)} has {len(read)} atoms, not {n_atoms}.")


def _cell(given: Any, place: str) -> NDArray[np.float64]:  # noqa: ANN401
    """Three vectors, three lengths, or three lengths and three angles in degrees."""
    if given is None:
        return np.zeros((3, 3))
    numbers = finite_numbers(given)
    if numbers is None or numbers.shape not in ((3, 3), (3,), (6,)):
        raise SubmissionError(f"{place}: cell must be three vectors, or three lengths in Å.")
    if numbers.shape == (6,) and not _is_cellpar(numbers):
        raise SubmissionError(f"{place}: lengths and angles of the cell make none: {given}.")
    return np.asarray(Atoms(cell=numbers).cell.array)


def _is_cellpar(numbers: NDArray[np.float64]) -> bool:
    cosines = np.cos(np.radians(numbers[3:]))
    squared_volume = 1 + 2 * cosines.prod() - (cosines**2).sum()
    return bool((numbers[:3] > 0).all() and squared_volume > 1e-8 and (numbers[3:] > 0).all())


def _pbc(given: Any, place: str) -> tuple[bool, bool, bool]:  # noqa: ANN401
    if isinstance(given, bool):
        return given, given, given
    if isinstance(given, list) and len(given) == 3 and all(value in (0, 1) for value in given):
        a, b, c = (bool(value) for value in given)
        return a, b, c
    raise UnreadableFrame(f"{place}: pbc must be true, false or three of them.")
