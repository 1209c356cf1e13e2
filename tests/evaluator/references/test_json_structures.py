"""JSON: structures of plain lists, refused at their place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evaluator.exceptions import SubmissionError
from evaluator.references.json_structures import read_json

NAMES = ("energy", "forces", "stress")
ROW: dict[str, Any] = {"symbols": ["Cu", "Cu"], "positions": [[0, 0, 0], [0, 0, 2]]}


def read(row: Any, names: tuple[str, ...] = NAMES) -> Any:
    (record,) = read_json(json.dumps([row]), names)
    return record


def test_formulas_numbers_cells_and_truth_values_are_read() -> None:
    assert read(ROW | {"symbols": "Cu2"}).atoms.numbers.tolist() == [29, 29]
    assert read({"numbers": [1, 8], "positions": ROW["positions"]}).atoms.numbers.tolist() == [1, 8]
    for cell in ([[4, 0, 0], [0, 4, 0], [0, 0, 4]], [4, 4, 4], [4, 4, 4, 90, 90, 90]):
        assert read(ROW | {"cell": cell}).atoms.get_volume() == pytest.approx(64)
    assert read(ROW | {"cell": [4, 4, 4], "pbc": [1, True, 0]}).atoms.pbc.tolist() == [1, 1, 0]
    assert not read(ROW | {"cell": None}).atoms.pbc.any()


def test_values_are_found_under_the_names_that_were_given() -> None:
    row = ROW | {"REF_energy": -1.0, "values": {"energy": -2.0}}
    assert read(row, ("REF_energy", "forces", "stress")).values == {
        "energy": -2.0,
        "REF_energy": -1.0,
    }
    with pytest.raises(SubmissionError, match="Structure 0 has 'REF_energy'; known are"):
        read(row)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"symbols": ["Cu"]}, "1 elements for 2 positions"),
        ({"symbols": "H2O"}, "'H2O' has 3 atoms, not 2"),
        ({"symbols": "Xy2"}, "'Xy' is no symbol"),
        ({"symbols": "((" * 5000}, "is no formula"),
        ({"symbols": "H" + "9" * 30}, "is no formula"),
        ({"symbols": "H99999999999"}, "has 99999999999 atoms, not 2"),
        ({"symbols": [29, 29]}, "'29' is no symbol: use numbers"),
        ({"symbols": ["cu", "Cu"]}, "Is Cu meant"),
        ({"numbers": [29, 29]}, "give symbols or numbers, one of them"),
        ({"symbols": None, "numbers": [29, 10**30]}, "an atomic number is 1 to 118"),
        ({"symbols": None, "numbers": [29, True]}, "an atomic number is 1 to 118, not 'True'"),
        ({"positions": [[0, 0, 0], [0, 0]]}, "positions must be three finite numbers"),
        ({"positions": [[0, 0, 0], [0, 0, 10**400]]}, "positions must be three finite numbers"),
        ({"cell": [[4, 0], [0, 4]]}, "cell must be three vectors"),
        ({"cell": [4, 4, 4, 10, 10, 90]}, "lengths and angles of the cell make none"),
        ({"cell": [4, 4, 4], "pbc": "T T T"}, "pbc must be true, false or three"),
        ({"cell": [[4, 0, 0], [8, 0, 0], [0, 0, 4]]}, "lie in one plane or line"),
        ({"values": [1]}, r"values must be an object, not '\[1\]'"),
        ({"values": {"energy": 1}, "energy": 1}, "'energy' stands beside values and in it"),
    ],
)
def test_what_is_no_structure_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SubmissionError, match=f"Structure 0: .*{complaint}"):
        read(ROW | changes)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"@module": "pymatgen.core.structure", "sites": []}, "JSON of pymatgen"),
        ([{"structure": {"@module": "x"}, "outputs": {}}], "Structure 0 holds 'structure'"),
        ([{"atoms": {"lattice_mat": []}, "jid": 1}], "Structure 0 holds 'atoms'"),
        ({"1": {"cell": {}}, "ids": [1], "nextid": 2}, "a database of ASE"),
    ],
)
def test_json_of_other_programs_is_named(content: Any, complaint: str) -> None:
    with pytest.raises(SubmissionError, match=complaint):
        read_json(json.dumps(content), NAMES)
