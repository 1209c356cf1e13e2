"""The picture of a structure has its atoms, its cell and no more."""

from __future__ import annotations

import re

from leaderboard.charts.structure import MAX_ATOMS, structure_picture
from leaderboard.lib.extxyz import ShownStructure

CUBE = ((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0))


def structure(*atoms: tuple[str, tuple[float, float, float]], **fields: object) -> ShownStructure:
    return ShownStructure(
        system_id="a",
        family="",
        symbols=tuple(symbol for symbol, _ in atoms),
        positions=tuple(position for _, position in atoms),
        cell=fields.get("cell", CUBE),  # type: ignore[arg-type]
        text="",
    )


def test_an_atom_at_the_corner_is_drawn_at_all_corners_and_the_cell_has_twelve_edges() -> None:
    picture = structure_picture(structure(("Cs", (0, 0, 0)), ("Cl", (2, 2, 2))))
    assert picture is not None
    assert sorted(atom[-1] for atom in picture.scene["atoms"]) == ["Cl"] + 8 * ["Cs"]
    assert len(picture.scene["edges"]) == 12
    assert picture.svg.count("<circle") == 9
    assert [symbol for symbol, _ in picture.legend] == ["Cl", "Cs"]


def test_what_lies_outside_of_the_cell_is_drawn_within() -> None:
    inside = structure_picture(structure(("Al", (1, 1, 1))))
    outside = structure_picture(structure(("Al", (5, -3, 9))))
    assert inside == outside


def test_a_molecule_has_bonds_and_no_cell() -> None:
    water = (("O", (0.0, 0.0, 0.0)), ("H", (0.76, 0.59, 0.0)), ("H", (-0.76, 0.59, 0.0)))
    picture = structure_picture(structure(*water, cell=None))
    assert picture is not None
    assert (len(picture.scene["bonds"]), picture.scene["edges"]) == (2, [])


def test_all_that_is_drawn_lies_within_the_picture() -> None:
    picture = structure_picture(structure(("U", (0, 0, 0)), ("H", (1, 2, 3))))
    assert picture is not None
    numbers = re.findall(r' (?:cx|cy|x1|x2|y1|y2)="([^"]+)"', picture.svg)
    assert numbers
    assert all(0 <= float(number) <= 400 for number in numbers)


def test_a_hostile_symbol_is_escaped_and_a_crowd_is_not_drawn() -> None:
    picture = structure_picture(structure(("<script>", (0, 0, 0))))
    assert picture is not None
    assert "<script>" not in picture.svg
    crowd = [("Cu", (0.0, 0.0, 0.01 * n)) for n in range(MAX_ATOMS + 1)]
    assert structure_picture(structure(*crowd)) is None
