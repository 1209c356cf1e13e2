import numpy as np
import pytest

from evaluator.metrics.energies import composition_fractions, composition_shift


def test_fractions_are_shares_of_atoms() -> None:
    fractions, elements = composition_fractions([np.array([8, 14, 8]), np.array([14])])
    assert elements == ("O", "Si")
    assert fractions == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))


def test_shift_takes_off_any_energy_by_element() -> None:
    fractions, _ = composition_fractions([np.array(n) for n in ([8], [14], [8, 8, 14], [8, 14])])
    errors = fractions @ np.array([0.3, -1.2])
    shift = composition_shift(errors, fractions)
    assert shift == pytest.approx([0.3, -1.2])


def test_shift_of_compositions_that_cannot_be_told_apart_is_the_shortest() -> None:
    fractions, _ = composition_fractions([np.array([8, 14]), np.array([14, 8])])
    shift = composition_shift(np.array([0.5, 0.5]), fractions)
    assert shift == pytest.approx([0.5, 0.5])


def test_shift_of_nothing_is_zero() -> None:
    assert composition_shift(np.empty(0), np.empty((0, 2))).tolist() == [0.0, 0.0]
