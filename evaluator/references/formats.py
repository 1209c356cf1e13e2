"""Reads structures with reference values from a file that somebody uploaded.

Extended XYZ and JSON, both text: nothing is unpickled and nothing is run. Everything is turned into
the canonical form, as the ``Convention`` says.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from numpy.typing import NDArray

from evaluator.exceptions import SubmissionError
from evaluator.protocols.base import SAME_PLACE_A
from evaluator.references.checks import shortest_distance
from evaluator.references.conventions import (
    FORCE_UNITS,
    Convention,
    NotSo,
    canonical_energy,
    canonical_stress,
)
from evaluator.references.electronic_states import take_electronic_state
from evaluator.references.extxyz import CONVERSION, Frame, numbers_in, read_frames, shown
from evaluator.references.foreign_files import text_of
from evaluator.references.json_structures import read_json
from evaluator.references.lookalikes import check_names
from evaluator.references.records import Record, finite_numbers
from evaluator.references.unread import RESERVED, TEXTS

_SUFFIXES = (".extxyz", ".xyz", ".json")
#: Beyond these nothing of the field lies, and numbers overflow where they are squared.
_LARGEST, _LARGEST_A = 1e15, 1e7
_NO_VALUES = frozenset({"", "nan", "inf", "none", "null", "n/a"})
#: A number with a unit behind it.
_WITH_UNIT = re.compile(r"\s*[+-]?[\d.,]+(?:[eEdD][+-]?\d+)?\s*[^\W\d_]\D*\d?")


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadFile:
    """The structures of a file, as it has them and in the canonical form, in the same order."""

    records: Sequence[Record]
    frames: Sequence[Atoms]
    #: What is to be known of the file as a whole.
    notes: Sequence[str] = ()


def read_file(path: Path, convention: Convention) -> ReadFile:
    """Read a file of extended XYZ or JSON; the text tells which.

    Each structure has its own calculator with the values of the file, in canonical units, and text
    as ``system_id`` and ``family``. Raises SubmissionError, naming the place in the file.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise SubmissionError(
            f"Its name must end with {', '.join(_SUFFIXES)}: extended XYZ or JSON. What else ASE "
            f"reads it converts: {CONVERSION}."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SubmissionError(f"{path} cannot be read: {error.strerror}.") from error
    records = _records(text_of(content), path.suffix.lower(), convention)
    if not records:
        raise SubmissionError("The file holds no structure.")
    check_names(records, convention)
    named, notes = _named(records)
    frames = [_canonical(record, i, convention) for i, record in enumerate(named)]
    _check_that_names_differ(named, frames)
    return ReadFile(records=named, frames=frames, notes=notes)


def _named(records: Sequence[Record]) -> tuple[Sequence[Record], list[str]]:
    """Take the value ``name`` for the system_id of structures that have none of their own.

    Of the whole file or not at all: the names must tell the structures apart.
    """
    is_bare = [not str(r.values.get("system_id", "")).strip() for r in records]
    names = {
        i: _plain(r.values["name"])
        for i, r in enumerate(records)
        if is_bare[i] and isinstance(r.values.get("name"), str) and _plain(r.values["name"])
    }
    if not names:
        return records, []
    if len(names) < sum(is_bare):
        n_without = sum(is_bare) - len(names)
        return records, [f"name is not used as system_id: {n_without} structures have none."]
    own = (_plain(r.values["system_id"]) for i, r in enumerate(records) if not is_bare[i])
    name, n_times = Counter([*names.values(), *own]).most_common(1)[0]
    if n_times > 1:
        return records, [f"name is not used as system_id: {n_times} structures are named {name}."]
    named = [
        replace(r, values={**r.values, "system_id": names[i]}) if is_bare[i] else r
        for i, r in enumerate(records)
    ]
    return named, ["name is used as system_id."]


def _check_that_names_differ(records: Sequence[Record], frames: Sequence[Atoms]) -> None:
    places: dict[str, str] = {}
    for record, frame in zip(records, frames, strict=True):
        name = frame.info["system_id"]
        first = places.setdefault(name, record.place)
        if first != record.place:
            raise SubmissionError(
                f"Two structures are named {name} (system_id): {first}; and {record.place}. Give "
                "each a name of its own, or none any."
            )


def _records(text: str, suffix: str, convention: Convention) -> list[Record]:
    if suffix == ".json" or text.lstrip()[:1] in ("[", "{"):
        return read_json(text, convention.names.values())
    return [_record(frame) for frame in read_frames(text)]


def _record(frame: Frame) -> Record:
    values = {name: text if name in TEXTS else _value(text) for name, text in frame.info.items()}
    if twice := sorted(set(values) & set(frame.columns)):
        raise SubmissionError(f"{frame.place}: {twice[0]} is a value and a column at once.")
    return Record(
        place=frame.place,
        atoms=Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc),
        values=values,
        columns=frame.columns,
        notes=frame.notes,
    )


