from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.eos import EquationOfState as AseEquationOfState
from ase.eos import birchmurnaghan
from ase.units import GPa

from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.catalog import check_parameters
from evaluator.protocols.base import System, SystemFailure, UnsuitableReference
from evaluator.protocols.equation_of_state import EquationOfStateProtocol, scaled_to_volume

DESCRIPTION = DESCRIPTIONS["equation_of_state"]
PARAMETERS = check_parameters(DESCRIPTION.parameters, {})
COPPER = {"volume_per_atom_A3": 11.95, "bulk_modulus_GPa": 141.3, "bulk_modulus_derivative": 4.86}
PROTOCOL = EquationOfStateProtocol()


class Curve(Calculator):
    """An energy per atom that depends on the volume per atom alone; counts its calls."""

    implemented_properties = ["energy"]

    def __init__(self, energy: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.energy, self.n_calls, self.asked = energy, 0, set[str]()

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        self.n_calls += 1
        self.asked |= set(properties)
        volume = atoms.get_volume() / len(atoms)
        self.results = {"energy": len(atoms) * float(self.energy(volume))}


def system(atoms: Atoms | None = None, **reference: float) -> System:
    return System(
        id="Cu",
        atoms=atoms if atoms is not None else bulk("Cu", a=3.7),
        reference=COPPER | reference,
    )


def birch_murnaghan(v0: float, b0_GPa: float, derivative: float) -> Curve:
    return Curve(lambda v: birchmurnaghan(v, -3.0, b0_GPa * GPa, derivative, v0))


@pytest.mark.parametrize("v0", [9.3, 11.95, 14.6])
def test_equation_of_an_analytic_potential_is_found_wherever_its_minimum_is(v0: float) -> None:
    outcome = PROTOCOL.simulate(system(), birch_murnaghan(v0, 120.0, 5.2), PARAMETERS)

    assert outcome.values["element"] == "Cu"
    assert outcome.values["volume_per_atom_A3"] == pytest.approx(v0, rel=1e-8)
    assert outcome.values["bulk_modulus_GPa"] == pytest.approx(120.0, rel=1e-6)
    assert outcome.values["bulk_modulus_derivative"] == pytest.approx(5.2, rel=1e-4)


def test_delta_is_zero_for_the_reference_itself() -> None:
    calculator = birch_murnaghan(*COPPER.values())
    outcome = PROTOCOL.simulate(system(), calculator, PARAMETERS)
    assert outcome.values["delta_meV"] == pytest.approx(0, abs=1e-5)


def all_electron(dtype: type[np.floating[Any]]) -> Curve:
    """The exact curve of copper over the energy of all its electrons, in a type."""
    b0, derivative = COPPER["bulk_modulus_GPa"] * GPa, COPPER["bulk_modulus_derivative"]
    return Curve(lambda v: dtype(birchmurnaghan(v, -45_000.0, b0, derivative, 11.95)))


def test_energies_too_coarse_for_the_curve_are_said_to_be_so() -> None:
    exact = PROTOCOL.simulate(system(), all_electron(np.float64), PARAMETERS)
    assert exact.values["delta_meV"] == pytest.approx(0, abs=1e-3)
    assert "remark" not in exact.values
    told = "Its energies come in steps of 0.004 eV, where the whole curve spans"
    try:
        coarse = str(PROTOCOL.simulate(system(), all_electron(np.float32), PARAMETERS).values)
    except SystemFailure as failure:
        coarse = str(failure)
    assert told in coarse
    # An ordinary energy in single precision is fine enough.
    plain = Curve(lambda v: np.float32(birchmurnaghan(v, -3.7, 140 * GPa, 4.9, 11.95)))
    assert "remark" not in PROTOCOL.simulate(system(), plain, PARAMETERS).values


def test_few_calls_are_made_and_energies_alone_are_asked_for() -> None:
    calculator = birch_murnaghan(11.5, 120.0, 5.2)
    PROTOCOL.simulate(system(), calculator, PARAMETERS)
    assert calculator.asked == {"energy"}
    assert calculator.n_calls == 5 + 7  # the search, and one window: it is centred at once


def test_window_that_is_not_centred_is_moved() -> None:
    # Waves of 0.6 Å³ are what five points do not see.
    calculator = Curve(lambda v: 0.05 * (v - 12.3) ** 2 + 0.003 * np.sin(11 * v))
    values = PROTOCOL.simulate(system(), calculator, PARAMETERS).values
    assert calculator.n_calls == 5 + 3 * 7
    middle = values["curve_volumes_A3"][3]
    assert values["volume_per_atom_A3"] == pytest.approx(middle, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.91, 0.97, 1.04, 1.12])
