"""What a file says and nobody reads is told, never dropped without a word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from evaluator.exceptions import SubmissionError
from tests.evaluator.references.test_files_as_people_have_them import (
    ATOMS,
    FORCES,
    GOOD,
    LATTICE,
    read,
    with_,
)

BARE = f"2\n{FORCES} energy=-7.5\n{ATOMS}"


@pytest.mark.parametrize(
    ("says", "problem"),
    [
        (
            "energy_unit=Ha",
            "energy_unit says 'Ha' .every structure. and is not read: .*energy in eV",
        ),
        ("forceUnits=Ha/Bohr", "forceUnits says 'Ha/Bohr'.*chosen here, forces in eV/Å[.]"),
        ("units=metal", "units says 'metal'.*energy in eV, forces in eV/Å, stress in eV/Å³[.]"),
        ("stress_unit=kbar stress='0 0 0 0 0 0'", "stress_unit says 'kbar'.*stress in eV/Å³[.]"),
        ("periodic=F", "periodic .every structure. is not read and does not say the same"),
        ("boundary='p p f'", "boundary .every structure. is not read.*Call it pbc"),
        ("Q=1", "Q .every structure. is not read: is it a charge or a spin.*call it charge"),
    ],
)
def test_what_would_make_other_numbers_of_a_file_waits_for_a_tick(
    says: str, problem: str, tmp_path: Path
) -> None:
    _, problems, _ = read(tmp_path, with_(f"energy=-7.5 {says}"))
    assert any(re.search(problem, sentence) for sentence in problems), problems


@pytest.mark.parametrize(
    "says",
    [
        *("energy_unit=eV", "forces_unit=eV/A", "energy_units=electronvolt", "stress_unit=eV/A^3"),
        *("periodic=T", "boundary='p p p'", "periodicity='1 1 1'", "unit_cell=primitive", "Q=0"),
    ],
)
def test_what_says_the_same_as_is_read_is_no_doubt(says: str, tmp_path: Path) -> None:
    assert read(tmp_path, with_(f"energy=-7.5 {says}"))[1] == []


@pytest.mark.parametrize(
    "says",
    [
        *("formula_unit=SiO2", "repeat_unit=CH2", "repeatingUnits=CF2", "unit_formula=NaCl"),
        *("boundary=Sigma5", "boundary='twist 36.9'", "site_A=Ba site_B=Ti", "grade_K=fine"),
    ],
)
def test_words_of_chemistry_and_grains_are_no_doubt(says: str, tmp_path: Path) -> None:
    _, problems, notes = read(tmp_path, with_(f"energy=-7.5 {says}"))
    assert problems == []
    if "_A=" not in says and "_K=" not in says:
        assert any(says.partition("=")[0] in note for note in notes), notes


@pytest.mark.parametrize("name", ["cell", "box", "Lattice_vectors", "unit_cell"])
def test_a_cell_of_another_name_is_not_dropped_in_silence(name: str, tmp_path: Path) -> None:
    (system,), problems, _ = read(tmp_path, with_(f'energy=-7.5 {name}="9 0 0 0 9 0 0 0 9"'))
    assert problems == [], "there is a Lattice"
    says = f'energy=-7.5 {name}="4 0 0 0 4 0 0 0 4"'
    (system,), (problem,), _ = read(tmp_path, BARE.replace("energy=-7.5", says))
    assert not system.atoms.pbc.any()
    assert problem.startswith(f"{name} (every structure) is not read, and there is no Lattice")


def test_forces_whose_components_have_names_are_told(tmp_path: Path) -> None:
    text = GOOD.replace("forces:R:3", "fx:R:1:fy:R:1:fz:R:1")
    (system,), problems, _ = read(tmp_path, text)
    assert "forces" not in system.reference
    (problem,) = problems
    assert problem == (
        "fx, fy, fz (every structure) are not read: give forces as one column of three numbers, "
        "forces:R:3 in Properties."
    )


def test_values_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    row = {"symbols": "Cu", "positions": [[0, 0, 0]], "energy": -1.0}
    odd = {"shells": [[1, 2], [3]], "source": "by hand", "gap_eV": 1.1, "dipole": [0, 0, 1]}
    (system,), _, notes = read(tmp_path, json.dumps([{**row, "values": odd}]), "file.json")
    assert set(system.reference) == {"energy", "gap_eV"}
    assert (
        "Values that are left out, as they are no plain numbers or another quantity's: shells "
        "(every structure), source (every structure), dipole (every structure)."
    ) in notes


def test_a_virial_beside_a_stress_is_told_and_does_not_end_the_reading(tmp_path: Path) -> None:
    says = "energy=-7.5 stress='0.1 0.1 0.1 0 0 0' virial='-6.4 -6.4 -6.4 0 0 0'"
    (system,), problems, _ = read(tmp_path, with_(says))
    assert set(system.reference) == {"energy", "forces", "stress"}
    assert any(problem.startswith("stress is used; virial (every str") for problem in problems)


@pytest.mark.parametrize("name", ["totalCharge", "total-charge", "Charge", "system_charge"])
def test_a_charge_is_read_however_its_words_are_joined(name: str, tmp_path: Path) -> None:
    (system,), _, _ = read(tmp_path, BARE.replace("energy=-7.5", f"energy=-7.5 {name}=1"))
    assert system.atoms.info == {"charge": 1, "spin": 1}


def test_what_stands_beside_the_structures_of_a_json_file_is_refused_by_name(
    tmp_path: Path,
) -> None:
    rows = [{"symbols": "Cu", "positions": [[0, 0, 0]], "energy": -1.0}]
    read(tmp_path, json.dumps({"structures": rows}), "file.json")
    with pytest.raises(SubmissionError, match="Beside structures the file holds 'units, author'"):
        content = {"structures": rows, "units": {"energy": "Ha"}, "author": "me"}
        read(tmp_path, json.dumps(content), "file.json")


@pytest.mark.parametrize("pbc", [{}, {"pbc": None}, {"pbc": False}])
def test_vectors_that_are_zero_are_open_in_json_too(pbc: dict[str, object], tmp_path: Path) -> None:
    row = {"symbols": "Cu", "positions": [[0, 0, 0]], "cell": [[0, 0, 0]] * 3, "energy": -1.0}
    (system,), _, _ = read(tmp_path, json.dumps([row | pbc]), "file.json")
    assert not system.atoms.pbc.any()


@pytest.mark.parametrize(
    "text",
    [GOOD.replace("\n", "\r\r\n"), "\ufeff" + GOOD + "\ufeff" + GOOD, GOOD.replace("\n", "\r")],
)
def test_ends_of_lines_and_marks_of_joined_files_are_read(text: str, tmp_path: Path) -> None:
    systems, _, _ = read(tmp_path, text)
    assert {system.reference["energy"] for system in systems} == {-7.5}


@pytest.mark.parametrize("energy", ["0x10", "1e400", "-7_5"])
def test_advice_about_units_is_given_where_there_is_a_unit(energy: str, tmp_path: Path) -> None:
    with pytest.raises(
        SubmissionError, match=r"not a finite number everywhere. Give plain numbers"
    ):
        read(tmp_path, with_(f"energy={energy}"))
    with pytest.raises(SubmissionError, match="Take the unit away"):
        read(tmp_path, with_(f"energy=1 stress='{energy[0]}.5 eV/A^3'".replace("-", "")))


@pytest.mark.parametrize("more", ["x" * 1_000_001, " ".join(f"k{i}=1" for i in range(10_002))])
def test_a_comment_line_without_end_is_refused_before_it_is_read(more: str, tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match=r"Frame 1, line 2: the comment line (has|names) "):
        read(tmp_path, with_(f"energy=-7.5 {more}"))


def test_a_lattice_or_pbc_without_quotation_marks_is_told_of_them(tmp_path: Path) -> None:
    for text in (GOOD.replace(LATTICE, LATTICE.replace('"', "")), GOOD.replace('"T T T"', "T T T")):
        with pytest.raises(SubmissionError, match="in quotation marks"):
            read(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("supercell_matrix", "2 0 0"),
        ("bulk_modulus_GPa", "134"),
        ("frequencies_THz", [[0.0], [1.0, 2.0]]),
        ("omega_max_THz", True),
    ],
)
def test_a_name_that_promises_numbers_and_has_none_waits_for_a_tick(
    name: str, value: object, tmp_path: Path
) -> None:
    row = {"symbols": "Cu", "positions": [[0, 0, 0]], "energy": -1.0, "values": {name: value}}
    (system,), (problem,), _ = read(tmp_path, json.dumps([row]), "file.json")
    assert name not in system.reference
    assert problem.startswith(f"{name} (every structure) is left out, for it is no plain numbers")
    row["values"] = {name: None}
    assert read(tmp_path, json.dumps([row]), "file.json")[1] == []


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"volume_per_atom_A3": 46.4}, "volume_per_atom_A3 is 46.4, and the cell has 11.66 Å³ an "),
        ({"volume_per_atom_A3": 11.0}, None),
        ({"omega_max_THz": 233.0}, "omega_max_THz is 233: is it in cm⁻¹? Divide by 33.36"),
        ({"omega_max_THz": 7.0}, None),
    ],
)
def test_values_of_another_unit_or_cell_are_doubted(
    values: dict[str, float], problem: str | None, tmp_path: Path
) -> None:
    cell = [[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]]
    row = {"symbols": "Cu", "positions": [[0, 0, 0]], "cell": cell, "values": values}
    _, problems, _ = read(tmp_path, json.dumps([row]), "file.json")
    assert [problem in sentence for sentence in problems if problem] == [True] * bool(problem)
    assert len(problems) == bool(problem)


def test_names_that_no_terminal_should_print_and_very_many_are_told_shortly(tmp_path: Path) -> None:
    says = " ".join(f"bad{i}_THz=x" for i in range(300))
    text = with_(f"energy=-7.5 \x1b]0;title\x07_GPa=x {'n' * 5000}_unit=x {says}")
    _, problems, notes = read(tmp_path, text)
    assert len(problems) < 10
    assert max(map(len, [*problems, *notes])) < 500
    assert not any("\x1b" in sentence for sentence in [*problems, *notes])
    assert "296 more values are of this kind." in problems
