"""A strict reader of extended XYZ: the boundary where files of strangers become numbers.

It reads what the format's specification allows and guesses nothing: every line of the file belongs
to a frame (or is blank between two), every column to a name in Properties, and every number is
read whole.
Whatever does not fit is refused with frame, line and the text that was there. ASE's reader stops
without a word at a blank line, drops columns that nobody names and makes text of numbers that it
cannot read; a checker before it would have to read everything that is read here.

Lengths are in Å. Nothing is converted; conventions are the business of ``formats``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import NDArray

from evaluator.exceptions import SubmissionError
from evaluator.protocols.base import is_flat

_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eEdD][+-]?\d{1,4})?", re.ASCII)
#: Where blanks part the numbers, this may be one with a decimal comma.
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eEdD][+-]?\d+)?,?", re.ASCII)
_LABEL = re.compile(r"([A-Z][a-z]?)\d+", re.ASCII)
_TRUTH = {"T": True, "F": False, "1": True, "0": False, "true": True, "false": False} | {
    "True": True,
    "False": False,
    "TRUE": True,
    "FALSE": False,
}
_DEFAULT_PROPERTIES = "species:S:1:pos:R:3"
_MAX_WIDTH = 1000
#: Of one comment line: far beyond every file of the field, and read in a second or two.
_MAX_COMMENT_CHARS, _MAX_NAMES = 1_000_000, 10_000
#: No crystal repeats within less; a lattice in nm or m does.
_SHORTEST_VECTOR_A = 0.5
_MAX_SHOWN = 60
#: What makes extended XYZ of a file that ASE reads.
CONVERSION = "ase.io.write('set.extxyz', ase.io.read('FILE', index=':'), format='extxyz')"
_NO_XYZ = f" If this is no extended XYZ, convert it with ASE: {CONVERSION}."
_ISOTOPES = {"D": 1, "T": 1}


class UnreadableFrame(SubmissionError):
    """A place in the file that does not fit; the message names frame, line and text."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One structure as the file has it."""

    #: Both count from 1; the line is that of the number of atoms.
    number: int
    line: int
    numbers: NDArray[np.int64]
    positions: NDArray[np.float64]
    #: Rows are vectors; a zero row is open.
    cell: NDArray[np.float64]
    pbc: tuple[bool, bool, bool]
    #: The comment line's values as text, without those of the structure itself.
    info: Mapping[str, str]
    #: Further columns, by name: numbers, truth values or text.
    columns: Mapping[str, NDArray[Any]]
    #: How something unusual was read, in words.
    notes: tuple[str, ...]

    @property
    def place(self) -> str:
        """Of its comment line, for messages."""
        return f"Frame {self.number}, line {self.line + 1}"


@dataclass(frozen=True)
class _Column:
    name: str
    kind: str
    width: int


def read_frames(text: str) -> list[Frame]:
    """All frames of a file. Raises UnreadableFrame where anything is not understood."""
    return list(_frames(text.split("\n")))


def number_of(word: str) -> float | None:
    """A number, Fortran's D exponents too; None for any other word, nan and inf among them."""
    if not _NUMBER.fullmatch(word):
        return None
    value = float(word.replace("D", "e").replace("d", "e"))
    return value if np.isfinite(value) else None


def numbers_in(text: str) -> NDArray[np.float64] | None:
    """The numbers of a value, in any bracket, apart by blanks or commas; None for other text."""
    text = text.strip()
    if text.startswith("_JSON"):
        text = text.removeprefix("_JSON").strip()
    if text.startswith("[["):
        return _matrix(text)
    if text[:1] + text[-1:] in ("[]", "{}"):
        text = text[1:-1]
    elif len(words := text.split()) > 1 and any(map(_DECIMAL_COMMA.fullmatch, words)):
        return None
    values = [number_of(word) for word in re.split(r"[\s,]+", text.strip())]
    numbers = [value for value in values if value is not None]
    return np.array(numbers) if numbers and len(numbers) == len(values) else None


def _matrix(text: str) -> NDArray[np.float64] | None:
    try:
        content = json.loads(text)
        numbers = np.array(content, dtype=float)
    except (ValueError, TypeError, RecursionError, OverflowError):
        return None
    return numbers if numbers.size and np.isfinite(numbers).all() else None


def shown(text: str) -> str:
    """What stands in the file, short enough for a sentence."""
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")


