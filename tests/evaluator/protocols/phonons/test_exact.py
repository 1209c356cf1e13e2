"""Lattices of springs whose frequencies are known in closed form, and what must not change them."""

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.data import atomic_masses, atomic_numbers

from evaluator.arrays import FloatArray
from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.catalog import check_parameters
from evaluator.metrics.phonons import thermodynamics
from evaluator.protocols.base import System, SystemFailure
from evaluator.protocols.phonons import lattice_dynamics as dynamics
from evaluator.protocols.phonons.protocol import PhononsProtocol
from tests.calculators import Constant, NonExtensive
from tests.evaluator.protocols.phonons.test_protocol import (
    THZ_OF_ROOT_EV_PER_A2_AMU,
    Scaled,
    Springs,
)

PARAMETERS = check_parameters(DESCRIPTIONS["phonons"].parameters, {"mesh": 4, "keeps_bands": False})
PROTOCOL = PhononsProtocol()
#: Nearest neighbours in rocksalt lie a/2 apart.
A, K = 5.0, 3.0


class Bonds(Calculator):
    """fcc with springs along the bonds of nearest neighbours: E = k/2 Σ (u_ij·r̂_ij)².

    Springs keep the length a/√2, so that this is their harmonic limit, without stress.
    """

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, a: float, k: float, *, curl: float = 0.0) -> None:
        super().__init__()
        self.a, self.k, self.curl = a, k, curl

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        sites = np.rint(2 * atoms.positions / self.a)
        u = atoms.positions - sites * self.a / 2
        steps = [np.array(s) for s in np.ndindex(3, 3, 3)]
        bonds = [s - 1 for s in steps if np.abs(s - 1).sum() == 2]
        inverse = np.linalg.inv(atoms.cell.array)
        energy, forces = 0.0, np.zeros_like(u)
        where = {self._key(p, inverse): i for i, p in enumerate(sites * self.a / 2)}
        for bond in bonds:
            others = [where[self._key(p, inverse)] for p in (sites + bond) * self.a / 2]
            direction = bond / np.sqrt(2)
            stretch = (u[others] - u) @ direction
            energy += 0.25 * self.k * float((stretch**2).sum())
            forces += self.k * stretch[:, None] * direction
            forces += self.curl * np.cross([0.0, 0.0, 1.0], u[others] - u)
        self.results = {"energy": energy, "forces": forces, "stress": np.zeros(6)}

    @staticmethod
    def _key(position: FloatArray, inverse: FloatArray) -> tuple[float, ...]:
        return tuple(np.round(position @ inverse, 6) % 1.0 % 1.0)


def rocksalt(first: str, second: str, n_cells: int = 2) -> System:
    atoms = bulk(f"{first}{second}", "rocksalt", a=A, cubic=True)
    return System(id="diatomic", atoms=atoms, reference={"supercell_matrix": n_cells * np.eye(3)})


def simulate(system: System, calculator: Calculator, **parameters: Any) -> dict[str, Any]:
    return PROTOCOL.simulate(system, calculator, PARAMETERS | parameters).values


def frequencies_of(atoms: Atoms, calculator: Calculator, qpoints: FloatArray) -> FloatArray:
    phonon = dynamics.force_constants(
        atoms,
        calculator,
        supercell_matrix=4 * np.eye(3, dtype=np.int64),
        is_primitive=True,
        displacement_A=0.01,
        symprec_A=1e-5,
    )
    return dynamics.frequencies_at(phonon, qpoints)


@pytest.mark.slow
@pytest.mark.parametrize("second", ["Cl", "I"])
def test_diatomic_lattice_has_its_exact_modes(second: str) -> None:
    # Each atom is bound to its six neighbours of the other kind. With m, M the masses,
    # C = 2 (cos x + cos y + cos z) and S = 3k (1/m + 1/M): ω² = S ± √(S² - k² (36 - C²)/(mM)).
    system = rocksalt("Na", second)
    values = simulate(system, Springs(A / 2, K))

    m, M = (atomic_masses[atomic_numbers[symbol]] for symbol in ("Na", second))
    unit, s = THZ_OF_ROOT_EV_PER_A2_AMU, 3 * K * (1 / m + 1 / M)
    # At Γ, C = 6: the three acoustic modes rest, the optical ones have ω² = 2S. (The masses of
    # phonopy and ASE differ in their last digits.)
    assert values["gamma_max_THz"] == pytest.approx(unit * np.sqrt(2 * s), rel=1e-4)
    assert values["omega_max_THz"] == pytest.approx(unit * np.sqrt(2 * s), rel=1e-4)
    # q = (n₁, n₂, n₃)/4 of the primitive reciprocal cell: x = π (-n₁ + n₂ + n₃)/4, and so on.
    n = np.array(list(np.ndindex(4, 4, 4)))
    angles = np.pi / 4 * n @ np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    c = 2 * np.cos(angles).sum(axis=1)
    root = np.sqrt(s**2 - K**2 * (36 - c**2) / (m * M))
    mean = (np.sqrt(s + root) + np.sqrt(np.clip(s - root, 0, None))).mean() / 2
    assert values["omega_mean_THz"] == pytest.approx(unit * mean, rel=1e-4)


