import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from evaluator.metrics.dynamics import distances, nearby_distances
from evaluator.metrics.structure import RadialDistribution, block_error, largest_radius, rdf_error

SKEWED = np.array([[9.0, 0.0, 0.0], [2.0, 8.0, 0.0], [-1.0, 3.0, 10.0]])


def test_ideal_gas_has_a_g_of_one_everywhere_in_any_cell() -> None:
    rng = np.random.default_rng(1)
    for cell in (np.eye(3) * 10.0, SKEWED):
        found = RadialDistribution(cell, 40, 8, largest_radius(cell))
        for _ in range(400):
            found.add(rng.random((40, 3)) @ cell)
        # 40 * 39 / 2 * 400 pairs; the first shell holds 0.1 % of them.
        np.testing.assert_allclose(found.g()[1:], 1, atol=0.05)


def test_integral_of_g_over_a_shell_counts_the_neighbours_of_a_crystal() -> None:
    # fcc: 12 neighbours at a/√2, 6 at a; (n - 1)/V is the density that g refers to.
    atoms = bulk("Cu", "fcc", a=4.05, cubic=True).repeat(3)
    found = RadialDistribution(atoms.cell.array, len(atoms), 60, 6.0)
    found.add(atoms.positions)
    density = (len(atoms) - 1) / atoms.get_volume()
    shells = density * 4 / 3 * np.pi * np.diff(found.edges**3) * found.g()
    filled = {round(float(r), 1): n for r, n in zip(found.edges, shells, strict=False) if n > 1e-9}
    # 4.05 Å times √(1/2), 1, √(3/2), √2, each in a bin of 0.1 Å.
    assert filled == pytest.approx({2.8: 12, 4.0: 6, 4.9: 24, 5.7: 12})


def test_radius_beyond_half_the_cell_is_refused() -> None:
    # Heights of a skewed cell are shorter than its edges.
    limit = largest_radius(SKEWED)
    assert limit < 4.0
    with pytest.raises(ValueError, match="at most half the cell's height"):
        RadialDistribution(SKEWED, 4, 10, 1.01 * limit)
    with pytest.raises(ValueError, match="no frame"):
        RadialDistribution(SKEWED, 4, 10, limit).g()


def test_error_is_nought_for_the_reference_and_a_hundred_for_an_ideal_gas() -> None:
    reference = np.array([0.0, 0.0, 3.0, 0.5, 1.5])
    assert rdf_error(reference, reference) == 0
    assert rdf_error(np.ones(5), reference) == 100
    assert rdf_error(np.array([5.0, 5.0, 5.0, 5.0, 5.0]), reference) == 100
    # |g - g_ref| sums to 0.5, |g_ref - 1| to 1 + 1 + 2 + 0.5 + 0.5 = 5.
    assert rdf_error(np.array([0.0, 0.0, 2.5, 0.5, 1.5]), reference) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("g", "reference", "complaint"),
    [
        (np.ones(4), np.zeros(5), "must be alike"),
        (np.array([np.nan, 1.0]), np.zeros(2), "finite"),
        (np.zeros(2), np.ones(2), "no structure"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    g: np.ndarray, reference: np.ndarray, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        rdf_error(g, reference)


def test_nearby_distances_are_the_shortest_up_to_their_radius() -> None:
    rng = np.random.default_rng(2)
    for cell in (SKEWED, np.eye(3) * 4.0, bulk("Si").cell.array):
        positions = rng.random((30, 3)) @ cell
        found, radius = nearby_distances(positions, cell)
        exact = distances(positions, cell)
        assert radius == pytest.approx(largest_radius(cell))
        near = (exact < radius) | (found < radius)
        np.testing.assert_allclose(found[near], exact[near], atol=1e-12)
        assert (found >= exact - 1e-12).all()


def test_distances_of_many_atoms_are_those_of_ase() -> None:
    rng = np.random.default_rng(3)
    atoms = Atoms("H150", rng.random((150, 3)) @ SKEWED, cell=SKEWED, pbc=True)
    expected = atoms.get_all_distances(mic=True)
    np.fill_diagonal(expected, np.inf)
    np.testing.assert_allclose(distances(atoms.positions, SKEWED), expected, atol=1e-10)


def test_block_error_of_a_correlated_series_is_larger_than_that_of_its_values() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=20000)
    assert block_error(noise, 20) == pytest.approx(1 / np.sqrt(20000), rel=0.5)
    slow = np.repeat(rng.normal(size=200), 100)
    # 200 independent values, each told a hundred times.
    assert block_error(slow, 20) == pytest.approx(1 / np.sqrt(200), rel=0.5)
    assert np.isnan(block_error(np.ones(9)))
