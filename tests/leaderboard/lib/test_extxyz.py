"""Our own extended XYZ is read as ASE wrote it."""

from __future__ import annotations

import io

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from leaderboard.lib.extxyz import BadStructureError, ShownStructure, frames, name_of, parse


def text_of(*structures: Atoms) -> str:
    buffer = io.StringIO()
    ase.io.write(buffer, list(structures), format="extxyz")
    return buffer.getvalue()


def named(atoms: Atoms, name: str, **info: object) -> Atoms:
    atoms.info.update(system_id=name, **info)
    return atoms


def test_cell_positions_and_symbols_are_those_that_were_written() -> None:
    salt = named(bulk("NaCl", "rocksalt", a=5.64, cubic=True), "salt", family="rock salt")
    salt.arrays["migrating"] = np.zeros(8, dtype=bool)
    found = parse(text_of(salt))
    assert (found.system_id, found.family, found.formula) == ("salt", "rock salt", "Cl4Na4")
    assert found.symbols == tuple(salt.get_chemical_symbols())
    np.testing.assert_allclose(found.positions, salt.positions, atol=1e-7)
    np.testing.assert_allclose(found.cell, salt.cell[:], atol=1e-12)
    assert found.volume == pytest.approx(5.64**3)


def test_frames_are_told_apart_and_give_the_text_back() -> None:
    text = text_of(named(bulk("Cu"), "one"), named(molecule("C2H6"), 'odd "name" = x'))
    found = list(frames(text))
    assert "".join(found) == text
    assert [name_of(frame) for frame in found] == ["one", 'odd "name" = x']
    ethane = parse(found[1])
    assert (ethane.cell, ethane.volume, ethane.formula) == (None, None, "C2H6")


def test_a_name_with_a_line_separator_does_not_break_its_frame() -> None:
    text = text_of(named(bulk("Cu"), "line\u2028separator"))
    assert [name_of(frame) for frame in frames(text)] == ["line\u2028separator"]
    assert isinstance(parse(text), ShownStructure)


@pytest.mark.parametrize(
    "text",
    [
        "many\nsystem_id=a\n",
        "3\nsystem_id=a Properties=species:S:1:pos:R:3\nCu 0 0 0\n",
    ],
)
def test_counts_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(BadStructureError):
        list(frames(text))


@pytest.mark.parametrize(
    "frame",
    [
        "1\nProperties=species:S:1:pos:R:3\nCu 0 0 0\n",
        "1\nsystem_id=a\nCu 0 0 0\n",
        "1\nsystem_id=a Properties=species:S:1:pos:R:3\nCu 0 0 far\n",
        '1\nsystem_id=a Lattice="1 0 0" Properties=species:S:1:pos:R:3\nCu 0 0 0\n',
    ],
)
def test_a_frame_without_what_is_needed_is_refused(frame: str) -> None:
    with pytest.raises(BadStructureError):
        parse(frame)