def _frames(lines: Sequence[str]) -> Iterator[Frame]:
    start, number = 0, 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        number += 1
        count = lines[start].strip()
        where = f"Frame {number}, line {start + 1}"
        if not _COUNT.fullmatch(count) or int(count) == 0:
            hint = _NO_XYZ if number == 1 and not count.isdecimal() else ""
            raise UnreadableFrame(
                f"{where}: a number of atoms should stand here, not {shown(count)}.{hint}"
            )
        end = start + 2 + int(count)
        if end > len(lines) or (end == len(lines) and not lines[-1].strip()):
            n_there = max(0, len([line for line in lines[start + 2 :] if line.strip()]))
            raise UnreadableFrame(
                f"{where}: {count} atoms are announced, but the file ends after {n_there}."
            )
        yield _frame(lines, start, end, number)
        start = end


def _frame(lines: Sequence[str], start: int, end: int, number: int) -> Frame:
    head = f"Frame {number}, line {start + 2}"
    info = _header(lines[start + 1], head)
    has_properties = "Properties" in info
    columns = _properties(info.pop("Properties", _DEFAULT_PROPERTIES), head)
    rows = [
        _words(lines[i], columns, has_properties, f"Frame {number}, line {i + 1}")
        for i in range(start + 2, end)
    ]
    arrays = _arrays(rows, columns, number, start + 3)
    notes = _remark(lines[start + 1])
    numbers = _numbers(arrays, number, start + 3, notes)
    positions = arrays.pop("pos").astype(float)
    cell, pbc = _cell(info.pop("Lattice", None), info.pop("pbc", None), head)
    return Frame(
        number=number,
        line=start + 1,
        numbers=numbers,
        positions=positions,
        cell=cell,
        pbc=pbc,
        info=info,
        columns=arrays,
        notes=tuple(notes),
    )


def _words(line: str, columns: Sequence[_Column], has_properties: bool, where: str) -> list[str]:
    words = line.split()
    expected = sum(column.width for column in columns)
    difference = len(words) - expected
    if difference == 0:
        return words
    if not words:
        raise UnreadableFrame(f"{where}: the line is blank where an atom should stand.")
    if len(words) == 1 and _COUNT.fullmatch(words[0]):
        raise UnreadableFrame(
            f"{where}: an atom should stand here, not {shown(words[0])}. Does the frame announce "
            "more atoms than it has?"
        )
    many = f"{abs(difference)} column{'s' if abs(difference) > 1 else ''}"
    if difference > 0:
        sentence = f"atom lines hold {abs(difference)} more {many.split()[1]} than Properties names"
    else:
        sentence = f"the atom line lacks {many} that Properties names"
    hint = "" if has_properties else f" (there is no Properties; {_DEFAULT_PROPERTIES} is taken)"
    raise UnreadableFrame(f"{where}: {sentence}{hint}: {shown(line.strip())}.")


def _header(line: str, where: str) -> dict[str, str]:
    """``key=value`` pairs; a word alone is a flag. A line without any ``=`` is a remark."""
    if "=" not in line:
        return {}
    info: dict[str, str] = {}
    at, end = 0, len(line)
    if end > _MAX_COMMENT_CHARS:
        raise UnreadableFrame(
            f"{where}: the comment line has {end:,} characters; {_MAX_COMMENT_CHARS:,} are read."
        )
    while (at := _past_blanks(line, at)) < end:
        if len(info) > _MAX_NAMES:
            raise UnreadableFrame(f"{where}: the comment line names over {_MAX_NAMES:,} values.")
        key, at = _token(line, at, where, ends_at_equals=True)
        after = _past_blanks(line, at)
        value = "T"
        if after < end and line[after] == "=":
            at = _past_blanks(line, after + 1)
            value, at = _value_after(line, after, at, where)
        if not key:
            raise UnreadableFrame(
                f"{where}: a value has no name: {shown(line[max(0, at - 20) :])}."
            )
        name = {"lattice": "Lattice", "properties": "Properties"}.get(key.lower(), key)
        name = "pbc" if key.lower() == "pbc" else name
        if info.setdefault(name, value) != value:
            raise UnreadableFrame(f"{where}: {shown(key)} stands there twice, with two values.")
    return info


def _remark(line: str) -> list[str]:
    """What is left out of a comment line that names nothing."""
    if "=" in line or not line.strip():
        return []
    return [f"The comment line has no name=value and is left out: {shown(line.strip())}."]


