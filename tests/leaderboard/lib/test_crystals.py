"""One crystal in several cells, and crystals that are nearly the same."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from leaderboard.lib.crystals import shape_of
from leaderboard.lib.extxyz import ShownStructure


def shown(atoms: Atoms) -> ShownStructure:
    return ShownStructure(
        system_id="a",
        family="",
        symbols=tuple(atoms.get_chemical_symbols()),
        positions=tuple(map(tuple, atoms.positions)),
        cell=tuple(map(tuple, atoms.cell.array)) if atoms.cell.rank == 3 else None,
        text="",
    )


def is_same(one: Atoms, other: Atoms) -> bool:
    shapes = shape_of(shown(one)), shape_of(shown(other))
    assert shapes[0] is not None and shapes[1] is not None
    assert shapes[0].is_that_of(shapes[1]) == shapes[1].is_that_of(shapes[0])
    return shapes[0].is_that_of(shapes[1])


@pytest.mark.parametrize(
    ("formula", "structure"), [("Si", "diamond"), ("NaCl", "rocksalt"), ("Al", "fcc")]
)
def test_another_cell_of_another_size_turned_and_shifted_is_the_same_crystal(
    formula: str, structure: str
) -> None:
    primitive = bulk(formula, structure, a=5.0)
    conventional = bulk(formula, structure, a=5.6, cubic=True)
    conventional.rotate(33, (1, 2, 3), rotate_cell=True)
    conventional.positions += [0.3, -8.0, 21.0]
    assert is_same(primitive, conventional)
    assert is_same(primitive, primitive.repeat((2, 1, 1)))


def test_other_crystals_of_the_same_formula_are_told_apart() -> None:
    rocksalt, zincblende = (bulk("ZnS", kind, a=5.4) for kind in ("rocksalt", "zincblende"))
    assert not is_same(rocksalt, zincblende)
    assert not is_same(bulk("Fe", "bcc", a=2.8), bulk("Fe", "fcc", a=3.6))
    assert not is_same(bulk("Mg", a=3.2, c=5.2), bulk("Mg", a=3.2, c=5.3))
    # Both have their atoms on one face-centred lattice.
    ordered = bulk("Cu", "fcc", a=4.0, cubic=True)
    ordered.symbols = ["Cu", "Cu", "Au", "Au"]
    other = bulk("Cu", "fcc", a=4.0).repeat((4, 1, 1))
    other.symbols = ["Cu", "Cu", "Au", "Au"]
    assert not is_same(ordered, other)
    assert not is_same(ordered, bulk("Al", "fcc", a=4.0))


def test_a_crystal_whose_atoms_are_off_their_places_is_another() -> None:
    shaken = bulk("Si", "diamond", a=5.43)
    shaken.positions[1] += 0.05
    assert not is_same(shaken, bulk("Si", "diamond", a=5.43))


def test_what_is_no_small_crystal_has_no_shape() -> None:
    assert shape_of(shown(Atoms("H2", [[0, 0, 0], [0, 0, 0.7]]))) is None
    assert shape_of(shown(bulk("Al").repeat(3))) is None
    flat = shown(Atoms("H", cell=np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0]]), pbc=True))
    assert shape_of(flat) is None


@pytest.mark.parametrize(
    "cell",
    [
        [[3.0, 0.0, 0.0], [30_000.0, 3.0, 0.0], [0.0, 0.0, 3.0]],
        [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 1e-9]],
    ],
    ids=["sheared", "thin"],
)
def test_a_cell_that_would_fill_the_memory_is_not_compared(cell: list[list[float]]) -> None:
    assert shape_of(shown(Atoms("Si", cell=cell))) is None
