import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.neighborlist import neighbor_list

from evaluator.protocols.base import System
from evaluator.references.checks import shortest_distance, summarise
from evaluator.references.conventions import Convention


def system(name: str, atoms: Atoms | None = None, **reference: object) -> System:
    return System(id=name, atoms=atoms or bulk("Cu"), reference=reference, family="metal")


def test_summary_counts_elements_properties_and_families() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    summary = summarise([system("a", energy=-1.0), system("b", salt, forces=np.zeros((2, 3)))])
    assert (summary.n_systems, summary.n_atoms) == (2, 3)
    assert summary.elements == {"Cl": 1, "Cu": 1, "Na": 1}
    assert summary.properties == {"energy": 1, "forces": 1}
    assert summary.families == {"metal": 2}
    assert summary.problems == ()


def test_each_implausible_number_is_a_sentence() -> None:
    close = Atoms("Cu2", [[0, 0, 0], [0, 0, 0.3]])
    summary = summarise(
        [
            system("close", close),
            system("hot", forces=np.array([[0.0, 0.0, 200.0]])),
            system("kbar", stress=np.full(6, 80.0)),
            system("molecule", Atoms("Cu"), stress=np.zeros(6)),
            system("joule", energy=1e9),
            system("shape", forces=np.zeros((3, 3))),
        ]
    )
    assert summary.problems == (
        "close: two atoms are 0.30 Å apart.",
        "hot: a force of 200 eV/Å as declared in eV/Å; is that the file's unit?",
        "hot: the forces sum to 200.00 eV/Å, not to zero.",
        "kbar: a stress of 12817 GPa as declared in eV/Å³; is that the file's unit?",
        "molecule: has a stress, but is not periodic in three directions.",
        "joule: 1e+09 eV/atom as declared in eV; is that the file's unit?",
        "shape: forces of shape (3, 3) for 1 atoms.",
    )


def test_doubts_speak_of_the_unit_that_was_declared() -> None:
    declared = Convention(energy_unit="Ha", force_unit="Ha/Bohr", stress_unit="kbar")
    systems = [
        system("hot", forces=np.array([[0.0, 0.0, 126.0]])),
        system("hard", stress=np.full(6, 80.0)),
        system("joule", energy=1e9),
    ]
    told = " ".join(summarise(systems, declared).problems)
    assert "hot: a force of 126 eV/Å after conversion from Ha/Bohr; is that the file's" in told
    assert "GPa after conversion from kbar; is that the file's unit?" in told
    assert "joule: 1e+09 eV/atom after conversion from Ha; is that the file's unit?" in told


def test_a_set_whose_typical_stress_is_beyond_all_matter_is_doubted() -> None:
    # 0.5 eV/Å^3 is 80.1 GPa: virials of small cells in eV, say, taken for stresses.
    virials = [system(f"v{i}", stress=np.full(6, 0.5)) for i in range(4)]
    (doubt,) = summarise(virials).problems
    assert doubt.startswith(
        "Half of the structures are under a stress of 80.1 GPa or more as declared in eV/Å³; is "
        "that the file's unit, or is it a virial"
    )
    assert summarise([*virials[:2], system("a", stress=np.zeros(6))]).problems != ()
    assert summarise([*virials[:1], system("a", stress=np.full(6, 0.01))] * 2).problems == ()
    assert summarise(virials[:2]).problems == ()


def test_many_alike_problems_are_counted() -> None:
    summary = summarise([system(f"s{i}", energy=1e9) for i in range(10)])
    assert len(summary.problems) == 4
    assert summary.problems[-1] == "and 7 more alike."


@pytest.mark.slow
@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False), (False, False, False)])
def test_the_shortest_distance_is_that_of_a_neighbour_list(pbc: tuple[bool, bool, bool]) -> None:
    rng = np.random.default_rng(3)
    n_found = 0
    for _ in range(60):
        cell_A = np.diag(rng.uniform(1.2, 4.0, 3)) + rng.uniform(-0.4, 0.4, (3, 3))
        atoms = Atoms("H6", rng.uniform(-1.5, 1.5, (6, 3)), cell=cell_A, pbc=pbc)
        expected = neighbor_list("d", atoms, 0.5)
        shortest = shortest_distance(atoms, 0.5)
        assert (shortest is None) == (len(expected) == 0)
        if shortest is not None:
            n_found += 1
            assert shortest == pytest.approx(expected.min())
    assert n_found > 3


@pytest.mark.slow
def test_skewed_cells_take_no_time_and_have_the_same_distances() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        atoms = Atoms("H4", rng.uniform(0, 2, (4, 3)), cell=[2.0, 2.1, 2.2], pbc=True)
        skewed = atoms.copy()
        skewed.set_cell([[1, 0, 0], [700, 1, 0], [-900, 800, 1]] @ atoms.cell.array)
        expected = shortest_distance(atoms, 0.9)
        assert shortest_distance(skewed, 0.9) == (expected and pytest.approx(expected))


def test_an_atom_too_near_to_its_own_image_is_found() -> None:
    assert shortest_distance(Atoms("H", cell=[0.4, 5, 5], pbc=True), 0.5) == pytest.approx(0.4)
    assert shortest_distance(Atoms("H", cell=[2, 2, 2], pbc=True), 0.5) is None


def test_a_crystal_whose_atoms_have_no_neighbours_is_named() -> None:
    gas = System(id="Cu-gas", atoms=bulk("Cu", "sc", a=9.0))
    metal = System(id="Cu", atoms=bulk("Cu"))
    in_a_box = molecule("H2O", vacuum=6.0, pbc=True)
    problems = summarise([gas, metal, System(id="water", atoms=in_a_box)]).problems
    assert problems == ("Cu-gas: no two atoms are within 6 Å: is it a crystal?",)
