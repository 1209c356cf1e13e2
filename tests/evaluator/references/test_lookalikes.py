"""What looks like a reference value under another name is told, wherever it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.exceptions import SubmissionError
from evaluator.references.conventions import Convention
from evaluator.references.formats import read_file
from evaluator.references.lookalikes import unused_lookalikes
from evaluator.references.upload import check_upload


def read(
    tmp_path: Path, info: str, column: str = "", convention: Convention | None = None
) -> tuple[list[str], list[str]]:
    """Doubts and notes of two frames with these values and three numbers of each atom."""
    chosen = convention or Convention()
    further = f":{column}:R:3" if column else ""
    text = "".join(
        f'1\nLattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3{further}'
        f" {info}\nCu 0 0 {i}{' 0.1 0 0' if column else ''}\n"
        for i in range(2)
    )
    path = tmp_path / "file.xyz"
    path.write_text(text)
    return unused_lookalikes(read_file(path, chosen).records, chosen)


@pytest.mark.parametrize(
    ("info", "column", "name", "quantity"),
    [
        ("REF_energy=-1", "", "REF_energy", "energy"),
        ("dft_energy=-1", "", "dft_energy", "energy"),
        ("free_energy=-1", "", "free_energy", "energy"),
        ("TotEnergy=-1", "", "TotEnergy", "energy"),
        ("E=-1", "", "E", "energy"),
        ("", "REF_forces", "REF_forces", "forces"),
        ("", "force", "force", "forces"),
        ("", "DFT_Gradient", "DFT_Gradient", "forces"),
        ('virial="1 2 3 4 5 6"', "", "virial", "stress"),
        ('virials="1 2 3 4 5 6"', "", "virials", "stress"),
        ('REF_stress="1 2 3 4 5 6"', "", "REF_stress", "stress"),
        ('stress_voigt="1 2 3 4 5 6"', "", "stress_voigt", "stress"),
        ("", "stresses", "stresses", "stress"),
        ("", "energies", "energies", "energy"),
    ],
)
def test_a_lookalike_alone_is_offered(
    tmp_path: Path, info: str, column: str, name: str, quantity: str
) -> None:
    doubts, _ = read(tmp_path, info, column)
    (doubt,) = doubts
    assert doubt.startswith(f"No structure has {quantity}, but the file has {name} (every structu")
    assert f"({quantity}_name)" in doubt
    assert ("virial in eV" in doubt) == name.startswith("virial")


def test_a_lookalike_beside_what_is_used_is_told_with_the_difference(tmp_path: Path) -> None:
    doubts, notes = read(tmp_path, "energy=-1.5 free_energy=-1.25 REF_energy=-1.5")
    unused = "(every structure) is there too and is not used; it"
    assert doubts == [f"energy is used; free_energy {unused} differs by up to 0.25."]
    assert notes == [f"energy is used; REF_energy {unused} says the same."]
    chosen = Convention(energy_name="free_energy")
    assert (
        "free_energy is used; energy (ev"
        in read(tmp_path, "energy=-1 free_energy=-2", "", chosen)[0][0]
    )


def test_energies_of_atoms_beside_that_of_the_structure_are_no_doubt(tmp_path: Path) -> None:
    doubts, notes = read(tmp_path, "energy=-1", "energies")
    assert doubts == []
    assert len(notes) == 1
    assert notes[0].endswith("is there too and is not used: it is a column of the atoms.")


def test_other_quantities_and_marks_are_no_lookalikes(tmp_path: Path) -> None:
    info = (
        "energy=-1 surface_energy_J_m2=1 formation_energy=2 energy_above_hull=0 band_gap=1 "
        "kinetic_energy=1 energy_cutoff=500 max_force=1 strain=0.1 temperature_K=300"
    )
    assert read(tmp_path, info) == ([], [])


def test_columns_that_are_left_out_and_moments_are_noted(tmp_path: Path) -> None:
    assert read(tmp_path, "", "tags") == (
        [],
        ["Columns that are left out: tags (every structure)."],
    )
    assert read(tmp_path, "", "magmoms")[1] == [
        "Magnetic moments are neither compared nor given to potentials: magmoms (every structure)."
    ]


def test_a_name_that_was_chosen_and_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SubmissionError, match=r"No structure has DFT_E, which is named for the e.*"
    ):
        read(tmp_path, "REF_energy=1", "", Convention(energy_name="DFT_E"))


def test_names_that_may_be_meant_are_offered(tmp_path: Path) -> None:
    path = tmp_path / "set.extxyz"
    header = 'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:REF_forces:R:3'
    frames = [f"{header} REF_energy={-i} DFT_energy=1.0" for i in range(2)]
    path.write_text("".join(f"1\n{frame}\nCu 0 0 0 0 0 0\n" for frame in frames))
    found = check_upload(path, tmp_path / "out.extxyz", Convention())
    assert found["offers"] == {"energy": ["DFT_energy", "REF_energy"], "forces": ["REF_forces"]}
    chosen = Convention(energy_name="REF_energy", forces_name="REF_forces")
    assert check_upload(path, tmp_path / "out.extxyz", chosen)["offers"] == {}
