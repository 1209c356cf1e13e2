"""What an administrator uploads: read in any unit, refused by name, summarised."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import Bohr, GPa, Hartree

from evaluator.exceptions import SubmissionError
from evaluator.references import sets
from evaluator.references.conventions import Convention
from evaluator.references.formats import read_file
from evaluator.references.upload import check_upload, dummy_values

STRESS = [0.01, 0.02, 0.03, 0.001, 0.002, 0.003]


def cell(i: int = 0, symbol: str = "Cu") -> Atoms:
    atoms = bulk(symbol, cubic=True)
    atoms.rattle(0.05, seed=i)
    return atoms


def read_structures(path: Path) -> list[Atoms]:
    return list(read_file(path, Convention()).frames)


def frame(i: int = 0, energy: float = -8.0, **info: Any) -> Atoms:
    atoms = cell(i)
    forces = np.full((4, 3), 0.1) * [[1], [-1], [1], [-1]]
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces, stress=STRESS)
    atoms.info |= {"system_id": f"cell-{i}"} | info
    return atoms


def check(tmp_path: Path, frames: list[Atoms], **convention: str) -> dict[str, Any]:
    path = tmp_path / "uploaded.extxyz"
    ase.io.write(path, frames, format="extxyz")
    return check_upload(path, tmp_path / "canonical.extxyz", Convention(**convention))


def test_the_canonical_file_is_read_back_with_the_same_numbers_and_the_same_bytes(
    tmp_path: Path,
) -> None:
    found = check(tmp_path, [frame(i) for i in range(3)])
    assert found["common"] == ["energy", "forces", "stress"]
    assert (found["n_systems"], found["n_atoms"], found["elements"]) == (3, 12, {"Cu": 3})
    assert found["problems"] == ()
    first = sets.read(tmp_path / "canonical.extxyz")[0]
    assert first.id == "cell-0"
    assert first.reference["stress"] == pytest.approx(STRESS)
    again = check_upload(tmp_path / "canonical.extxyz", tmp_path / "again.extxyz", Convention())
    assert again["sha256"] == found["sha256"]


def test_units_and_names_of_the_file_are_converted(tmp_path: Path) -> None:
    atoms = cell()
    atoms.info = {"DFT_energy": -0.1, "DFT_stress": [10.0, 20.0, 30.0, 0.0, 0.0, 0.0]}
    atoms.set_array("DFT_forces", np.array([[0.01, 0, 0], [-0.01, 0, 0], [0, 0, 0], [0, 0, 0]]))
    check(
        tmp_path,
        [atoms],
        energy_name="DFT_energy",
        forces_name="DFT_forces",
        stress_name="DFT_stress",
        energy_unit="Ha",
        force_unit="Ha/Bohr",
        stress_unit="kbar (VASP)",
    )
    (system,) = sets.read(tmp_path / "canonical.extxyz")
    assert system.reference["energy"] == pytest.approx(-0.1 * Hartree)
    assert system.reference["forces"][0, 0] == pytest.approx(0.01 * Hartree / Bohr, rel=1e-6)
    assert system.reference["stress"][:3] == pytest.approx(np.array([-1.0, -2.0, -3.0]) * GPa)


def test_the_energy_that_is_named_is_the_energy_that_is_used(tmp_path: Path) -> None:
    path, out = tmp_path / "both.xyz", tmp_path / "canonical.extxyz"
    path.write_text("1\nProperties=species:S:1:pos:R:3 energy=-1.5 free_energy=-2.5\nCu 0 0 0\n")
    for name, energy in (("energy", -1.5), ("free_energy", -2.5)):
        check_upload(path, out, Convention(energy_name=name))
        assert sets.read(out)[0].reference["energy"] == energy


def test_six_numbers_in_kbar_are_in_the_order_of_vasp(tmp_path: Path) -> None:
    atoms = cell()
    atoms.info["vasp"] = [-10.0, -20.0, -30.0, -1.0, -2.0, -3.0]  # XX YY ZZ XY YZ ZX
    check(tmp_path, [atoms], stress_name="vasp", stress_unit="kbar (VASP)")
    (system,) = sets.read(tmp_path / "canonical.extxyz")
    assert system.reference["stress"] / GPa == pytest.approx([1.0, 2.0, 3.0, 0.2, 0.3, 0.1])


def test_a_virial_becomes_a_stress_and_is_told_where_it_is_read_as_one(tmp_path: Path) -> None:
    atoms = cell()
    volume = atoms.get_volume()
    atoms.info["virial"] = np.diag([-1.0, -2.0, -3.0])
    told = check(tmp_path, [atoms], stress_name="virial")["problems"]
    assert any("where it is a virial, choose the unit" in problem for problem in told)
    check(tmp_path, [atoms], stress_name="virial", stress_unit="virial in eV")
    (system,) = sets.read(tmp_path / "canonical.extxyz")
    assert system.reference["stress"][:3] * volume == pytest.approx([1.0, 2.0, 3.0])


def test_a_matrix_that_is_not_symmetric_is_no_stress(tmp_path: Path) -> None:
    odd = np.array([[0.01, 0.002, 0.0], [0.0, 0.01, 0.0], [0.0, 0.0, 0.01]])
    with pytest.raises(SubmissionError, match="stress is not symmetric"):
        check(tmp_path, [frame(0, dft_stress=odd)], stress_name="dft_stress")


@pytest.mark.parametrize(
    ("properties", "row", "message"),
    [
        ("species:S:1:pos:R:3:stress:R:1", "Cu {0} 0 0 0.1", "stress is a column; it belongs"),
        ("species:S:1:pos:R:3:stress:R:3", "Cu {0} 0 0 1 0 0", "stress is a column; it belongs"),
        ("species:S:1:pos:R:3:energy:R:1", "Cu {0} 0 0 -1", "energy is a value and a column"),
        ("species:S:1:pos:R:3:forces:S:3", "Cu {0} 0 0 1_0 0 0", "the column forces must be three"),
        ("species:S:1:pos:R:3:migrating:I:1", "Cu {0} 0 0 1", "migrating must be T or F"),
    ],
)
def test_a_column_of_the_wrong_kind_is_refused(
    tmp_path: Path, properties: str, row: str, message: str
) -> None:
    path = tmp_path / "columns.extxyz"
    rows = "\n".join(row.format(3 * i) for i in range(6))
    path.write_text(f"6\nProperties={properties} energy=-1.0\n{rows}\n")
    with pytest.raises(SubmissionError, match=message):
        read_structures(path)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (None, "Structure 0: pbc says periodic along the first"),
        ([5e-10] * 3, "Is the lattice in Å"),
    ],
)
def test_cells_of_json_are_checked_as_those_of_extended_xyz(
    tmp_path: Path, cell: list[float] | None, message: str
) -> None:
    path = tmp_path / "one.json"
    row = {"symbols": ["Cu"], "positions": [[0, 0, 0]], "pbc": True, "energy": -1.0}
    path.write_text(json.dumps([row if cell is None else {**row, "cell": cell}]))
    with pytest.raises(SubmissionError, match=message):
        read_structures(path)


def test_atoms_in_one_place_are_refused_and_left_handed_cells_are_not(tmp_path: Path) -> None:
    twins = frame(0)
    twins.positions[1] = twins.positions[0] + twins.cell[2]
    with pytest.raises(SubmissionError, match="Frame 1, line 2: two atoms lie in one place"):
        check(tmp_path, [twins])
    left = frame(0)
    left.set_cell(left.cell.array[[1, 0, 2]])
    assert check(tmp_path, [left])["problems"] == ()


@pytest.mark.parametrize("marks", [[[True], True], [True, True], ["T"], 1])
def test_marks_of_json_that_are_none_are_refused(tmp_path: Path, marks: object) -> None:
    path = tmp_path / "one.json"
    row = {"symbols": ["Cu"], "positions": [[0, 0, 0]], "values": {"migrating": marks}}
    path.write_text(json.dumps([row]))
    with pytest.raises(SubmissionError, match="migrating must be T or F"):
        read_structures(path)


def test_charges_and_spins_are_told(tmp_path: Path) -> None:
    neutral, ion = frame(0, charge=0, spin=1), frame(1, charge=1, spin=2)
    assert "charge" not in " ".join(check(tmp_path, [neutral])["notes"])
    found = check(tmp_path, [neutral, ion])
    notes = " ".join(found["notes"])
    assert "1 structures carry a charge or a spin (cell-1): calculators find them" in notes
    assert "charge" not in " ".join(found["problems"])  # an ion is no error


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"charge": 1, "spin": 2}, {"charge": 1, "spin": 2}),
        ({"total_charge": -1, "multiplicity": 3}, {"charge": -1, "spin": 3}),
        ({"total_charge": -1.0, "spin_multiplicity": 2.0}, {"charge": -1, "spin": 2}),
        ({"Charge": 1, "n_unpaired": 1}, {"charge": 1, "spin": 2}),
        ({"charge": 2}, {"charge": 2, "spin": 1}),
        ({"total_spin": 3}, {"charge": 0, "spin": 3}),
        # fairchem writes 0 where nothing is unpaired.
        ({"charge": 0, "spin": 0}, {}),
        ({"charge": None, "spin": ""}, {}),
        # The energy of unrestricted Hartree-Fock.
        ({"UHF": -75.3}, {}),
        ({"UHF": 1}, {"charge": 0, "spin": 2}),
        ({"charge": 0, "spin": 1}, {}),
    ],
    ids=str,
)
def test_charge_and_spin_come_by_any_of_their_names(
    info: dict[str, float], expected: dict[str, int], tmp_path: Path
) -> None:
    check(tmp_path, [frame(**info)])
    (system,) = sets.read(tmp_path / "canonical.extxyz")
    assert system.atoms.info == expected


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({"charge": 1, "total_charge": 2}, "charge and total_charge contradict each other"),
        ({"charge": 0.5}, r"charge must be a whole number \(-1000 to 1000\), not '0.5'"),
        ({"charge": "1+"}, r"charge must be a whole number .*, not '1\+'"),
        ({"spin": -1}, r"spin must be a whole number \(0 to 1000\), not '-1.0'"),
        ({"charge": 1, "spin": np.array([1.0, -1.0])}, "spin is a list beside a charge"),
        ({"spin": 2, "n_unpaired": 2}, "contradict"),
    ],
)
def test_a_charge_or_spin_without_one_meaning_is_refused(
    info: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SubmissionError, match=message):
        check(tmp_path, [frame(**info)])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ('"spin": 1' + 30 * "0", r"spin must be a whole number \(0 to 1000\), not '10+'"),
        ('"charge": -' + 400 * "9", r"charge must be .*, not '-9+\.\.\.'"),
        ('"charge": 1e300', "charge must be .*, not '1e[+]300'"),
        ('"charge": true', "charge must be .*, not 'True'"),
        ('"charge": null, "spin": null', None),
        ('"uhf": 1' + 30 * "0", None),
    ],
)
def test_numbers_of_json_that_are_no_charge_are_refused_and_none_is_none(
    values: str, message: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "ion.json"
    path.write_text(f'[{{"symbols": ["Cu"], "positions": [[0, 0, 0]], "values": {{{values}}}}}]')
    if message is None:
        assert "charge" not in read_structures(path)[0].info
        return
    with pytest.raises(SubmissionError, match=message):
        read_structures(path)


@pytest.mark.parametrize("names", [("a b", "a_b"), ("a b", "a=b"), ("charge", "charge ")])
def test_numbers_whose_names_become_one_are_refused(names: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    values = dict(zip(names, (1, 2), strict=True))
    path.write_text(json.dumps([{"symbols": ["Cu"], "positions": [[0, 0, 0]], "values": values}]))
    with pytest.raises(SubmissionError, match=f"'{names[0]}' and '{names[1]}' would both be named"):
        read_structures(path)


def test_a_charge_with_a_blank_behind_its_name_is_a_charge(tmp_path: Path) -> None:
    path = tmp_path / "blank.extxyz"
    path.write_text('1\n"charge "=0.5 note="a" "note "=2\nHe 0 0 0\n')
    with pytest.raises(SubmissionError, match="charge must be a whole number"):
        read_structures(path)
    path.write_text('1\n"charge "=1 note="a" "note "=2\nHe 0 0 0\n')
    (atoms,) = read_structures(path)
    assert {name: atoms.info[name] for name in ("charge", "note")} == {"charge": 1, "note": 2.0}


def test_what_is_refused_at_last_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(systems: object) -> None:
        raise SubmissionError("the last check")

    monkeypatch.setattr("evaluator.references.upload.dummy_values", refuse)
    with pytest.raises(SubmissionError, match="the last check"):
        check(tmp_path, [frame()])
    assert not (tmp_path / "canonical.extxyz").exists()


def test_an_ion_is_another_structure_than_its_neutral_twin(tmp_path: Path) -> None:
    twins = [frame(0, charge=0, spin=1), frame(0, charge=1, spin=2)]
    twins[1].info["system_id"] = "ion"
    assert "twice" not in " ".join(check(tmp_path, twins)["problems"])


def test_unpaired_electrons_under_the_name_of_a_spin_are_told(tmp_path: Path) -> None:
    def water(spin: int) -> Atoms:
        atoms = molecule("H2O")
        atoms.info = {"system_id": f"water-{spin}", "charge": 0, "spin": spin}
        return atoms

    assert "name it n_unpaired" not in " ".join(check(tmp_path, [water(3)])["problems"])
    problems = " ".join(check(tmp_path, [water(2)])["problems"])
    assert (
        "The spin of 1 molecules does not go with their number of electrons (water-2)" in problems
    )


def test_a_ragged_list_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ragged.json"
    values = {"shells": [[1, 2], [3]], "gap_eV": 1.1}
    path.write_text(json.dumps([{"symbols": ["Cu"], "positions": [[0, 0, 0]], "values": values}]))
    assert check_upload(path, tmp_path / "out.extxyz", Convention())["common"] == ["gap_eV"]


def test_energies_per_atom_become_energies_of_the_structure(tmp_path: Path) -> None:
    check(tmp_path, [frame(energy=-2.0)], energy_unit="eV/atom")
    (system,) = sets.read(tmp_path / "canonical.extxyz")
    assert system.reference["energy"] == pytest.approx(-8.0)


def test_json_is_read_as_extended_xyz_is(tmp_path: Path) -> None:
    atoms = frame(family="bulk")
    content = {
        "structures": [
            {
                "symbols": atoms.get_chemical_symbols(),
                "positions": atoms.positions.tolist(),
                "cell": atoms.cell.tolist(),
                "system_id": "cell-0",
                "family": "bulk",
                "energy": -8.0,
                "forces": atoms.get_forces().tolist(),
                "stress": STRESS,
                "values": {"band_gap_eV": 0.5},
            }
        ]
    }
    path = tmp_path / "uploaded.json"
    path.write_text(json.dumps(content))
    found = check_upload(path, tmp_path / "canonical.extxyz", Convention())
    assert found["common"] == ["band_gap_eV", "energy", "forces", "stress"]
    (system,) = sets.read(tmp_path / "canonical.extxyz")
    assert system.atoms.pbc.all()
    assert system.family == "bulk"
    assert system.reference["forces"] == pytest.approx(atoms.get_forces())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[" * 100_000, "nested too deep"),
        ("{", "cannot be read as JSON"),
        ("{}", "must be a list of structures"),
        ("[]", "holds no structure"),
        ("[1]", "Structure 0 must be a JSON object"),
        ('[{"symbols": ["H"], "positions": [[0,0,0]], "colour": 1}]', "Structure 0 has 'colour'"),
        ('[{"symbols": ["H"], "positions": [[0,0,0]], "energy": NaN}]', "NaN is no number"),
        ('[{"symbols": ["H"], "positions": [[0,0,0]], "energy": 1e999}]', "not a finite number"),
        (
            '[{"symbols": ["H"], "positions": [[0,0,0]], "energy": "low"}]',
            "energy is 'low', not a finite",
        ),
        ('[{"symbols": ["Xy"], "positions": [[0,0,0]]}]', "Structure 0: 'Xy' is no symbol"),
        ('[{"symbols": ["H"]}]', "Structure 0: positions are missing"),
        ('[{"symbols": ["H"], "positions": [[0,0]]}]', "Structure 0: positions must be three"),
        (
            '[{"symbols": ["H"], "positions": [[0,0,0]], "forces": [[0,0,0],[1,1,1]]}]',
            r"forces must have the shape \(1, 3\), not \(2, 3\)",
        ),
    ],
)
def test_bad_json_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "uploaded.json"
    path.write_text(text)
    with pytest.raises(SubmissionError, match=complaint):
        check_upload(path, tmp_path / "canonical.extxyz", Convention())


def test_what_is_no_text_is_never_opened_by_a_parser(tmp_path: Path) -> None:
    path = tmp_path / "uploaded.extxyz"
    path.write_bytes(b"\x80\x04\x95pickle")
    with pytest.raises(SubmissionError, match="The file is no text"):
        read_structures(path)


def test_two_structures_of_one_name_are_refused(tmp_path: Path) -> None:
    frames = [frame(0), frame(1, system_id="cell-0")]
    with pytest.raises(SubmissionError, match="Two structures are named cell-0"):
        check(tmp_path, frames)


def test_names_that_would_be_read_as_something_else_get_words_in_front(tmp_path: Path) -> None:
    frames = [frame(0, system_id="12"), frame(1, system_id="a name, quoted"), frame(2)]
    del frames[2].info["system_id"]
    check(tmp_path, frames)
    names = [system.id for system in sets.read(tmp_path / "canonical.extxyz")]
    assert names == ["structure-12", "a_name_quoted", "structure-3"]


def test_duplicates_gaps_and_implausible_numbers_are_told(tmp_path: Path) -> None:
    twin, bare = frame(0, system_id="twin"), cell(5)
    bare.info["system_id"] = "bare"
    wild = frame(7, energy=-8e6)
    problems = " ".join(check(tmp_path, [frame(0), twin, bare, wild])["problems"])
    assert "The same structure twice: cell-0 and twin." in problems
    assert "3 of 4 structures have energy" in problems
    assert "-2e+06 eV/atom as declared in eV; is that the file's unit?" in problems


def test_values_of_several_numbers_are_kept(tmp_path: Path) -> None:
    found = check(tmp_path, [frame(i, frequencies_THz=np.array([1.0, 2.0 + i])) for i in range(2)])
    assert "frequencies_THz" in found["common"]
    second = sets.read(tmp_path / "canonical.extxyz")[1]
    assert second.reference["frequencies_THz"].tolist() == [1.0, 3.0]


def test_an_element_of_few_structures_is_named(tmp_path: Path) -> None:
    gold = cell(9, "Au")
    gold.info["system_id"] = "gold"
    found = check(tmp_path, [*(frame(i) for i in range(4)), gold])
    assert "Elements of fewer than 3 structures: Au (1)." in found["notes"]


def test_the_dummy_is_what_zero_forces_and_mean_energies_get(tmp_path: Path) -> None:
    check(tmp_path, [frame(0, energy=-8.0), frame(1, energy=-8.4)])
    found = dummy_values(sets.read(tmp_path / "canonical.extxyz"))
    assert found["force_mae"] == pytest.approx(0.1)
    assert found["force_rmse"] == pytest.approx(0.1)
    assert found["energy_mae"] == pytest.approx(50.0)  # 0.2 eV of 4 atoms, in meV/atom
    assert found["energy_relative_error"] == pytest.approx(1.0)
    assert found["stress_mae"] == pytest.approx(np.mean(STRESS) / GPa, rel=1e-2)


def run(*arguments: str) -> tuple[int, dict[str, Any]]:
    answer = subprocess.run(
        [sys.executable, "-m", "evaluator.references.upload", *arguments],
        capture_output=True,
        check=False,
        timeout=60,
        env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    return answer.returncode, json.loads(answer.stdout)


@pytest.mark.slow
def test_as_a_command_it_answers_in_json_whatever_it_is_given(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "good.extxyz", [frame()], format="extxyz")
    out = str(tmp_path / "out.extxyz")
    code, found = run(str(tmp_path / "good.extxyz"), "--out", out)
    assert (code, found["ok"], found["summary"]["n_systems"]) == (0, True, 1)
    (tmp_path / "bad.extxyz").write_text("nonsense")
    code, found = run(str(tmp_path / "bad.extxyz"), "--out", out)
    assert (code, found["ok"]) == (1, False)
    assert "Frame 1, line 1: a number of atoms should stand here, not 'nonsense'" in found["reason"]


@pytest.mark.slow
def test_its_memory_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    path.write_text("[" + ",".join(["[0,0,0]"] * 4_000_000) + "]")
    code, found = run(str(path), "--out", str(tmp_path / "out.extxyz"), "--memory-mib", "400")
    assert (code, found["ok"]) == (1, False)
    assert "400 MiB" in found["reason"]
