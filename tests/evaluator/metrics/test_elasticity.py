import numpy as np
import pytest

from evaluator.metrics.elasticity import deformation, is_stable, moduli, stiffness


def cubic(c11: float, c12: float, c44: float) -> np.ndarray:
    tensor = np.diag([c11 - c12] * 3 + [c44] * 3)
    tensor[:3, :3] += c12
    return tensor


def test_moduli_of_a_cubic_crystal_are_those_of_the_textbook() -> None:
    # Copper, GPa: K = (C11 + 2 C12)/3 by both bounds; G by Voigt and by Reuss.
    c11, c12, c44 = 168.4, 121.4, 75.4
    found = moduli(cubic(c11, c12, c44))
    assert found is not None
    voigt = (c11 - c12 + 3 * c44) / 5
    reuss = 5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12))
    assert found.bulk == pytest.approx((c11 + 2 * c12) / 3)
    assert found.shear == pytest.approx((voigt + reuss) / 2)


def test_what_a_shear_costs_nothing_is_unstable_and_has_no_moduli() -> None:
    assert is_stable(cubic(170, 120, 75))
    for tensor in (cubic(170, 120, -1), cubic(100, 120, 75), np.zeros((6, 6))):
        assert not is_stable(tensor)
        assert moduli(tensor) is None


def test_slopes_are_the_stiffness_whatever_the_even_terms_and_the_stress_at_rest() -> None:
    rng = np.random.default_rng(0)
    tensor = rng.normal(size=(6, 6))
    tensor = tensor + tensor.T
    strains = np.array([[-0.06, -0.03, 0.03, 0.06]] * 6)
    stresses = strains[:, :, None] * tensor[:, None, :] + 7 * strains[:, :, None] ** 2 + 0.3
    np.testing.assert_allclose(stiffness(strains, stresses), tensor, rtol=1e-10)


def test_a_deformation_has_its_strain_in_voigts_order() -> None:
    from ase.stress import full_3x3_to_voigt_6_strain

    for component in range(6):
        gradient = deformation(component, 1e-3)
        np.testing.assert_allclose(
            full_3x3_to_voigt_6_strain(gradient),
            1e-3 * np.eye(6)[component],
            atol=1e-12,
        )
