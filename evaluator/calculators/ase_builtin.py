"""Classical potentials as baselines: EMT and Tersoff as ASE has them, Lennard-Jones.

The artifact is a JSON object that names one and gives its few numbers, as
``evaluator/json_artifacts.py`` says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import ase
from ase.calculators.emt import EMT
from ase.calculators.tersoff import Tersoff, TersoffParameters

from evaluator import json_artifacts
from evaluator.calculators.ase_calculator import predict
from evaluator.calculators.base import Adapter, LoadRequest
from evaluator.calculators.json_artifact import read_artifact
from evaluator.calculators.lennard_jones import LennardJones
from evaluator.calculators.structures import check_elements, to_atoms
from evaluator.wire import Info, Prediction, Structure

#: The metals that ASE's EMT was fitted for. It also carries H, C, N and O "just for fun"
#: (its words), which would be no baseline but a joke.
EMT_ELEMENTS = ("Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au")

#: Tersoff, Phys. Rev. B 39, 5566 (1989), table I: energies in eV, lengths in Å. The paper's
#: cutoff runs from R to S; here R is the middle and D the half-width, as in ASE and LAMMPS.
TERSOFF_1989 = {
    "Si": TersoffParameters(
        m=3, gamma=1, lambda3=0, c=1.0039e5, d=16.217, h=-0.59825, n=0.78734, beta=1.1e-6,
        lambda2=1.7322, B=471.18, R=2.85, D=0.15, lambda1=2.4799, A=1830.8,
    ),
    "Ge": TersoffParameters(
        m=3, gamma=1, lambda3=0, c=1.0643e5, d=15.652, h=-0.43884, n=0.75627, beta=9.0166e-7,
        lambda2=1.7047, B=419.23, R=2.95, D=0.15, lambda1=2.4451, A=1769.0,
    ),
}  # fmt: skip

Predict = Callable[[Structure, Sequence[str]], Prediction]


class AseBuiltinAdapter(Adapter):
    """Lennard-Jones, EMT or Tersoff, as the artifact says. Always in double precision."""

    max_batch_structures = 64

    def load(self, request: LoadRequest) -> Info:
        match read_artifact(request.artifact, json_artifacts.read_ase):
            case json_artifacts.Emt():
                self._predict, info = _emt()
            case json_artifacts.Tersoff(element):
                self._predict, info = _tersoff(element)
            case json_artifacts.LennardJones() as numbers:
                self._predict, info = _lj(numbers)
            case other:
                # assert_never is of Python 3.11; the checker of types sees that nothing is left.
                nothing_else: NoReturn = other
                raise TypeError(f"{nothing_else!r} is no artifact of this kind")
        return info

    def compute(
        self, structures: Sequence[Structure], properties: Sequence[str]
    ) -> list[Prediction]:
        return [self._predict(structure, properties) for structure in structures]


def _info(name: str, elements: Sequence[str], **more: Any) -> Info:  # noqa: ANN401
    versions = {"ase": ase.__version__}
    return Info(
        name=name,
        dtype="float64",
        device="cpu",
        elements=tuple(elements),
        versions=versions,
        **more,
    )


def _emt() -> tuple[Predict, Info]:
    calculator = EMT()

    def answer(structure: Structure, properties: Sequence[str]) -> Prediction:
        check_elements(structure, EMT_ELEMENTS, "EMT")
        return predict(calculator, to_atoms(structure), properties)

    return answer, _info("EMT", EMT_ELEMENTS)


def _tersoff(element: str) -> tuple[Predict, Info]:
    constants = TERSOFF_1989[element]
    calculator = Tersoff({(element, element, element): constants})

    def answer(structure: Structure, properties: Sequence[str]) -> Prediction:
        check_elements(structure, (element,), f"the Tersoff potential of {element}")
        return predict(calculator, to_atoms(structure), properties)

    cutoff = constants.R + constants.D
    return answer, _info(f"Tersoff {element} (1989)", (element,), n_parameters=14, cutoff_A=cutoff)


def _lj(numbers: json_artifacts.LennardJones) -> tuple[Predict, Info]:
    sigma, epsilon, cutoff = numbers.sigma_A, numbers.epsilon_eV, numbers.cutoff_A
    potential = LennardJones(sigma=sigma, epsilon=epsilon, cutoff=cutoff, smooth=numbers.smooth)

    def answer(structure: Structure, properties: Sequence[str]) -> Prediction:
        return potential.predict(structure)

    n_parameters = len(sigma) + len(epsilon)
    return answer, _info("Lennard-Jones", tuple(sigma), n_parameters=n_parameters, cutoff_A=cutoff)
