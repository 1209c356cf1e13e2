"""Calculators that are wrong on purpose: a benchmark that takes one for good is broken.

Each is an ASE calculator with a fault of one kind. Those that need physics beside their fault
borrow it from a base calculator, ASE's EMT unless another is given.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from numpy.typing import NDArray

_PROPERTIES = ["energy", "free_energy", "forces", "stress"]


class _Faulty(Calculator, ABC):
    """Answers what ``answer`` says, and counts its calls."""

    implemented_properties = _PROPERTIES

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_calls = 0

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] | None = None,
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        assert atoms is not None
        self.n_calls += 1
        energy, forces, stress = self.answer(atoms)
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": forces,
            "stress": stress,
        }

    @abstractmethod
    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Energy, forces and stress, wrong in this calculator's own way."""


class _OnBase(_Faulty):
    def __init__(self, base: Calculator | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.base = base or EMT()

    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        copy = atoms.copy()
        copy.calc = self.base
        energy, forces = copy.get_potential_energy(), copy.get_forces(apply_constraint=False)
        return energy, forces, copy.get_stress()


class EinsteinCrystal(_Faulty):
    """Springs of ``k`` (eV/Å²) to ``anchors``; with ``curl`` the forces are no gradient.

    F = -k u + curl (z × u), E = k u²/2. Without curl it is a good calculator of a harmonic crystal.
    """

    def __init__(
        self, anchors: NDArray[np.float64], *, k: float = 5.0, curl: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.anchors, self.k, self.curl = np.array(anchors, dtype=float), k, curl

    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        u = atoms.positions - self.anchors
        twist = np.cross([0.0, 0.0, 1.0], u)
        return 0.5 * self.k * float((u**2).sum()), -self.k * u + self.curl * twist, np.zeros(6)


class NanAfter(_OnBase):
    """Good for ``n`` calls, NaN from then on."""

    def __init__(self, n: int, base: Calculator | None = None, **kwargs: Any) -> None:
        super().__init__(base, **kwargs)
        self.n = n

    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        energy, forces, stress = super().answer(atoms)
        if self.n_calls <= self.n:
            return energy, forces, stress
        return float("nan"), np.full_like(forces, np.nan), np.full(6, np.nan)


class Slow(_OnBase):
    """Right, after ``seconds`` of doing nothing."""

    def __init__(self, seconds: float, base: Calculator | None = None, **kwargs: Any) -> None:
        super().__init__(base, **kwargs)
        self.seconds = seconds

    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        time.sleep(self.seconds)
        return super().answer(atoms)


class Exploding(_Faulty):
    """An inverted spring from the centre of the atoms: E = -k r²/2, forces drive all apart."""

    def __init__(self, *, k: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.k = k

    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        r = atoms.positions - atoms.positions.mean(axis=0)
        return -0.5 * self.k * float((r**2).sum()), self.k * r, np.zeros(6)


class Constant(_Faulty):
    """The same energy for everything, and no force or stress."""

    def __init__(self, energy: float = -1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.energy = energy

    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        return self.energy, np.zeros((len(atoms), 3)), np.zeros(6)


class NonExtensive(_OnBase):
    """An energy that grows with the square of the number of atoms: ``excess`` eV times n²."""

    def __init__(self, excess: float = 0.01, base: Calculator | None = None, **kwargs: Any) -> None:
        super().__init__(base, **kwargs)
        self.excess = excess

    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        energy, forces, stress = super().answer(atoms)
        return energy + self.excess * len(atoms) ** 2, forces, stress


class ChangesAtoms(_OnBase):
    """Moves the atoms that it was only asked about, by ``shift`` Å along x."""

    def __init__(self, shift: float = 0.1, base: Calculator | None = None, **kwargs: Any) -> None:
        super().__init__(base, **kwargs)
        self.shift = shift

    def answer(self, atoms: Atoms) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        energy, forces, stress = super().answer(atoms)
        atoms.positions[0, 0] += self.shift
        return energy, forces, stress