def _value(text: str) -> Any:  # noqa: ANN401  (a number, numbers, or the text itself)
    numbers = numbers_in(text)
    if numbers is None:
        return text
    return float(numbers[0]) if numbers.shape == (1,) else numbers


def _canonical(record: Record, index: int, convention: Convention) -> Atoms:
    atoms, place = record.atoms, record.place
    extent_A = float(np.abs(np.vstack([atoms.positions, atoms.cell.array])).max())
    if not extent_A < _LARGEST_A:
        raise SubmissionError(f"{place}: positions or cell of {extent_A:.3g} Å. Are they in Å?")
    nearest = shortest_distance(atoms, SAME_PLACE_A)
    if nearest is not None:
        raise SubmissionError(
            f"{place}: two atoms lie in one place, {nearest:.2g} Å apart. Are the positions in Å, "
            "and not fractions of the cell?"
        )
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    results: dict[str, Any] = {}
    energy = _of_structure(record, convention.energy_name)
    if energy is not None:
        if energy.size != 1:
            raise SubmissionError(
                f"{place}: {convention.energy_name} must be one number, not {energy.size}. Is "
                "there a comma for a decimal point?"
            )
        results["energy"] = canonical_energy(float(energy.reshape(())), len(atoms), convention)
    forces = _forces(record, convention)
    if forces is not None:
        results["forces"] = forces
    stress = _stress(record, convention)
    if stress is not None:
        results["stress"] = stress
    for name, numbers in results.items():
        largest = float(np.abs(numbers).max())
        if not largest < _LARGEST:
            raise SubmissionError(
                f"{place}: {name} is {largest:.3g} in eV and Å. Is the unit right?"
            )
    marks = record.columns.get("migrating", record.values.get("migrating"))
    if marks is not None:
        bare.set_array("migrating", _marks(marks, len(atoms), place))
    used = {*convention.names.values(), "migrating"}
    others = {k: v for k, v in record.values.items() if k not in used | RESERVED}
    rest = _plainly_named(others, place)
    state = take_electronic_state(rest, place)
    bare.info = {**_kept(rest, index), **state}
    bare.calc = SinglePointCalculator(bare, **results)
    return bare


def _of_structure(record: Record, name: str) -> NDArray[np.float64] | None:
    if name in record.columns:
        raise SubmissionError(
            f"{record.place}: {name} is a column; it belongs to the whole structure: give it as a "
            "value of the comment line."
        )
    return _numbers(record.values.get(name), name, record.place)


def _numbers(value: Any, name: str, place: str) -> NDArray[np.float64] | None:  # noqa: ANN401
    """The numbers of a value that is there. Raises SubmissionError with the text found."""
    if value is None:
        return None
    numbers = finite_numbers(value)
    if numbers is not None:
        return numbers
    text = value if isinstance(value, str) else repr(value)
    advice = "Give plain numbers."
    if {word.strip("+-[],") for word in text.lower().split()} <= _NO_VALUES:
        advice = "Leave the name out where there is no value."
    elif _WITH_UNIT.fullmatch(text):
        advice = "Take the unit away, and choose it as the file's unit."
    elif re.search(r"\d,\d", text):
        advice = "Write decimal points, not commas."
    raise SubmissionError(
        f"{place}: {name} is {shown(text)}, not a finite number everywhere. {advice}"
    )