def _value_after(line: str, equals: int, at: int, where: str) -> tuple[str, int]:
    """The value behind an equals sign, and where it ends.

    ASE writes an empty text as nothing: "config_type= energy=-1.0", or "note=" at the line's end.
    """
    if at >= len(line):
        return "", at
    value, after = _token(line, at, where, ends_at_equals=False)
    is_next_key = at > equals + 1 and line[at] not in "\"'[{" and "=" in value
    return ("", equals + 1) if is_next_key else (value, after)


def _past_blanks(line: str, at: int) -> int:
    while at < len(line) and line[at].isspace():
        at += 1
    return at


def _token(line: str, at: int, where: str, *, ends_at_equals: bool) -> tuple[str, int]:
    first = line[at]
    if first in "\"'":
        return _quoted(line, at, where)
    if first in "[{" and not ends_at_equals:
        return _bracketed(line, at, where)
    start = at
    while at < len(line) and not line[at].isspace() and not (ends_at_equals and line[at] == "="):
        at += 1
    return line[start:at], at


def _quoted(line: str, at: int, where: str) -> tuple[str, int]:
    quote, start, letters = line[at], at, []
    at += 1
    while at < len(line):
        letter = line[at]
        if letter == "\\" and at + 1 < len(line):
            letters.append({"n": "\n"}.get(line[at + 1], line[at + 1]))
            at += 2
            continue
        at += 1
        if letter == quote:
            return "".join(letters), at
        letters.append(letter)
    raise UnreadableFrame(f"{where}: a quotation mark is not closed: {shown(line[start:])}.")


def _bracketed(line: str, at: int, where: str) -> tuple[str, int]:
    start, depth = at, 0
    while at < len(line):
        depth += (line[at] in "[{") - (line[at] in "]}")
        at += 1
        if depth == 0:
            return line[start:at], at
    raise UnreadableFrame(f"{where}: a bracket is not closed: {shown(line[start:])}.")


def _properties(text: str, where: str) -> list[_Column]:
    words = text.split(":")
    columns: list[_Column] = []
    for i in range(0, len(words), 3):
        name, kind, width = (*words[i : i + 3], "", "")[:3]
        known = kind in ("S", "R", "I", "L") and _COUNT.fullmatch(width)
        if not name or not known or not 0 < int(width) <= _MAX_WIDTH:
            raise UnreadableFrame(
                f"{where}: Properties must be name:type:columns, the type S, R, I or L, not "
                f"{shown(':'.join(words[i : i + 3]))}."
            )
        columns.append(_Column(name, kind, int(width)))
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        raise UnreadableFrame(f"{where}: Properties names a column twice: {shown(text)}.")
    if _Column("pos", "R", 3) not in columns:
        raise UnreadableFrame(f"{where}: Properties must hold pos:R:3, not {shown(text)}.")
    if _Column("species", "S", 1) not in columns and _Column("Z", "I", 1) not in columns:
        raise UnreadableFrame(
            f"{where}: Properties must hold species:S:1 or Z:I:1, not {shown(text)}."
        )
    return columns


def _arrays(
    rows: Sequence[Sequence[str]], columns: Sequence[_Column], number: int, first_line: int
) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    at = 0
    for column in columns:
        values = [
            [
                _cell_value(word, column, number, first_line + i)
                for word in row[at : at + column.width]
            ]
            for i, row in enumerate(rows)
        ]
        array = np.array(values)
        arrays[column.name] = array[:, 0] if column.width == 1 else array
        at += column.width
    return arrays


def _cell_value(word: str, column: _Column, number: int, line: int) -> str | float | bool:
    where = f"Frame {number}, line {line}"
    if column.kind == "S":
        return word
    if column.kind == "L":
        if word not in _TRUTH:
            raise UnreadableFrame(f"{where}: {column.name} is neither T nor F: {shown(word)}.")
        return _TRUTH[word]
    value = number_of(word)
    if value is None:
        raise UnreadableFrame(f"{where}: {column.name} is no finite number: {shown(word)}.")
    if column.kind == "I" and value != int(value):
        raise UnreadableFrame(f"{where}: {column.name} is no whole number: {shown(word)}.")
    return value


