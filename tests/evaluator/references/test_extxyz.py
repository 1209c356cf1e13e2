"""The strict reader: what it reads, and how it names the place of what it refuses."""

from __future__ import annotations

import re
from contextlib import nullcontext

import numpy as np
import pytest
from ase import Atoms

from evaluator.protocols.base import has_cell_for_pbc
from evaluator.references.extxyz import (
    UnreadableFrame,
    check_cell,
    number_of,
    numbers_in,
    read_frames,
)

LATTICE = 'Lattice="4 0 0 0 4 0 0 0 4"'
HEAD = f"{LATTICE} Properties=species:S:1:pos:R:3:forces:R:3 energy=-7.5"
ATOMS = "Cu 0 0 0 0.1 0 0\nCu 2 2 1.9 -0.1 0 0\n"
FRAME = f"2\n{HEAD}\n{ATOMS}"


@pytest.mark.parametrize("between", ["", "\n", "\n \n\t\n"])
@pytest.mark.parametrize("before", ["", "\n"])
@pytest.mark.parametrize("end_of_line", ["\n", "\r\n"])
def test_blank_lines_between_frames_lose_no_frame(
    before: str, between: str, end_of_line: str
) -> None:
    text = (before + between.join([FRAME] * 4)).replace("\n", end_of_line)
    frames = read_frames(text)
    assert [frame.number for frame in frames] == [1, 2, 3, 4]
    assert frames[3].columns["forces"].tolist() == [[0.1, 0, 0], [-0.1, 0, 0]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            FRAME + "# by my script\n",
            "Frame 2, line 5: a number of atoms should stand here, not '#",
        ),
        (
            FRAME.replace("2\n", "3\n", 1) + FRAME,
            "Frame 1, line 5: an atom should stand here, not '2'. Does the frame announce more",
        ),
        (FRAME + FRAME[:-20], "Frame 2, line 5: 2 atoms are announced, but the file ends after 1"),
        (FRAME.replace(" -0.1 0 0", " -0.1 0 ****"), "line 4: forces is no finite number: '\\*"),
        (FRAME.replace(" -0.1 0 0", ""), "Frame 1, line 4: the atom line lacks 3 columns"),
        (
            FRAME.replace(":forces:R:3", ""),
            "Frame 1, line 3: atom lines hold 3 more columns than Pr",
        ),
        (FRAME.replace("Cu 0", "X 0", 1), "Frame 1, line 3: 'X' is no symbol of an element"),
        (FRAME.replace("Cu 0", "1 0", 1), "'1' may be an atomic number or a type of LAMMPS"),
        (FRAME.replace("=-7.5", '="-7.5'), "Frame 1, line 2: a quotation mark is not closed"),
        (FRAME.replace("=-7.5", "=-7.5 energy=1"), "'energy' stands there twice"),
        (FRAME.replace('0 0 0 4"', '0 0 0 0" pbc="T T T"'), "along the third cell vector, which"),
        (
            FRAME.replace(LATTICE, 'pbc="T T T"'),
            "along the first cell vector, which is zero or mis",
        ),
        (FRAME.replace("0 4 0 0 0 4", "4 0 0 0 0 4"), "the cell vectors lie in one plane or line"),
        (FRAME.replace("energy", "pbc=[T,F] energy"), "pbc must be three of T and F"),
        (FRAME.replace("4 0 0 0 4 0 0 0 4", "4 0 0 0"), "Lattice must be nine numbers"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(UnreadableFrame, match=complaint):
        read_frames(text)


def test_fortran_exponents_labels_isotopes_and_numbers_of_elements_are_read() -> None:
    fortran = FRAME.replace("0.1 0 0", "0.1D+00 0.0d0 0")
    assert read_frames(fortran)[0].columns["forces"][0, 0] == 0.1
    labels = read_frames(re.sub("Cu ", "Cu7 ", FRAME))[0]
    assert (labels.numbers.tolist(), labels.notes) == ([29, 29], ("Labels read as elements: Cu7.",))
    assert read_frames(FRAME.replace("Cu", "D"))[0].numbers.tolist() == [1, 1]
    numbered = FRAME.replace("species:S:1", "Z:I:1").replace("Cu", "29")
    assert read_frames(numbered)[0].numbers.tolist() == [29, 29]


@pytest.mark.parametrize(
    ("given", "pbc"),
    [
        ("", (True, True, True)),
        ('pbc="T T F"', (True, True, False)),
        ("pbc=[1,0,1]", (True, False, True)),
        ('pbc="true false False"', (True, False, False)),
        ("pbc=TTF", (True, True, False)),
    ],
)
def test_pbc_is_three_truth_values(given: str, pbc: tuple[bool, bool, bool]) -> None:
    assert read_frames(FRAME.replace("energy", f"{given} energy"))[0].pbc == pbc


def test_zero_vectors_are_open_and_three_numbers_are_lengths() -> None:
    slab = read_frames(FRAME.replace('0 0 0 4"', '0 0 0 0"'))[0]
    assert slab.pbc == (True, True, False)
    assert slab.cell[2].tolist() == [0, 0, 0]
    assert read_frames(FRAME.replace("4 0 0 0 4 0 0 0 4", "4 4 5"))[0].cell[2, 2] == 5
    free = read_frames(FRAME.replace(LATTICE, ""))[0]
    assert (free.pbc, np.abs(free.cell).max()) == ((False, False, False), 0)


def test_an_empty_value_does_not_swallow_the_next_key() -> None:
    line = 'config_type= energy=-1.0 Lattice="5 0 0 0 5 0 0 0 5" note= pbc="T T F"'
    (only,) = read_frames(f"1\n{line}\nCu 0 0 0\n")
    assert only.info == {"config_type": "", "energy": "-1.0", "note": ""}
    assert only.pbc == (True, True, False)


@pytest.mark.parametrize("end", ["note=", "note=  ", "note = ", "note=''"])
def test_an_empty_last_value_is_an_empty_text(end: str) -> None:
    (only,) = read_frames(f"1\nenergy=-1.0 {end}\nCu 0 0 0\n")
    assert only.info == {"energy": "-1.0", "note": ""}


def test_decimal_commas_are_no_separators() -> None:
    for text in ("0,1 0,2 0,3", "1 2 0,3"):
        assert numbers_in(text) is None
    for text in ("1, 2, 3", "1,2,3", "[1, 2,3]", "1 2 3", "{1 2 3}"):
        numbers = numbers_in(text)
        assert numbers is not None
        assert numbers.tolist() == [1, 2, 3]


def test_long_digits_are_read_in_no_time() -> None:
    assert number_of("1" * 200_000 + "x") is None


def test_a_lattice_in_metres_is_refused() -> None:
    with pytest.raises(UnreadableFrame, match="Is the lattice in Å"):
        read_frames('1\nLattice="5e-10 0 0 0 5e-10 0 0 0 5e-10"\nCu 0 0 0\n')


@pytest.mark.parametrize(
    ("smallest_singular_value", "is_refused"), [(0.9e-4, True), (1.1e-4, False)]
)
def test_a_cell_is_refused_as_flat_where_a_run_would_refuse_it(
    smallest_singular_value: float, is_refused: bool
) -> None:
    # Unit vectors at a small angle t have the singular values sqrt(1 +- cos t), about t / sqrt 2.
    angle = np.sqrt(2) * smallest_singular_value
    cell = 4 * np.array([[1, 0, 0], [np.cos(angle), np.sin(angle), 0], [0, 0, 1]])
    refusal = pytest.raises(UnreadableFrame, match="in one plane") if is_refused else nullcontext()
    with refusal:
        check_cell(cell, (True, True, True), "Frame 1")
    assert has_cell_for_pbc(Atoms("Cu", cell=cell, pbc=True)) is not is_refused
