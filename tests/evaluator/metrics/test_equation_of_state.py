import numpy as np
import pytest
from ase.collections import dcdft
from ase.eos import birchmurnaghan
from ase.units import GPa

from evaluator.metrics.equation_of_state import (
    EquationOfState,
    NoMinimum,
    delta_gauge,
    epsilon_distance,
    fit_birch_murnaghan,
    nu_distance,
)

SILICON = EquationOfState(volume=20.453, bulk_modulus=88.545 * GPa, bulk_modulus_derivative=4.31)


def tabulated(element: str, column: str) -> EquationOfState:
    data = dcdft.data[element]
    return EquationOfState(
        volume=data[f"{column}_volume"],
        bulk_modulus=data[f"{column}_B"] * GPa,
        bulk_modulus_derivative=data[f"{column}_Bp"],
    )


@pytest.mark.parametrize("derivative", [-2.0, 4.0, 4.31, 15.0])
def test_fit_returns_the_equation_that_made_the_points(derivative: float) -> None:
    volumes = 20.453 * np.linspace(0.93, 1.05, 7)
    energies = birchmurnaghan(volumes, -5.4, SILICON.bulk_modulus, derivative, 20.453)

    fitted = fit_birch_murnaghan(volumes, energies)

    assert fitted.volume == pytest.approx(20.453, rel=1e-9)
    assert fitted.bulk_modulus == pytest.approx(SILICON.bulk_modulus, rel=1e-7)
    assert fitted.bulk_modulus_derivative == pytest.approx(derivative, rel=1e-5)


def test_fit_of_a_rising_curve_has_no_minimum() -> None:
    volumes = np.linspace(10.0, 12.0, 7)
    with pytest.raises(NoMinimum, match="no minimum"):
        fit_birch_murnaghan(volumes, 0.1 * volumes ** (-2 / 3))


def test_fit_refuses_three_points() -> None:
    with pytest.raises(ValueError, match="four points"):
        fit_birch_murnaghan(np.ones(3), np.ones(3))


def test_delta_of_an_equation_with_itself_is_zero() -> None:
    assert delta_gauge(SILICON, SILICON) == 0.0


def test_delta_is_symmetric() -> None:
    other = EquationOfState(volume=20.0, bulk_modulus=0.5, bulk_modulus_derivative=4.0)
    assert delta_gauge(SILICON, other) == pytest.approx(delta_gauge(other, SILICON), rel=1e-12)


def test_delta_agrees_with_an_integral_by_hand() -> None:
    # At equal volume and derivative 4 the curves are 9/8 B V (x² - 1)² with x = (V0/V)^(1/3), so
    # that their difference is proportional to that of B and can be integrated on a fine grid.
    a = EquationOfState(volume=16.0, bulk_modulus=0.6, bulk_modulus_derivative=4.0)
    b = EquationOfState(volume=16.0, bulk_modulus=0.4, bulk_modulus_derivative=4.0)
    v = np.linspace(0.94, 1.06, 20001)
    strain = (v ** (-2 / 3) - 1) ** 2
    by_hand = 1000 * 9 / 8 * 0.2 * 16.0 * np.sqrt(np.mean(strain**2))

    assert delta_gauge(a, b) == pytest.approx(by_hand, rel=1e-3)


def test_all_electron_pbe_and_experiment_differ_as_the_standard_tasks_state() -> None:
    both = [element for element in dcdft.names if "exp_B" in dcdft.data[element]]
    deltas = [delta_gauge(tabulated(e, "wien2k"), tabulated(e, "exp")) for e in both]
    assert len(both) == 58
    assert np.mean(deltas) == pytest.approx(22.3, abs=0.05)


def curve(volume: float = 16.0, modulus: float = 0.5, derivative: float = 4.5) -> EquationOfState:
    return EquationOfState(volume=volume, bulk_modulus=modulus, bulk_modulus_derivative=derivative)


def test_nu_is_the_weighted_relative_difference_over_the_mean() -> None:
    assert nu_distance(curve(), curve()) == 0
    assert nu_distance(curve(volume=16.16), curve()) == pytest.approx(100 * 0.16 / 16.08)
    assert nu_distance(curve(modulus=0.4), curve()) == pytest.approx(100 * 0.1 / 0.45 / 20)
    assert nu_distance(curve(derivative=3.5), curve()) == pytest.approx(100 / 4.0 / 400)
    assert nu_distance(curve(), curve(volume=16.16)) == nu_distance(curve(volume=16.16), curve())
    assert nu_distance(curve(derivative=-4.5), curve()) == 1e6


def test_epsilon_is_zero_for_the_same_curve_and_one_for_a_flat_one() -> None:
    assert epsilon_distance(curve(), curve()) == 0
    assert epsilon_distance(curve(modulus=0.0), curve()) == 1
    assert epsilon_distance(curve(modulus=0.0), curve(modulus=0.0)) == 0


def test_epsilon_of_a_soft_curve_follows_from_its_moments() -> None:
    """Of E and 0.8 E it is 0.2 times the root mean square of E, over the root of 0.8 its spread."""
    volumes = 16.0 * np.linspace(0.94, 1.06, 20001)
    energies = birchmurnaghan(volumes, 0.0, 0.5, 4.5, 16.0)
    by_hand = 0.2 * np.sqrt(np.mean(energies**2)) / np.sqrt(0.8 * np.var(energies))
    assert epsilon_distance(curve(modulus=0.4), curve()) == pytest.approx(by_hand, rel=5e-3)
