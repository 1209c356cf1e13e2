"""Under which names, in which units, orders and signs a file has its reference values.

Everything is turned into the canonical form: energy of the whole structure in eV, forces in eV/Å,
stress in eV/Å³ as xx yy zz yz xz xy, positive under tension (ASE's sign). Nothing is guessed: what
a convention does not say has the stated default, and ``describe`` says how a file was read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, GPa, Hartree, kcal, kJ, mol
from numpy.typing import NDArray

from evaluator.exceptions import SubmissionError

ENERGY_UNITS: Mapping[str, float] = {
    "eV": 1.0,
    "eV/atom": 1.0,
    "meV/atom": 1e-3,
    "Ha": Hartree,
    "kcal/mol": kcal / mol,
    "kJ/mol": kJ / mol,
}
FORCE_UNITS: Mapping[str, float] = {
    "eV/Å": 1.0,
    "meV/Å": 1e-3,
    "Ha/Bohr": Hartree / Bohr,
    "kcal/mol/Å": kcal / mol,
}
#: Not a stress but an energy: it is divided by the volume.
VIRIAL = "virial in eV"
#: VASP's kbar stands for its order and sign too, unless those are named.
VASP = "kbar (VASP)"
STRESS_UNITS: Mapping[str, float] = {
    "eV/Å³": 1.0,
    "GPa": GPa,
    "kbar": 0.1 * GPa,
    VASP: 0.1 * GPa,
    VIRIAL: 1.0,
}

#: What each unit is usually written with; stated wherever the unit is chosen.
BY_UNIT = "unit"
_ORDER_BY_UNIT = {VASP: "vasp"}
_SIGN_BY_UNIT = {VASP: "compression", VIRIAL: "compression"}

NINE = "nine"
#: Where xx yy zz yz xz xy stand among six numbers of each order.
_SIX: Mapping[str, tuple[int, ...]] = {
    "voigt": (0, 1, 2, 3, 4, 5),
    "vasp": (0, 1, 2, 4, 5, 3),
    "lammps": (0, 1, 2, 5, 4, 3),
}
_ORDER_IN_WORDS = {
    "voigt": "xx yy zz yz xz xy",
    "vasp": "xx yy zz xy yz zx",
    "lammps": "xx yy zz xy xz yz",
    NINE: "nine numbers",
}
SIX_ORDERS = tuple(_SIX)
SIGNS = ("tension", "compression")
STRESS_ORDERS = (BY_UNIT, *SIX_ORDERS, NINE)
STRESS_SIGNS = (BY_UNIT, *SIGNS)

_NAME = re.compile(r"\w{1,64}")
#: Names of the structure itself in extended XYZ and JSON.
STRUCTURAL = frozenset(
    {"Lattice", "Properties", "pbc", "species", "pos", "Z", "symbols", "numbers", "positions"}
    | {"cell", "values", "system_id", "family", "cluster", "migrating"}
)


@dataclass(frozen=True, kw_only=True)
class Convention:
    """How a file has its reference values. Raises SubmissionError for what is none."""

    energy_name: str = "energy"
    forces_name: str = "forces"
    stress_name: str = "stress"
    energy_unit: str = "eV"
    force_unit: str = "eV/Å"
    stress_unit: str = "eV/Å³"
    #: Of six numbers; nine are row by row whatever is chosen, and are asked for by "nine".
    stress_order: str = BY_UNIT
    #: What a positive number means.
    stress_sign: str = BY_UNIT

    def __post_init__(self) -> None:
        for field, choices in CHOICES.items():
            chosen = getattr(self, field)
            if chosen not in choices:
                raise SubmissionError(
                    f"{field} must be one of {', '.join(choices)}, not {chosen!r}."
                )
        for name in self.names.values():
            if not _NAME.fullmatch(name) or name in STRUCTURAL:
                raise SubmissionError(f"{name!r} cannot be the name of a reference value.")
        if len(set(self.names.values())) < len(self.names):
            raise SubmissionError(
                "Energy, forces and stress must have three names, not "
                f"{', '.join(self.names.values())}."
            )

    @property
    def names(self) -> dict[str, str]:
        """The file's names by ours."""
        return {"energy": self.energy_name, "forces": self.forces_name, "stress": self.stress_name}

    @property
    def order(self) -> str:
        if self.stress_order != BY_UNIT:
            return self.stress_order
        return _ORDER_BY_UNIT.get(self.stress_unit, "voigt")

    @property
    def sign(self) -> str:
        if self.stress_sign != BY_UNIT:
            return self.stress_sign
        return _SIGN_BY_UNIT.get(self.stress_unit, "tension")

    @property
    def is_virial(self) -> bool:
        return self.stress_unit == VIRIAL


#: What each field that is no name may be.
CHOICES: Mapping[str, tuple[str, ...]] = {
    "energy_unit": tuple(ENERGY_UNITS),
    "force_unit": tuple(FORCE_UNITS),
    "stress_unit": tuple(STRESS_UNITS),
    "stress_order": STRESS_ORDERS,
    "stress_sign": STRESS_SIGNS,
}


class NotSo(Exception):
    """Numbers that a convention does not describe; the message is the end of a sentence."""


def canonical_energy(number: float, n_atoms: int, convention: Convention) -> float:
    per_atom = n_atoms if convention.energy_unit.endswith("/atom") else 1
    return number * ENERGY_UNITS[convention.energy_unit] * per_atom


def canonical_stress(
    numbers: NDArray[np.float64], volume_A3: float | None, convention: Convention
) -> NDArray[np.float64]:
    """Six or nine numbers of a file as xx yy zz yz xz xy, positive under tension.

    Raises NotSo for another number of them, a matrix that is not symmetric, or a virial without a
    volume.
    """
    six = _six(numbers, convention.order)
    factor = STRESS_UNITS[convention.stress_unit]
    if convention.is_virial:
        if volume_A3 is None:
            raise NotSo("is a virial, but the structure has no volume")
        factor /= volume_A3
    return six * (factor if convention.sign == "tension" else -factor)


def _six(numbers: NDArray[np.float64], order: str) -> NDArray[np.float64]:
    if numbers.shape in ((9,), (3, 3)):
        matrix = numbers.reshape(3, 3)
        if not np.allclose(matrix, matrix.T, rtol=1e-4, atol=1e-4 * np.abs(matrix).max()):
            raise NotSo(f"is not symmetric: {matrix.tolist()}")
        return np.asarray(full_3x3_to_voigt_6_stress(matrix))
    if order == NINE:
        raise NotSo(f"should be nine numbers, and has the shape {numbers.shape}")
    if numbers.shape != (6,):
        raise NotSo(f"must be six numbers or nine, and has the shape {numbers.shape}")
    return numbers[list(_SIX[order])]


def describe(convention: Convention, n_numbers: int | None) -> dict[str, str]:
    """How each quantity is read, in words. ``n_numbers`` is how many a stress has, if known."""
    per = "" if convention.energy_unit.endswith("/atom") else " of the whole structure"
    order = "" if n_numbers == 9 else f" as {_ORDER_IN_WORDS[convention.order]}"
    many = {6: "six numbers", 9: "nine numbers"}.get(n_numbers or 0, "numbers")
    meaning = f"{many}{order} in {convention.stress_unit}, positive under {convention.sign}"
    if convention.is_virial:
        meaning += ", divided by the volume"
    return {
        "energy": f"{convention.energy_name}, in {convention.energy_unit}{per}",
        "forces": f"{convention.forces_name}, in {convention.force_unit}",
        "stress": f"{convention.stress_name}, {meaning}",
    }
