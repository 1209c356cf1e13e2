"""Files as people have them, and what becomes of each: the numbers, or words and a place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.units import GPa

from evaluator.exceptions import SubmissionError
from evaluator.protocols.base import System
from evaluator.references import sets
from evaluator.references.conventions import Convention
from evaluator.references.upload import check_upload

LATTICE = 'Lattice="4 0 0 0 4 0 0 0 4"'
FORCES = "Properties=species:S:1:pos:R:3:forces:R:3"
HEAD = f'{LATTICE} {FORCES} energy=-7.5 pbc="T T T"'
ATOMS = "Cu 0 0 0 0.1 0 0\nCu 2 2 1.9 -0.1 0 0\n"
GOOD = f"2\n{HEAD}\n{ATOMS}"
VIRIAL = 'virial="-0.52 -0.82 0 -0.82 -0.77 0 0 0 -0.98"'

Read = tuple[list[System], list[str], list[str]]


def read(tmp_path: Path, content: str | bytes, name: str = "file.xyz", **convention: str) -> Read:
    """The systems, the problems and the notes."""
    path, out = tmp_path / name, tmp_path / "canonical.extxyz"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    summary = check_upload(path, out, Convention(**convention))
    return sets.read(out), list(summary["problems"]), list(summary["notes"])


def with_(text: str) -> str:
    """The good frame with further values, or with others for what it has."""
    return GOOD.replace("energy=-7.5", text)


def test_forces_of_fixed_atoms_are_kept_as_written(tmp_path: Path) -> None:
    text = GOOD.replace("forces:R:3", "forces:R:3:move_mask:L:1")
    text = text.replace(" 0.1 0 0\n", " 0.1 0 0 F\n").replace(" -0.1 0 0\n", " -0.1 0 0 T\n")
    (system,), _, notes = read(tmp_path, text)
    assert system.reference["forces"][0].tolist() == [0.1, 0, 0]
    assert "Columns that are left out: move_mask (every structure)." in notes


@pytest.mark.parametrize("unit", ["eV/Å³", "GPa"])
def test_a_virial_is_never_a_stress_in_silence(tmp_path: Path, unit: str) -> None:
    text = with_(f"energy=-7.5 {VIRIAL}")
    _, problems, _ = read(tmp_path, text)
    assert any("but the file has virial" in p and "virial in eV" in p for p in problems)
    _, problems, _ = read(tmp_path, text, stress_name="virial", stress_unit=unit)
    assert any("where it is a virial, choose the unit virial in eV" in p for p in problems)
    (system,), _, _ = read(tmp_path, text, stress_name="virial", stress_unit="virial in eV")
    assert system.reference["stress"] == pytest.approx(
        np.array([0.52, 0.77, 0.98, 0, 0, 0.82]) / 64
    )


def test_six_numbers_are_read_in_the_order_that_is_chosen_and_told(tmp_path: Path) -> None:
    text = with_('energy=-7.5 six="1 2 3 4 5 6"')
    for order, shears in (("voigt", [4, 5, 6]), ("vasp", [5, 6, 4]), ("lammps", [6, 5, 4])):
        (system,), _, notes = read(tmp_path, text, stress_name="six", stress_order=order)
        assert system.reference["stress"].tolist() == [1, 2, 3, *shears]
        assert any(note.startswith("Stress: six, six numbers as xx yy zz ") for note in notes)
    (system,), _, _ = read(tmp_path, text, stress_name="six", stress_unit="kbar (VASP)")
    vasp = -0.1 * GPa * np.array([1, 2, 3, 5, 6, 4])
    assert system.reference["stress"] == pytest.approx(vasp)


def test_kbar_taken_for_canonical_stress_does_not_pass_in_silence(tmp_path: Path) -> None:
    stress = 'stress="-251.1 13.8 73.4 13.8 -229.3 -11.8 73.4 -11.8 55.7"'
    _, problems, _ = read(tmp_path, with_(f"energy=-7.5 {stress} dft_stress='1 2 3 4 5 6'"))
    assert any(
        "a stress of 40231 GPa as declared in eV/Å³; is that" in problem for problem in problems
    )
    assert any("dft_stress (every structure) is there too" in problem for problem in problems)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_windows_files_are_read_and_other_encodings_named(tmp_path: Path, mark: bytes) -> None:
    (system,), _, _ = read(tmp_path, mark + GOOD.replace("\n", "\r\n").encode())
    assert system.reference["energy"] == -7.5
    for content, words in ((GOOD.encode("utf-16"), "UTF-16"), (b"\x1f\x8b\x08", "gzip")):
        with pytest.raises(SubmissionError, match=words):
            read(tmp_path, content)


def test_quotes_and_json_in_the_comment_line_are_read(tmp_path: Path) -> None:
    text = with_(
        r'energy=-7.5 occupancy="_JSON {\"0\": {\"Cu\": 1.0}}" note="it' + r"'s \"quoted\", a=b {x}"
        r'" k="_JSON [[1.0, 2.0], [3.0, 4.0]]"'
    )
    (system,), _, _ = read(tmp_path, text)
    assert system.reference["k"].tolist() == [[1, 2], [3, 4]]
    assert set(system.reference) == {"energy", "forces", "k"}


def test_isolated_atoms_among_crystals_are_read_and_gaps_told(tmp_path: Path) -> None:
    atom = "1\nProperties=species:S:1:pos:R:3:forces:R:3 energy=-0.2\nCu 0 0 0 0 0 0\n"
    text = with_('energy=-7.5 stress="1e-3 1e-3 1e-3 0 0 0"') + atom
    systems, _, notes = read(tmp_path, text)
    assert [system.atoms.pbc.any() for system in systems] == [True, False]
    assert any("1 of 2 structures have stress" in note for note in notes)


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ('Lattice="4 0 0 0 4 0 0 0 0" pbc="T T T"', "along the third cell vector, which is zero"),
        ('pbc="T T T"', "along the first cell vector, which is zero or missing"),
        ('Lattice="4 0 0 0 4 0 4 4 0" pbc="T T T"', "the cell vectors lie in one plane or line"),
    ],
)
def test_cells_that_cannot_carry_their_pbc_are_refused(
    tmp_path: Path, header: str, complaint: str
) -> None:
    with pytest.raises(SubmissionError, match=f"Frame 1, line 2: .*{complaint}"):
        read(tmp_path, f"1\n{header}\nCu 0 0 0\n")


def test_open_vectors_are_no_cell(tmp_path: Path) -> None:
    text = '1\nLattice="0 0 0 0 0 0 0 0 0" energy=-1\nCu 0 0 0\n'
    text += '1\nLattice="4 0 0 0 4 0 0 0 0" energy=-1\nCu 0 0 0\n'
    systems, _, _ = read(tmp_path, text)
    assert [system.atoms.pbc.tolist() for system in systems] == [[False] * 3, [True, True, False]]


@pytest.mark.parametrize("name", ["charge", "total_charge", "spin", "multiplicity"])
def test_ions_are_told(tmp_path: Path, name: str) -> None:
    _, _, notes = read(tmp_path, with_(f"energy=-7.5 {name}=2"))
    assert any("1 structures carry a charge or a spin (structure-1)" in note for note in notes)
    _, problems, notes = read(tmp_path, with_(f"energy=-7.5 {name}=0"))
    assert not any("charge" in text for text in (*problems, *notes))


def test_columns_that_nobody_named_are_refused(tmp_path: Path) -> None:
    for text in (GOOD.replace(FORCES, ""), GOOD.replace(FORCES, "Properties=species:S:1:pos:R:3")):
        with pytest.raises(
            SubmissionError, match="Frame 1, line 3: atom lines hold 3 more columns"
        ):
            read(tmp_path, text)


def test_left_handed_cells_are_read_as_they_are(tmp_path: Path) -> None:
    (system,), problems, _ = read(tmp_path, GOOD.replace("4 0 0 0 4 0 0 0 4", "0 4 0 4 0 0 0 0 4"))
    assert np.linalg.det(system.atoms.cell.array) == pytest.approx(-64)
    assert not any("structure-1" in problem for problem in problems)


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        ({"Cu ": "D "}, [1, 1]),
        ({"Cu ": "Cu1 "}, [29, 29]),
        ({"species:S:1": "Z:I:1", "Cu ": "29 "}, [29, 29]),
        ({"energy=-7.5": 'energy="-7.5"'}, [29, 29]),
        ({"energy=-7.5": "2S-acid=T flag energy=-7.5 dipole='1 2 3'"}, [29, 29]),
        ({" 0.1 0 0": " 0.1D+00 0.0d0 0"}, [29, 29]),
        ({"Cu 2 2": "Cu 402 2"}, [29, 29]),
        ({" -0.1 0 0\n": " -0.1 0 0\n\n  \n"}, [29, 29]),
        ({"Cu ": "Cu\t"}, [29, 29]),
        ({'pbc="T T T"': 'pbc="(True, True, True)"'}, [29, 29]),
        ({'pbc="T T T"': 'pbc="T T T" note='}, [29, 29]),
    ],
)
def test_oddities_of_certain_meaning_are_read(
    tmp_path: Path, changes: dict[str, str], numbers: list[int]
) -> None:
    text = GOOD
    for old, new in changes.items():
        text = text.replace(old, new)
    (system,), _, _ = read(tmp_path, text)
    assert system.atoms.numbers.tolist() == numbers
    assert system.reference["energy"] == -7.5
    assert system.reference["forces"].tolist() == [[0.1, 0, 0], [-0.1, 0, 0]]


def test_labels_and_remarks_that_are_read_otherwise_are_told(tmp_path: Path) -> None:
    _, _, notes = read(tmp_path, GOOD.replace("Cu ", "Cu1 "))
    assert "Frame 1, line 2: Labels read as elements: Cu1." in notes
    _, _, notes = read(tmp_path, "1\nmade by hand\nCu 0 0 0\n" * 5)
    where = "Frame 1, line 2; Frame 2, line 5; Frame 3, line 8 and 2 more"
    what = "The comment line has no name=value and is left out: 'made by hand'."
    assert notes[-1] == f"{where}: {what}"
    assert notes[0] == "No structure has energy: no task can judge it."


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("energy=-7.5", "energy=nan", "line 2: energy is 'nan', not a finite.*Leave the name out"),
        (
            "energy=-7.5",
            "energy=None",
            "line 2: energy is 'None', not a finite.*Leave the name out",
        ),
        ("energy=-7.5", 'energy="-7.5 eV"', "line 2: energy is '-7.5 eV'.*Take the unit away"),
        ("energy=-7.5", "energy=-7.5eV", "line 2: energy is '-7.5eV'.*Take the unit away"),
        (
            "energy=-7.5",
            "energy=-7,5",
            "line 2: energy must be one number, not 2. Is there a comma",
        ),
        ("energy=-7.5", "energy=1 stress='nan nan 1 1 1 1'", "stress is 'nan nan 1 1 1 1', not a"),
        ("energy=-7.5", "energy=1 stress='nan nan'", "stress is 'nan nan'.*Leave the name out"),
        ("energy=-7.5", "energy=1 stress='0,1 0,2 0,3'", "stress is.*Write decimal points"),
        ("energy=-7.5", "energy=1 stress=0.1", "stress must be six numbers or nine"),
        ("energy=-7.5", "energy=1e300", r"line 2: energy is 1e\+300 in eV"),
        ("energy=-7.5", "energy=1 stress='0 1 0 -1 0 0 0 0 0'", "line 2: stress is not symmetric"),
        ("Cu 2 2 1.9", "Cu 1e9 2 1.9", r"positions or cell of 1e\+09 Å"),
        ("Cu 2 2 1.9", "Cu 4 4 0.001", "two atoms lie in one place, 0.001 Å apart"),
        ("Cu 2", "X 2", "line 4: 'X' is no symbol of an element"),
        ("Cu 2", "CU 2", "line 4: 'CU' is no symbol of an element. Is Cu meant"),
        ("Cu 2", "1 2", "line 4: '1' may be an atomic number or a type of LAMMPS"),
        ("-0.1 0 0", "-0.1 0 ****", r"line 4: forces is no finite number: '\*\*\*\*'"),
        ("-0.1 0 0", "-0,1 0 0", "line 4: forces is no finite number: '-0,1'"),
        ("-0.1 0 0", "", "line 4: the atom line lacks 3 columns"),
        ("-0.1 0 0\n", "-0.1 0 0\n# by me\n", "Frame 2, line 5: a number of atoms should stand"),
        ("2\n", "3\n", "Frame 1, line 1: 3 atoms are announced, but the file ends after 2"),
        ("2\n", "2 atoms\n", "line 1: a number of atoms should stand here, not '2 atoms'. If this"),
        ("energy=-7.5", "energy=-7.5 forces=1", "forces is a value and a column at once"),
    ],
)
def test_oddities_of_uncertain_meaning_are_refused_with_place_and_text(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    with pytest.raises(SubmissionError, match=complaint):
        read(tmp_path, GOOD.replace(old, new, 1))


def test_two_frames_of_one_name_are_refused_with_both_places(tmp_path: Path) -> None:
    complaint = "named water .system_id.: Frame 1, line 2; and Frame 2, line 6"
    with pytest.raises(SubmissionError, match=complaint):
        read(tmp_path, with_("energy=-7.5 system_id=water") * 2)


def test_fractions_taken_for_positions_are_doubted(tmp_path: Path) -> None:
    _, problems, _ = read(tmp_path, GOOD.replace("2 2 1.9", "0.5 0.5 0.5"))
    assert "structure-1: all positions lie within 1 Å; are they fractions?" in problems


@pytest.mark.parametrize(
    ("content", "name", "complaint"),
    [
        (GOOD, "file.json", "Extra data.* It begins as extended XYZ does"),
        ('{"symbols": []}\n{"symbols": []}', "file.json", "put them into a list"),
        ('[{"symbols": ["H"], "symbols": ["H"]}]', "file.json", "'symbols' stands twice"),
        (GOOD, "POSCAR", "Its name must end with .extxyz, .xyz, .json"),
        (GOOD, "vasprun.xml", "What else ASE reads it converts"),
        ("symbol,x,y,z\n", "file.xyz", "line 1: a number of atoms.*convert it with ASE"),
        ("", "file.xyz", "holds no structure"),
        ("\n \n", "file.xyz", "holds no structure"),
    ],
)
def test_files_of_another_kind_or_name_are_refused_with_what_to_do(
    tmp_path: Path, content: str, name: str, complaint: str
) -> None:
    with pytest.raises(SubmissionError, match=complaint):
        read(tmp_path, content, name)


def test_json_is_told_by_its_text_and_has_the_names_that_are_given(tmp_path: Path) -> None:
    row: dict[str, Any] = {"symbols": ["Cu"], "positions": [[0, 0, 0]], "REF_energy": -1}
    row["values"] = {"energy": -2.0, "shells": [[1, 2], [3]]}
    (system,), problems, _ = read(tmp_path, json.dumps([row]), energy_name="REF_energy")
    assert system.reference == {"energy": -1.0}
    assert any("REF_energy is used; energy (every structure) is there too" in p for p in problems)