def _numbers(
    arrays: dict[str, NDArray[Any]], number: int, first_line: int, notes: list[str]
) -> NDArray[np.int64]:
    species, given = arrays.pop("species", None), arrays.pop("Z", None)
    if given is not None:
        for i, value in enumerate(given):
            if not 1 <= value <= 118:
                raise UnreadableFrame(
                    f"Frame {number}, line {first_line + i}: Z must be 1 to 118, not {value:g}."
                )
    if species is None:
        return np.asarray(given, dtype=np.int64)
    numbers = np.array(
        [
            element_of(str(s), f"Frame {number}, line {first_line + i}")
            for i, s in enumerate(species)
        ]
    )
    if given is not None and (numbers != given).any():
        i = int(np.flatnonzero(numbers != given)[0])
        raise UnreadableFrame(
            f"Frame {number}, line {first_line + i}: species says {species[i]}, "
            f"Z says {given[i]:g}."
        )
    unusual = sorted({str(s) for s in species if str(s) in _ISOTOPES or _LABEL.fullmatch(str(s))})
    if unusual:
        notes.append(f"Labels read as elements: {', '.join(unusual[:5])}.")
    return numbers


def element_of(word: str, where: str) -> int:
    """Symbols, isotopes of hydrogen and labels such as Cu1."""
    label = _LABEL.fullmatch(word)
    symbol = label[1] if label else word
    if symbol in _ISOTOPES:
        return _ISOTOPES[symbol]
    if symbol != "X" and symbol in atomic_numbers:
        return int(atomic_numbers[symbol])
    if word.isdigit():
        raise UnreadableFrame(
            f"{where}: {shown(word)} may be an atomic number or a type of LAMMPS: write symbols, "
            "or call the column Z:I:1."
        )
    likely = word[:1].upper() + word[1:].lower()
    hint = f" Is {likely} meant?" if likely in atomic_numbers and likely != "X" else ""
    raise UnreadableFrame(f"{where}: {shown(word)} is no symbol of an element.{hint}")


def _cell(
    lattice: str | None, pbc: str | None, where: str
) -> tuple[NDArray[np.float64], tuple[bool, bool, bool]]:
    cell = np.zeros((3, 3)) if lattice is None else _lattice(lattice, where)
    has_length = np.abs(cell).max(axis=1) > 0
    if pbc is None:
        periodic = tuple(bool(value) for value in has_length)
    else:
        periodic = tuple(_truths(pbc, where))
    return cell, check_cell(cell, periodic, where)


def check_cell(
    cell: NDArray[np.float64], periodic: Sequence[bool], where: str
) -> tuple[bool, bool, bool]:
    """The directions, where the vectors can carry them. Raises UnreadableFrame."""
    lengths = np.linalg.norm(cell, axis=1)
    for axis, name in enumerate(("first", "second", "third")):
        if periodic[axis] and lengths[axis] == 0:
            raise UnreadableFrame(
                f"{where}: pbc says periodic along the {name} cell vector, which is zero or "
                "missing. Give the vector, or say F for it."
            )
    if (short := lengths[np.array(periodic) & (lengths < _SHORTEST_VECTOR_A)]).size:
        raise UnreadableFrame(
            f"{where}: a cell vector is {short.min():.3g} Å long. Is the lattice in Å?"
        )
    if is_flat(cell):
        raise UnreadableFrame(f"{where}: the cell vectors lie in one plane or line.")
    a, b, c = (bool(value) for value in periodic)
    return a, b, c


def _lattice(text: str, where: str) -> NDArray[np.float64]:
    numbers = numbers_in(text)
    if numbers is not None and numbers.shape == (3, 3) and np.allclose(numbers, numbers.T):
        return numbers
    if numbers is not None and numbers.shape == (9,):
        return numbers.reshape(3, 3)
    if numbers is not None and numbers.shape == (3,):
        return np.diag(numbers)
    raise UnreadableFrame(
        f"{where}: Lattice must be nine numbers in quotation marks, vector by vector, or three "
        f"lengths, not {shown(text)}."
    )


def _truths(text: str, where: str) -> list[bool]:
    words = [word for word in re.split(r"[\s,\[\](){}]+", text) if word]
    if len(words) == 1 and re.fullmatch("[TF]{3}", words[0]):
        words = list(words[0])
    truths = truths_of(words)
    if len(truths) != 3:
        raise UnreadableFrame(
            f"{where}: pbc must be three of T and F (or 1 and 0, true and false) in quotation "
            f"marks, not {shown(text)}."
        )
    return truths


def truths_of(words: Sequence[str]) -> list[bool]:
    """What each word says; nothing where one is no truth value."""
    return [_TRUTH[word] for word in words] if all(word in _TRUTH for word in words) else []
