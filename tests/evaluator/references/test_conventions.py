"""Units, orders and signs: each its own choice, with a stated default."""

from __future__ import annotations

import numpy as np
import pytest
from ase.units import GPa, Hartree

from evaluator.exceptions import SubmissionError
from evaluator.references.conventions import (
    Convention,
    NotSo,
    canonical_energy,
    canonical_stress,
    describe,
)

#: xx yy zz yz xz xy, all different.
TRUE = np.array([1.0, 2.0, 3.0, 0.4, 0.5, 0.6]) * GPa
MATRIX = np.array([[1.0, 0.6, 0.5], [0.6, 2.0, 0.4], [0.5, 0.4, 3.0]])


@pytest.mark.parametrize(
    ("written", "convention"),
    [
        ([1, 2, 3, 0.4, 0.5, 0.6], Convention(stress_unit="GPa")),
        ([-1, -2, -3, -0.4, -0.5, -0.6], Convention(stress_unit="GPa", stress_sign="compression")),
        ([1, 2, 3, 0.6, 0.4, 0.5], Convention(stress_unit="GPa", stress_order="vasp")),
        ([1, 2, 3, 0.6, 0.5, 0.4], Convention(stress_unit="GPa", stress_order="lammps")),
        ([10, 20, 30, 4, 5, 6], Convention(stress_unit="kbar")),
        ([-10, -20, -30, -6, -4, -5], Convention(stress_unit="kbar (VASP)")),
        (
            [-10, -20, -30, -4, -5, -6],
            Convention(stress_unit="kbar (VASP)", stress_order="voigt"),
        ),
        ([10, 20, 30, 6, 4, 5], Convention(stress_unit="kbar (VASP)", stress_sign="tension")),
        (MATRIX, Convention(stress_unit="GPa", stress_order="nine")),
        (MATRIX.ravel(), Convention(stress_unit="GPa", stress_order="vasp")),
        (-MATRIX * GPa * 20, Convention(stress_unit="virial in eV")),
        (MATRIX * GPa * 20, Convention(stress_unit="virial in eV", stress_sign="tension")),
    ],
)
def test_unit_order_and_sign_are_choices_apart(
    written: list[float], convention: Convention
) -> None:
    assert canonical_stress(np.array(written, float), 20.0, convention) == pytest.approx(TRUE)


@pytest.mark.parametrize(
    ("written", "volume_A3", "convention", "complaint"),
    [
        ([1.0] * 6, 20.0, Convention(stress_order="nine"), "should be nine numbers"),
        ([1.0] * 5, 20.0, Convention(), "must be six numbers or nine"),
        (list(range(9)), 20.0, Convention(), "is not symmetric"),
        ([1.0] * 6, None, Convention(stress_unit="virial in eV"), "has no volume"),
    ],
)
def test_numbers_that_are_no_such_stress_are_refused(
    written: list[float], volume_A3: float | None, convention: Convention, complaint: str
) -> None:
    with pytest.raises(NotSo, match=complaint):
        canonical_stress(np.array(written, float), volume_A3, convention)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"stress_order": "xy"}, "stress_order must be one of unit, voigt, vasp"),
        ({"energy_unit": "J"}, "energy_unit must be one of eV, eV/atom"),
        ({"stress_sign": "up"}, "stress_sign must be one of unit, tension, compression"),
        ({"energy_name": "pos"}, "'pos' cannot be the name"),
        ({"energy_name": "a b"}, "'a b' cannot be the name"),
        ({"energy_name": "forces"}, "must have three names"),
    ],
)
def test_what_is_no_convention_is_refused(fields: dict[str, str], complaint: str) -> None:
    with pytest.raises(SubmissionError, match=complaint):
        Convention(**fields)


def test_energies_are_of_the_structure() -> None:
    assert canonical_energy(-2.0, 4, Convention(energy_unit="eV/atom")) == -8.0
    assert canonical_energy(-2.0, 4, Convention(energy_unit="Ha")) == pytest.approx(-2 * Hartree)


def test_the_reading_is_told_in_words() -> None:
    assert describe(Convention(stress_unit="kbar (VASP)"), 6) == {
        "energy": "energy, in eV of the whole structure",
        "forces": "forces, in eV/Å",
        "stress": "stress, six numbers as xx yy zz xy yz zx in kbar (VASP), positive under "
        "compression",
    }
    assert describe(Convention(stress_unit="virial in eV"), 9)["stress"] == (
        "stress, nine numbers in virial in eV, positive under compression, divided by the volume"
    )