def test_result_hardly_depends_on_the_reference_volume(share: float) -> None:
    # Within the tolerance for the window's centre; EMT's curve is no Birch-Murnaghan one.
    here = PROTOCOL.simulate(system(), EMT(), PARAMETERS).values
    elsewhere = system(volume_per_atom_A3=share * COPPER["volume_per_atom_A3"])
    there = PROTOCOL.simulate(elsewhere, EMT(), PARAMETERS).values
    assert there["volume_per_atom_A3"] == pytest.approx(here["volume_per_atom_A3"], rel=3e-4)
    assert there["bulk_modulus_GPa"] == pytest.approx(here["bulk_modulus_GPa"], rel=5e-3)


def test_of_two_minima_the_one_downhill_of_the_reference_is_fitted() -> None:
    def energy(volume: float) -> float:
        wells = [birchmurnaghan(volume, -3.0, 0.9, 5.0, v0) for v0 in (10.0, 14.0)]
        return float(min(wells))

    near_small = system(volume_per_atom_A3=10.6)
    near_large = system(volume_per_atom_A3=13.4)
    small = PROTOCOL.simulate(near_small, Curve(energy), PARAMETERS).values
    large = PROTOCOL.simulate(near_large, Curve(energy), PARAMETERS).values
    assert small["volume_per_atom_A3"] == pytest.approx(10.0, rel=1e-6)
    assert large["volume_per_atom_A3"] == pytest.approx(14.0, rel=1e-6)


@pytest.mark.slow
def test_curve_that_is_not_smooth_is_a_failure_with_a_reason() -> None:
    calculator = Curve(lambda v: 0.05 * (v - 12.3) ** 2 + 0.02 * (37 * v % 1))
    with pytest.raises(SystemFailure, match="still moved after 8 fits: the curve is not smooth"):
        PROTOCOL.simulate(system(), calculator, PARAMETERS)
    assert calculator.n_calls == 5 + 8 * 7


def test_curve_points_lie_around_the_minimum() -> None:
    values = PROTOCOL.simulate(system(), birch_murnaghan(11.5, 120.0, 5.2), PARAMETERS).values
    volumes, energies = values["curve_volumes_A3"], values["curve_energies_meV"]
    assert len(volumes) == len(energies) == 7
    assert volumes[0] == pytest.approx(0.94 * 11.5, rel=1e-3)
    assert volumes[-1] == pytest.approx(1.06 * 11.5, rel=1e-3)
    assert min(energies) == energies[3] == 0


def test_bulk_modulus_of_emt_copper_agrees_with_ase() -> None:
    values = PROTOCOL.simulate(system(), EMT(), PARAMETERS).values

    volumes = values["volume_per_atom_A3"] * np.linspace(0.94, 1.06, 7)
    energies = []
    for volume in volumes:
        copper = bulk("Cu", a=(4 * volume) ** (1 / 3))
        copper.calc = EMT()
        energies.append(copper.get_potential_energy())
    v0, _, b0 = AseEquationOfState(volumes, energies, eos="birchmurnaghan").fit()
    assert values["volume_per_atom_A3"] == pytest.approx(v0, rel=1e-3)
    assert values["bulk_modulus_GPa"] == pytest.approx(b0 / GPa, rel=1e-2)


