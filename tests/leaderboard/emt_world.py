"""Crystals of metals in an equation of state and among single points, answered by EMT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa

from evaluator.protocols.base import System
from evaluator.protocols.equation_of_state import EquationOfStateProtocol
from leaderboard import models
from leaderboard.lib import blobs
from tests.leaderboard import factories

#: Somewhat off EMT's own lattice constants, in Å.
METALS = {"Al": 4.03, "Ni": 3.50, "Cu": 3.62, "Pd": 3.90, "Ag": 4.10, "Pt": 3.95, "Au": 4.09}
PARAMETERS = {"volume_range_percent": 6.0, "n_volumes": 7, "search_range_percent": 30.0}
Values = Mapping[str, Mapping[str, Any]]


def frame(name: str, atoms: Atoms) -> str:
    lattice = " ".join(f"{x:.8f}" for x in atoms.cell.array.ravel())
    head = f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="T T T" system_id={name}'
    rows = [
        f"{s} " + " ".join(f"{x:.8f}" for x in p)
        for s, p in zip(atoms.symbols, atoms.positions, strict=True)
    ]
    return "\n".join([str(len(atoms)), head, *rows]) + "\n"


def task_on(crystals: Mapping[str, Atoms], protocol: str, **fields: Any) -> models.TaskVersion:
    text = "".join(frame(name, atoms) for name, atoms in crystals.items())
    blob = blobs.write([text.encode()])
    reference = factories.reference_set(sha256=blob.sha256, size_bytes=len(text), **fields)
    blob.keep(reference.storage_name)
    return factories.task_version(protocol=protocol, reference_set=reference, metrics=[])


def evaluated(of: models.Submission, on: models.TaskVersion, values: Values) -> models.Evaluation:
    evaluation = factories.evaluation(of, on, score=0.5)
    models.SystemResult.objects.bulk_create(
        models.SystemResult(
            evaluation=evaluation, position=i, system_id=name, status="ok", values=own
        )
        for i, (name, own) in enumerate(values.items())
    )
    return evaluation


#: Conventional cells in one task and primitive ones in the other.
CURVED = {f"eos-{s}": bulk(s, "fcc", a=4.2, cubic=True) for s in METALS}
POINTS = {s: bulk(s, "fcc", a=a) for s, a in METALS.items()}


def curves_of_emt() -> dict[str, dict[str, Any]]:
    values = {}
    for name, atoms in CURVED.items():
        known = {
            "volume_per_atom_A3": METALS[str(atoms.symbols[0])] ** 3 / 4,
            "bulk_modulus_GPa": 100.0,
            "bulk_modulus_derivative": 4.0,
        }
        system = System(id=name, atoms=atoms, reference=known)
        outcome = EquationOfStateProtocol().simulate(system, EMT(), PARAMETERS)
        values[name] = dict(outcome.values)
    return values


def pressures_of_emt() -> dict[str, dict[str, Any]]:
    values = {}
    for name, atoms in POINTS.items():
        atoms.calc = EMT()
        values[name] = {"pressure_GPa": -float(atoms.get_stress()[:3].mean()) / GPa}
    return values
