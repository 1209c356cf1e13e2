import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa

from evaluator.metrics.stresses import pressure, stress_errors


def test_stress_errors_are_in_gigapascal() -> None:
    errors = stress_errors(np.full(6, 2.0 * GPa), np.full(6, 0.5 * GPa))
    assert errors == pytest.approx(np.full(6, 1.5))


def test_compressed_copper_has_a_positive_pressure() -> None:
    copper = bulk("Cu", a=3.4)
    copper.calc = EMT()
    assert pressure(copper.get_stress()) > 10


def test_a_tensor_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(6,\)"):
        stress_errors(np.zeros((3, 3)), np.zeros(6))


def test_stress_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        stress_errors(np.full(6, np.inf), np.zeros(6))