@pytest.mark.slow
def test_gamma_is_the_same_in_every_supercell() -> None:
    small = simulate(rocksalt("Na", "Cl", 1), Springs(A / 2, K))
    large = simulate(rocksalt("Na", "Cl", 2), Springs(A / 2, K))
    assert small["n_supercell_atoms"] == 8
    assert large["n_supercell_atoms"] == 64
    assert small["gamma_max_THz"] == pytest.approx(large["gamma_max_THz"], rel=1e-6)


def test_fcc_with_springs_to_nearest_neighbours_has_its_exact_dispersion() -> None:
    # Along [100], x = 2π ζ/2 for q = 2π/a (ζ, 0, 0): with springs k along the twelve bonds
    # m ω_L² = 8k sin²(x/2) and m ω_T² = 4k sin²(x/2); at L, ω_L² = 8k/m and ω_T² = 2k/m.
    a, k, copper = 3.6, 2.0, bulk("Cu", a=3.6)
    unit = THZ_OF_ROOT_EV_PER_A2_AMU * np.sqrt(k / copper.get_masses()[0])
    zetas = (0.25, 0.5, 1.0)
    on_line = np.array([[0.0, z / 2, z / 2] for z in zetas])
    found = frequencies_of(copper, Bonds(a, k), np.vstack([on_line, [[0.5, 0.5, 0.5]]]))

    for zeta, modes in zip(zetas, found, strict=False):
        sine = np.sin(np.pi * zeta / 2)
        np.testing.assert_allclose(modes, unit * sine * np.sqrt([4, 4, 8]), rtol=1e-5)
    np.testing.assert_allclose(found[-1], unit * np.sqrt([2, 2, 8]), rtol=1e-5)


def test_flat_bands_are_einsteins_crystal() -> None:
    # hf = kT: f = kT/h = 6.2509 THz at 300 K; x = 1 gives, per mole of atoms (3R = 24.9434),
    # C_V = 3R e/(e-1)² = 22.965, S = 3R (1/(e-1) - ln(1-1/e)) = 25.957 J/(K mol) and
    # F = 3RT (1/2 + ln(1-1/e)) = 0.309 kJ/mol.
    flat = np.full((5, 6), 6.25098)
    found = thermodynamics(flat, np.arange(1.0, 6.0), 300.0)
    assert found.heat_capacity == pytest.approx(22.965, abs=0.002)
    assert found.entropy == pytest.approx(25.957, abs=0.002)
    assert found.free_energy == pytest.approx(0.309, abs=0.001)


def test_hot_crystal_is_classical_and_a_cold_one_rests() -> None:
    modes, weights = np.linspace(1.0, 12.0, 12).reshape(2, 6), np.ones(2)
    # 3Nk, which is 3R = 24.943 for a mole of atoms.
    assert thermodynamics(modes, weights, 3e4).heat_capacity == pytest.approx(24.943, abs=0.001)
    cold = thermodynamics(modes, weights, 1.0)
    assert cold.heat_capacity == pytest.approx(0, abs=1e-12)
    assert cold.entropy == pytest.approx(0, abs=1e-12)


@pytest.mark.slow
def test_forces_scaled_by_08_scale_frequencies_by_its_root() -> None:
    copper = System(id="Cu", atoms=bulk("Cu"), reference={"supercell_matrix": 2 * np.eye(3)})
    true = simulate(copper, EMT(), fmax_eV_A=0.0001)
    found = simulate(copper, Scaled(0.8), fmax_eV_A=0.0001)
    for name in ("omega_max_THz", "omega_mean_THz"):
        assert found[name] == pytest.approx(np.sqrt(0.8) * true[name], rel=1e-3)


@pytest.mark.slow
def test_modes_are_blind_to_an_energy_that_is_not_extensive() -> None:
    # Only forces and stress enter; the equation of state is what such a potential fails.
    copper = System(id="Cu", atoms=bulk("Cu"), reference={"supercell_matrix": 2 * np.eye(3)})
    assert simulate(copper, NonExtensive())["omega_max_THz"] == pytest.approx(
        simulate(copper, EMT())["omega_max_THz"], rel=1e-6
    )


@pytest.mark.slow
def test_modes_are_blind_to_a_curl_which_the_consistency_checks_see() -> None:
    # What is antisymmetric in the force constants belongs to no energy, and symmetry removes it.
    a, k, copper = 3.6, 2.0, bulk("Cu", a=3.6)
    qpoints = np.array([[0.0, 0.5, 0.5], [0.5, 0.5, 0.5], [0.1, 0.2, 0.4]])
    straight = frequencies_of(copper, Bonds(a, k), qpoints)
    curled = frequencies_of(copper, Bonds(a, k, curl=0.5), qpoints)
    np.testing.assert_allclose(curled, straight, rtol=1e-6)


