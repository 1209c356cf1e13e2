"""The ASE calculator that a protocol is handed: it asks the pool, and hides what is asked.

Each system is turned by one random proper rotation and its atoms are permuted before a structure
leaves, and the answer is turned back. A potential that respects the symmetries of physics sees no
difference; one that has learnt a reference set by heart does not find its structures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from evaluator.arrays import FloatArray
from evaluator.protocols.base import SystemFailure
from evaluator.wire import Answer, Prediction, Status, Structure, StructureFailure

Ask = Callable[[Structure, Sequence[str]], Answer]

_ALWAYS = ("energy", "forces")


class NotAnswered(SystemFailure):
    """The calculator gave no usable answer for a structure; ``status`` says of what kind."""

    def __init__(self, failure: StructureFailure) -> None:
        super().__init__(failure.message)
        self.status: Status = failure.status


@dataclass(frozen=True)
class ElectronicState:
    """Charge in e and spin multiplicity of a system of so many atoms.

    Protocols may build cells of their own, which carry no ``info``: the state is kept beside them.
    """

    charge: int
    spin: int
    n_atoms: int

    @classmethod
    def of(cls, atoms: Atoms) -> ElectronicState:
        """What the reference set says of a structure."""
        info = atoms.info
        return cls(int(info.get("charge", 0)), int(info.get("spin", 1)), len(atoms))

    def of_cell(self, n_atoms: int) -> tuple[int, int]:
        """Charge and multiplicity of a cell that repeats the system: both grow with its size.

        Unpaired electrons of all copies are taken to point the same way.
        """
        n_copies = n_atoms // self.n_atoms if n_atoms % self.n_atoms == 0 else 1
        return n_copies * self.charge, n_copies * (self.spin - 1) + 1


def structure_of(atoms: Atoms, state: ElectronicState | None = None) -> Structure:
    """What the wire carries of an Atoms object, in the state given or that of its ``info``."""
    charge, spin = (state or ElectronicState.of(atoms)).of_cell(len(atoms))
    return Structure(
        charge=charge,
        spin=spin,
        numbers=np.asarray(atoms.numbers, dtype=np.int32),
        positions=np.array(atoms.positions, dtype=np.float64),
        cell=np.array(atoms.cell.array, dtype=np.float64),
        pbc=np.array(atoms.pbc, dtype=np.bool_),
    )


def seed_of(*words: object) -> int:
    """A seed that the same words give on every machine."""
    text = "/".join(str(word) for word in words)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


@dataclass(frozen=True, eq=False)
class Disguise:
    """A proper rotation (3, 3), and the order (n_atoms,) into which so many atoms are put."""

    rotation: FloatArray
    order: Callable[[int], NDArray[np.intp]]

    @classmethod
    def from_seed(cls, seed: int) -> Disguise:
        """A random one."""
        # A normalised 4-vector of normal numbers is a uniformly distributed rotation.
        quaternion = np.random.default_rng(seed).normal(size=4)
        return cls(
            rotation=Rotation.from_quat(quaternion).as_matrix(),
            order=lambda n_atoms: np.random.default_rng([seed, n_atoms]).permutation(n_atoms),
        )

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Disguise:
        """A random one, by one draw of a generator."""
        return cls.from_seed(int(rng.integers(2**63)))

    def apply(self, structure: Structure) -> Structure:
        order = self.order(len(structure.numbers))
        return replace(
            structure,
            numbers=structure.numbers[order],
            positions=structure.positions[order] @ self.rotation.T,
            cell=structure.cell @ self.rotation.T,
        )

    def invert(self, prediction: Prediction) -> Prediction:
        """Turn the answer to a disguised structure into the answer to the original."""
        order = self.order(len(prediction.forces))
        forces = np.empty_like(prediction.forces)
        forces[order] = prediction.forces @ self.rotation
        stress, magmoms = prediction.stress, prediction.magmoms
        if stress is not None:
            full = self.rotation.T @ voigt_6_to_full_3x3_stress(stress) @ self.rotation
            stress = full_3x3_to_voigt_6_stress(full)
        if magmoms is not None:
            shuffled, magmoms = magmoms, np.empty_like(magmoms)
            magmoms[order] = shuffled
        return Prediction(
            energy=prediction.energy,
            forces=forces,
            stress=stress,
            magmoms=magmoms,
            energy_uncertainty=prediction.energy_uncertainty,
        )


class RemoteCalculator(Calculator):
    """Energy (eV), forces (eV/Å) and stress (eV/Å³, Voigt) of whatever is asked, for one system.

    Raises NotAnswered (a SystemFailure) when the potential fails on a structure, and
    PropertyNotImplementedError for a property that it does not offer. ``n_calls`` counts.
    """

    def __init__(
        self,
        ask: Ask,
        offered: Sequence[str],
        disguise: Disguise,
        state: ElectronicState | None = None,
        waited_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.implemented_properties = ["energy", "free_energy", "forces"]
        if "stress" in offered:
            self.implemented_properties.append("stress")
        if "energy_uncertainty" in offered:
            self.implemented_properties.append("energy_uncertainty")
        self.use_cache = False  # ASE's: a copy of the atoms; ours is what the wire carried
        self.n_calls = 0
        #: How long its calls have waited for those of others: no time of this system.
        self.waited_s = waited_s
        self._asked: Structure | None = None
        self._ask = ask
        self._disguise = disguise
        self._state = state
        self._properties: tuple[str, ...] = _ALWAYS

    def check_state(
        self,
        atoms: Any,  # noqa: ANN401  (ASE has no types)
        tol: float = 0.0,
    ) -> Sequence[str]:
        """Nothing, where the last answer was to these very atoms; else all changes.

        ASE's own comparison takes longer than a step of an integrator, which makes several.
        """
        asked = self._asked
        is_known = (
            asked is not None
            and np.array_equal(asked.positions, atoms.positions)
            and np.array_equal(asked.cell, atoms.cell.array)
            and np.array_equal(asked.numbers, atoms.numbers)
            and np.array_equal(asked.pbc, atoms.pbc)
        )
        return [] if is_known else all_changes

    def calculate(
        self,
        atoms: Any = None,  # noqa: ANN401  (ASE has no types)
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        if missing := sorted(set(properties) - set(self.implemented_properties)):
            raise PropertyNotImplementedError(f"the potential does not offer {', '.join(missing)}")
        if "stress" in properties:
            # Whoever asks for the stress once asks again: then one call answers it all.
            self._properties = (*_ALWAYS, "stress")
        wanted = self._properties
        if "energy_uncertainty" in properties:
            wanted = (*wanted, "energy_uncertainty")

        self.n_calls += 1
        self._asked = None
        asked = structure_of(atoms, self._state)
        answer = self._ask(self._disguise.apply(asked), wanted)
        if isinstance(answer, StructureFailure):
            raise NotAnswered(answer)
        prediction = self._disguise.invert(answer)

        self._asked = asked
        self.results = {
            "energy": prediction.energy,
            "free_energy": prediction.energy,
            "forces": prediction.forces,
        }
        if "stress" in self._properties and prediction.stress is not None:
            self.results["stress"] = prediction.stress
        if "energy_uncertainty" in properties and prediction.energy_uncertainty is not None:
            self.results["energy_uncertainty"] = prediction.energy_uncertainty
