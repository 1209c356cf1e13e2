"""Small tasks, and submissions written on the spot, for the tests of the driver."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from evaluator.catalog import PROTOCOLS
from evaluator.contract import Limits, ReferenceSpec, ScoredMetric, SubmissionSpec, TaskSpec
from evaluator.hashing import sha256_of
from evaluator.references.builders import elemental_crystals

DELTA = ScoredMetric(key="eos_delta_mean", good=1.0, bad=20.0, worst=100.0)
FORCE_MAE = ScoredMetric(key="force_mae", good=0.0, bad=0.5, worst=1.0)


def write_crystals(path: Path, elements: Sequence[str]) -> Path:
    """The reference of the equation-of-state task, for a few elements."""
    frames, _ = elemental_crystals([], {"column": "wien2k"})
    chosen = [frame for frame in frames if frame.get_chemical_symbols()[0] in elements]
    ase.io.write(path, chosen, format="extxyz")
    return path


def write_forces(path: Path, structures: Sequence[Atoms]) -> Path:
    """A force reference of zero energies and forces."""
    frames = []
    for i, atoms in enumerate(structures):
        frame = atoms.copy()
        frame.info = {"system_id": f"structure-{i}", "family": "test"}
        frame.calc = SinglePointCalculator(frame, energy=0.0, forces=np.zeros((len(frame), 3)))
        frames.append(frame)
    ase.io.write(path, frames, format="extxyz")
    return path


def task_on(reference: Path, protocol: str = "equation_of_state", **more: Any) -> TaskSpec:
    metric = DELTA if protocol == "equation_of_state" else FORCE_MAE
    return TaskSpec(
        slug="small",
        version=1,
        protocol=protocol,
        protocol_version=PROTOCOLS[protocol].version,
        parameters=more.pop("parameters", {}),
        metrics=more.pop("metrics", (metric,)),
        reference=ReferenceSpec(
            name="small", version="1", sha256=sha256_of(reference), level_of_theory="PBE"
        ),
        limits=more.pop("limits", Limits(wall_time_s=60, call_timeout_s=20, memory_MiB=2048)),
        **more,
    )


def submission_of(artifact: Path, kind: str, **more: Any) -> SubmissionSpec:
    return SubmissionSpec(
        name=f"{kind}:{artifact.name}",
        calculator_kind=kind,
        artifact_sha256=sha256_of(artifact),
        artifact_filename=artifact.name,
        **more,
    )


def write_emt(folder: Path) -> Path:
    path = folder / "emt.json"
    path.write_text(json.dumps({"calculator": "emt"}), encoding="utf-8")
    return path


_PACKAGE = """
import time
import numpy as np
from ase.calculators.emt import EMT
from ase.calculators.calculator import Calculator, all_changes

class Potential(EMT):
    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.after(atoms)

    def after(self, atoms):
{after}

def calculator(folder):
{load}
    return Potential()
"""


def write_package(folder: Path, *, after: str = "pass", load: str = "pass") -> Path:
    """A package that is ASE's EMT, with a line of its own after each call or at loading."""
    source = _PACKAGE.format(after=_indented(after, 8), load=_indented(load, 4))
    path = folder / "potential.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("potential.py", source)
    return path


def _indented(code: str, n: int) -> str:
    return "\n".join(" " * n + line for line in code.splitlines())