def test_crystal_whose_relaxation_never_ends_is_charged() -> None:
    class Restless(Springs):
        """A stress that turns its sign with every call."""

        def calculate(
            self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
        ) -> None:
            self.stress = -self.stress
            super().calculate(atoms, properties, system_changes)

    cubic = System(id="sc", atoms=Atoms("Ar", cell=[3.0] * 3, pbc=True))
    with pytest.raises(SystemFailure, match="did not converge in 10 steps"):
        simulate(cubic, Restless(3.0, 1.0, stress=0.01), max_relaxation_steps=10)


class Rippled(Springs):
    """Springs whose forces hold a ripple: along each axis F = -k s - a sin(2π s/λ) of a stretch s.

    Found with a displacement D, the spring is k + a sin(2π D/λ)/D: each D sees another curvature.
    """

    def __init__(self, a: float, k: float, *, ripple_eV_A: float, wavelength_A: float) -> None:
        super().__init__(a, k)
        self.ripple_eV_A, self.wavelength_A = ripple_eV_A, wavelength_A

    def force(self, stretch: FloatArray) -> FloatArray:
        wave = np.sin(2 * np.pi * stretch / self.wavelength_A)
        return super().force(stretch) + self.ripple_eV_A * wave

    def seen_at(self, displacement_A: float) -> float:
        return float(self.force(np.array([displacement_A]))[0]) / displacement_A


def simple_cubic() -> System:
    atoms = Atoms("Ar", cell=[3.0] * 3, pbc=True)
    return System(id="sc", atoms=atoms, reference={"supercell_matrix": 4.0 * np.eye(3)})


def test_roughness_of_a_rippled_lattice_is_that_of_its_springs() -> None:
    # All frequencies go with the root of the one spring.
    rippled = Rippled(3.0, 2.0, ripple_eV_A=0.005, wavelength_A=0.02)
    small, large = rippled.seen_at(0.003), rippled.seen_at(0.01)
    assert small == pytest.approx(2.0 + 0.005 * np.sin(0.3 * np.pi) / 0.003)
    assert large == pytest.approx(2.0)
    found = simulate(simple_cubic(), rippled)
    assert found["roughness_percent"] == pytest.approx(100 * (np.sqrt(small / large) - 1), rel=1e-4)
    assert found["roughness_percent"] > 25
    # What is scored is found with the scored displacement alone.
    smooth = simulate(simple_cubic(), Springs(3.0, 2.0))
    assert smooth["roughness_percent"] == pytest.approx(0.0, abs=1e-6)
    assert found["omega_mean_THz"] == pytest.approx(smooth["omega_mean_THz"], rel=1e-6)
    assert found["omega_mean_small_THz"] == pytest.approx(
        np.sqrt(small / large) * smooth["omega_mean_THz"], rel=1e-6
    )


def test_a_flat_potential_has_no_roughness_and_is_not_charged_for_it() -> None:
    outcome = PROTOCOL.simulate(simple_cubic(), Constant(), PARAMETERS)
    assert "roughness_percent" not in outcome.values
    samples, _ = PROTOCOL.samples([simple_cubic()] * 2, [outcome, None], PARAMETERS)
    # One that failed is charged.
    assert samples["phonon_roughness_median"].missing.tolist() == [True, False]


def test_roughness_can_be_left_out_and_saves_its_calls() -> None:
    without = PARAMETERS | {"roughness_displacement_A": 0.0}
    counting = Scaled(1.0)
    copper = System(id="Cu", atoms=bulk("Cu"), reference={"supercell_matrix": 2 * np.eye(3)})
    outcome = PROTOCOL.simulate(copper, counting, without)
    n_without, counting.n_calls = counting.n_calls, 0
    PROTOCOL.simulate(copper, counting, PARAMETERS)
    assert counting.n_calls == n_without + 1
    assert "roughness_percent" not in outcome.values
    samples, _ = PROTOCOL.samples([copper] * 2, [outcome, None], without)
    assert samples["phonon_roughness_median"].missing.all()


def test_highest_mode_at_gamma_is_the_optical_one_and_negative_where_it_is_imaginary() -> None:
    # Springs that push turn ω² = 2S of the diatomic lattice into its negative.
    pulled = simulate(rocksalt("Na", "Cl", 1), Springs(A / 2, K))
    pushed = simulate(rocksalt("Na", "Cl", 1), Springs(A / 2, -K))
    assert pulled["gamma_max_THz"] > 5
    assert pushed["gamma_max_THz"] == pytest.approx(-pulled["gamma_max_THz"], rel=1e-6)
    assert pushed["has_imaginary_modes"]
