"""Structures of a reference set, as far as pages show them: read from its extended XYZ text.

We write these files ourselves (``evaluator/references/sets.py``), so the reader takes their form
and no other dialect: a count, a line of ``key=value`` with Lattice, Properties, pbc and system_id,
then one line an atom. Lengths are in Å. Nothing here knows ASE or numpy.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

Vector = tuple[float, float, float]

_PAIR = re.compile(r'([A-Za-z_][\w.-]*)=(?:"((?:[^"\\]|\\.)*)"|(\S+))', re.ASCII)


class BadStructureError(ValueError):
    """The text is no extended XYZ of our own form."""


@dataclass(frozen=True, kw_only=True)
class ShownStructure:
    system_id: str
    #: What it belongs to within its set, e.g. a crystal family; may be empty.
    family: str
    symbols: tuple[str, ...]
    #: Cartesian, in Å.
    positions: tuple[Vector, ...]
    #: The three cell vectors in Å; None for a molecule in open space.
    cell: tuple[Vector, Vector, Vector] | None
    #: The frame as it stands in the file.
    text: str

    @property
    def formula(self) -> str:
        """Hill's order: carbon, hydrogen, then by letter; by letter alone without carbon."""
        counts = Counter(self.symbols)
        first = [s for s in ("C", "H") if "C" in counts and s in counts]
        order = first + sorted(set(counts) - set(first))
        return "".join(f"{s}{counts[s] if counts[s] > 1 else ''}" for s in order)

    @property
    def volume(self) -> float | None:
        """The cell's volume in Å³; None without one."""
        if self.cell is None:
            return None
        (a, b, c), (d, e, f), (g, h, i) = self.cell
        return abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


def frames(text: str) -> Iterator[str]:
    """The text of each frame. Raises BadStructureError where a count does not fit."""
    lines = list(io.StringIO(text))  # at line feeds alone, as the writer's
    start = 0
    while start < len(lines):
        count = lines[start].strip()
        if not count.isdecimal():
            raise BadStructureError(f"line {start + 1} should be a number of atoms: {count[:40]!r}")
        end = start + 2 + int(count)
        if end > len(lines):
            raise BadStructureError(f"line {start + 1} announces more atoms than there are")
        yield "".join(lines[start:end])
        start = end


def name_of(frame: str) -> str:
    """The ``system_id`` of a frame. Raises BadStructureError where it has none."""
    _, _, rest = frame.partition("\n")
    head, _, _ = rest.partition("\n")
    for match in _PAIR.finditer(head):
        if match[1] == "system_id":
            return _value(match)
    raise BadStructureError("a frame has no system_id")


def parse(frame: str) -> ShownStructure:
    """Read one frame. Raises BadStructureError."""
    lines = frame.split("\n")
    try:
        info = {match[1]: _value(match) for match in _PAIR.finditer(lines[1])}
        symbol, position = _columns(info["Properties"])
        rows = [line.split() for line in lines[2 : 2 + int(lines[0])]]
        return ShownStructure(
            system_id=info["system_id"],
            family=info.get("family", ""),
            symbols=tuple(row[symbol] for row in rows),
            positions=tuple(_vector(row[position : position + 3]) for row in rows),
            cell=_cell(info.get("Lattice")),
            text=frame,
        )
    except (KeyError, IndexError, ValueError) as error:
        raise BadStructureError(f"a frame cannot be read: {error}") from error


def _value(match: re.Match[str]) -> str:
    return match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])


def _columns(properties: str) -> tuple[int, int]:
    """Where the symbol and the position stand in an atom's line."""
    words = properties.split(":")
    at, columns = 0, {}
    for name, width in zip(words[0::3], words[2::3], strict=True):
        columns[name] = at
        at += int(width)
    return columns["species"], columns["pos"]


def _cell(text: str | None) -> tuple[Vector, Vector, Vector] | None:
    if text is None:
        return None
    numbers = text.split()
    return _vector(numbers[0:3]), _vector(numbers[3:6]), _vector(numbers[6:9])


def _vector(words: list[str]) -> Vector:
    x, y, z = (float(word) for word in words)
    return x, y, z