def _forces(record: Record, convention: Convention) -> NDArray[np.float64] | None:
    name, shape = convention.forces_name, (len(record.atoms), 3)
    column = record.columns.get(name)
    if column is not None:
        if column.shape != shape or column.dtype.kind not in "if":
            raise SubmissionError(
                f"{record.place}: the column {name} must be three numbers for each atom."
            )
        numbers = column.astype(float)
    else:
        given = _numbers(record.values.get(name), name, record.place)
        if given is None:
            return None
        if given.shape == (3,) and shape == (1, 3):
            given = given.reshape(shape)
        if given.shape != shape:
            raise SubmissionError(
                f"{record.place}: forces must have the shape {shape}, not {given.shape}."
            )
        numbers = given
    return np.asarray(numbers * FORCE_UNITS[convention.force_unit])


def _stress(record: Record, convention: Convention) -> NDArray[np.float64] | None:
    numbers = _of_structure(record, convention.stress_name)
    if numbers is None:
        return None
    has_volume = np.linalg.matrix_rank(record.atoms.cell.array) == 3
    volume = record.atoms.get_volume() if has_volume else None
    try:
        return canonical_stress(numbers, volume, convention)
    except NotSo as error:
        raise SubmissionError(f"{record.place}: {convention.stress_name} {error}.") from error


def _marks(value: Any, n_atoms: int, place: str) -> NDArray[np.bool_]:  # noqa: ANN401
    """A truth value for each atom. Raises SubmissionError."""
    try:
        marks = np.asarray(value)
    except ValueError:  # a ragged list
        marks = np.empty(0)
    if marks.dtype.kind != "b" or marks.shape != (n_atoms,):
        raise SubmissionError(f"{place}: migrating must be T or F for each atom (migrating:L:1).")
    return marks


def _plainly_named(info: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Values by the names that the canonical file has for them.

    Raises SubmissionError where numbers of two names would come under one.
    """
    values: dict[str, Any] = {}
    given: dict[str, str] = {}
    for name, value in info.items():
        plain = name if name in TEXTS else _plain(name)
        if not plain or (plain != name and plain in TEXTS | RESERVED):
            continue
        has_numbers = finite_numbers(value) is not None
        if has_numbers and plain in given:
            raise SubmissionError(
                f"{place}: {shown(given[plain])} and {shown(name)} would both be named {plain}, "
                "since blanks, signs and brackets have a meaning in the canonical file. Rename one."
            )
        if has_numbers:
            given[plain] = name
        if has_numbers or plain not in given:
            values[plain] = value
    return values


def _kept(info: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Names and other numbers; texts and the like tell nothing that could be compared."""
    values: dict[str, Any] = {}
    for name, value in info.items():
        numbers = finite_numbers(value)
        if numbers is not None and name not in TEXTS:
            values[name] = float(numbers) if numbers.ndim == 0 else numbers
    name = _plain(info.get("system_id", ""))
    # Words in front: extended XYZ would read digits back as a number.
    values["system_id"] = f"structure-{name or index + 1}" if _is_numeric(name or "0") else name
    family = _plain(info.get("family", info.get("config_type", "")))
    values["family"] = f"family-{family}" if _is_numeric(family) else family
    if not values["family"]:
        del values["family"]
    cluster = _plain(info.get("cluster", ""))
    if cluster:
        values["cluster"] = f"cluster-{cluster}" if _is_numeric(cluster) else cluster
    return values


def _plain(name: object) -> str:
    """As a name in extended XYZ: no blanks, quotes or brackets, which have a meaning there."""
    return re.sub(r"[^\w.+/-]+", "_", str(name).strip())[:200]


def _is_numeric(text: str) -> bool:
    """Whether extended XYZ would read it as a number or a truth value."""
    if text in {"T", "F", "True", "False", "true", "false"}:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True