def test_result_depends_on_neither_the_starting_cell_nor_its_repetition() -> None:
    small = PROTOCOL.simulate(system(bulk("Cu", a=3.5)), EMT(), PARAMETERS).values
    large = PROTOCOL.simulate(system(bulk("Cu", a=3.9).repeat(2)), EMT(), PARAMETERS).values
    for name in ("volume_per_atom_A3", "bulk_modulus_GPa", "bulk_modulus_derivative"):
        assert large[name] == pytest.approx(small[name], rel=1e-6)


@pytest.mark.parametrize(
    ("energy", "reason"),
    [
        (lambda v: -v, "still falls at \\+30 %"),
        (lambda v: v, "still falls at -30 %"),
        (lambda v: -1.0, "does not depend on the volume"),
        (lambda v: np.nan, "not a finite number"),
    ],
)
def test_curve_without_a_minimum_is_a_failure_with_a_reason(
    energy: Any, reason: str | None
) -> None:
    if reason is None:  # a kink has a minimum: it is fitted, not failed
        assert PROTOCOL.simulate(system(), Curve(energy), PARAMETERS).values["bulk_modulus_GPa"] > 0
        return
    with pytest.raises(SystemFailure, match=reason):
        PROTOCOL.simulate(system(), Curve(energy), PARAMETERS)


def test_scaling_keeps_shape_and_fractional_coordinates() -> None:
    atoms = bulk("Zn").repeat((2, 1, 1))
    scaled = scaled_to_volume(atoms, 20.0)
    assert scaled.get_volume() == pytest.approx(80.0)
    assert scaled.get_scaled_positions() == pytest.approx(atoms.get_scaled_positions())
    assert scaled.cell.angles() == pytest.approx(atoms.cell.angles())


def test_samples_hold_the_error_of_each_crystal_and_nan_for_a_failed_one() -> None:
    systems = [system(), system(), system()]
    stiff = PROTOCOL.simulate(systems[0], birch_murnaghan(11.95, 160.0, 4.86), PARAMETERS)
    large = PROTOCOL.simulate(systems[1], birch_murnaghan(12.5475, 141.3, 3.86), PARAMETERS)

    samples, rows = PROTOCOL.samples(systems, [stiff, large, None], PARAMETERS)

    def assert_values(key: str, first: float, second: float) -> None:
        values = samples[key].values
        assert values[:2] == pytest.approx([first, second], rel=1e-4, abs=1e-5)
        assert np.isnan(values[2])

    assert set(samples) == set(DESCRIPTION.metrics)
    assert rows == [{}, {}, {}]
    assert_values("bulk_modulus_mae", 18.7, 0)
    assert_values("volume_relative_error", 0, 5)
    assert_values("bulk_modulus_derivative_mae", 0, 1)
    assert_values("bulk_modulus_ratio_median", 160 / 141.3, 1)


@pytest.mark.parametrize("name", list(COPPER))
def test_reference_without_a_number_is_unsuitable(name: str) -> None:
    bad = System(
        id="Cu-1", atoms=bulk("Cu"), reference={k: v for k, v in COPPER.items() if k != name}
    )
    with pytest.raises(UnsuitableReference, match=f"Cu-1 needs a finite {name}, not None"):
        PROTOCOL.check_reference([system(), bad], DESCRIPTION.metrics)


def test_reference_values_must_be_positive_where_physics_demands_it() -> None:
    PROTOCOL.check_reference([system(bulk_modulus_derivative=-0.2)], DESCRIPTION.metrics)
    with pytest.raises(UnsuitableReference, match="positive bulk_modulus_GPa, not -5"):
        PROTOCOL.check_reference([system(bulk_modulus_GPa=-5.0)], DESCRIPTION.metrics)


def test_molecule_and_empty_set_are_unsuitable() -> None:
    with pytest.raises(UnsuitableReference, match="not periodic"):
        PROTOCOL.check_reference([system(Atoms("Cu"))], DESCRIPTION.metrics)
    with pytest.raises(UnsuitableReference, match="empty"):
        PROTOCOL.check_reference([], DESCRIPTION.metrics)


def test_reference_values_stand_under_the_names_of_the_columns() -> None:
    assert PROTOCOL.reference_values(system()) == COPPER
