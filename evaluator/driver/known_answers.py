"""Known answers of a runtime: asked through the real sandbox, compared with what must come.

They tell whether a runtime does on this machine and device what it did where its lock was written.
A definition's ``known_answers.json`` is a list; each entry names a calculator kind, an artifact,
settings, a precision and a structure, and the energy and forces that must come. The artifact is a
file beside, weights in one of the runtime's packages (``package:path``, a folder's files in a zip),
or JSON.
"""

from __future__ import annotations

import json
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.arrays import FloatArray
from evaluator.exceptions import InfrastructureError
from evaluator.host import machine
from evaluator.runtimes.definitions import RuntimeDefinition
from evaluator.runtimes.store import Runtime
from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.session import CalculatorFailure, CalculatorRequest, CalculatorSession
from evaluator.wire import Prediction, Structure

#: What answers may differ by on another machine: summed in another order, in single precision.
_ENERGY_TOLERANCE_eV = 1e-5
_FORCE_TOLERANCE_eV_A = 1e-4
_LOAD_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came for one question, and how far it was off."""

    kind: str
    artifact: str
    energy_eV_per_atom: float | None = None
    #: None where nothing came, or nothing is known.
    energy_error: float | None = None
    force_error: float | None = None
    load_time_s: float = 0.0
    #: Why it is not well; empty where it is.
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """All answers of a runtime on one device."""

    runtime: Runtime
    device: str
    answers: Sequence[Answer]
    took_s: float

    @property
    def faults(self) -> list[str]:
        return [answer.fault for answer in self.answers if answer.fault]

    @property
    def is_well(self) -> bool:
        return bool(self.answers) and not self.faults

    def to_json(self) -> dict[str, Any]:
        """What the service keeps of it."""
        errors = [a.energy_error for a in self.answers if a.energy_error is not None]
        forces = [a.force_error for a in self.answers if a.force_error is not None]
        return {
            "is_well": self.is_well,
            "device": self.device,
            "n_answers": len(self.answers),
            "largest_energy_error_eV_per_atom": max(errors, default=None),
            "largest_force_error_eV_per_A": max(forces, default=None),
            "faults": self.faults,
            "took_s": round(self.took_s, 1),
        }


def verify(
    definition: RuntimeDefinition, runtime: Runtime, sandbox: Sandbox, device: str = "cpu"
) -> Verification:
    """Ask a runtime what is known of it. Raises InfrastructureError where nothing can be asked."""
    started = time.monotonic()
    questions = read_questions(definition)
    answers = [_ask(question, definition, runtime, sandbox, device) for question in questions]
    return Verification(
        runtime=runtime, device=device, answers=answers, took_s=time.monotonic() - started
    )


def write_answers(
    definition: RuntimeDefinition, runtime: Runtime, sandbox: Sandbox
) -> Sequence[Answer]:
    """Ask, and write what comes as what must come from now on; for who maintains a runtime."""
    questions, answers = read_questions(definition), []
    for question in questions:
        prediction, answer = _predict(question, definition, runtime, sandbox, "cpu")
        if prediction is None:
            raise InfrastructureError(f"{definition.name} does not answer: {answer.fault}")
        question["energy_eV_per_atom"] = prediction.energy / len(prediction.forces)
        question["forces_eV_per_A"] = np.round(prediction.forces, 9).tolist()
        answers.append(answer)
    text = json.dumps(questions, indent=1, ensure_ascii=False)
    definition.known_answers_file.write_text(text + "\n", encoding="utf-8")
    return answers


def read_questions(definition: RuntimeDefinition) -> list[dict[str, Any]]:
    """What is known of a runtime. Raises InfrastructureError where nothing is."""
    path = definition.known_answers_file
    try:
        questions = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InfrastructureError(
            f"The known answers of {definition.name} cannot be read: {error}."
        ) from error
    if not questions:
        raise InfrastructureError(f"Nothing is known of {definition.name}: {path.name} is empty.")
    return list(questions)


def _ask(
    question: Mapping[str, Any],
    definition: RuntimeDefinition,
    runtime: Runtime,
    sandbox: Sandbox,
    device: str,
) -> Answer:
    prediction, answer = _predict(question, definition, runtime, sandbox, device)
    if prediction is None:
        return answer
    try:
        energy = float(question["energy_eV_per_atom"])
        forces = np.asarray(question["forces_eV_per_A"], dtype=float)
    except KeyError as error:
        raise InfrastructureError(
            f"A known answer of {definition.name} lacks {error}; write it with: "
            f"touchstone runtime verify {definition.name} --write"
        ) from error
    return _compared(question, answer, prediction, energy, forces)


def _compared(
    question: Mapping[str, Any],
    answer: Answer,
    prediction: Prediction,
    energy: float,
    forces: FloatArray,
) -> Answer:
    energy_error = abs(prediction.energy / len(prediction.forces) - energy)
    force_error = float(np.abs(prediction.forces - forces).max())
    most_energy = float(question.get("energy_tolerance_eV_per_atom", _ENERGY_TOLERANCE_eV))
    most_force = float(question.get("force_tolerance_eV_per_A", _FORCE_TOLERANCE_eV_A))
    fault = ""
    if not (energy_error <= most_energy and force_error <= most_force):  # NaN is no answer either
        fault = (
            f"{answer.artifact} answers {energy_error:.3g} eV/atom and {force_error:.3g} eV/Å off "
            f"what is known ({most_energy:g} and {most_force:g} are allowed)"
        )
    return Answer(
        kind=answer.kind,
        artifact=answer.artifact,
        energy_eV_per_atom=answer.energy_eV_per_atom,
        energy_error=energy_error,
        force_error=force_error,
        load_time_s=answer.load_time_s,
        fault=fault,
    )


def _predict(
    question: Mapping[str, Any],
    definition: RuntimeDefinition,
    runtime: Runtime,
    sandbox: Sandbox,
    device: str,
) -> tuple[Prediction | None, Answer]:
    """One call in a sandbox of its own; None where no answer came, with the reason."""
    kind, named = str(question["kind"]), question["artifact"]
    label = named if isinstance(named, str) else json.dumps(named)
    with tempfile.TemporaryDirectory(prefix="touchstone-known-") as folder:
        request = CalculatorRequest(
            kind=kind,
            artifact=_artifact(named, definition, runtime, Path(folder)),
            settings=dict(question.get("settings", {})),
            dtype=str(question.get("dtype", "float64")),
            device=device,
            n_threads=machine.n_cores(),
            runtime=runtime,
            load_timeout_s=_LOAD_S,
        )
        try:
            with CalculatorSession.start(sandbox, request) as session:
                (answer,) = session.compute([_structure(question["structure"])])
                load_time_s = session.load_time_s
        except CalculatorFailure as failure:
            return None, Answer(kind=kind, artifact=label, fault=f"{label}: {failure.message}")
    if not isinstance(answer, Prediction):
        return None, Answer(kind=kind, artifact=label, fault=f"{label}: {answer.message}")
    return answer, Answer(
        kind=kind,
        artifact=label,
        energy_eV_per_atom=answer.energy / len(answer.forces),
        load_time_s=load_time_s,
    )


def _artifact(named: object, definition: RuntimeDefinition, runtime: Runtime, folder: Path) -> Path:
    if not isinstance(named, str):
        path = folder / "artifact.json"
        path.write_text(json.dumps(named), encoding="utf-8")
        return path
    package, colon, inside = named.partition(":")
    path = runtime.site_packages / package / inside if colon else definition.folder / named
    if path.is_dir():
        return _packed(path, folder)
    if not path.is_file():
        raise InfrastructureError(f"A known answer of {definition.name} asks for {named}: no file.")
    return path


def _packed(model: Path, folder: Path) -> Path:
    """A zip of the files of a model's folder, as it would be sent."""
    path = folder / f"{model.name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(file for file in model.iterdir() if file.is_file()):
            archive.write(file, file.name)
    return path


def _structure(described: Mapping[str, Any]) -> Structure:
    return Structure(
        numbers=np.asarray(described["numbers"], dtype=np.int64),
        positions=np.asarray(described["positions_A"], dtype=np.float64),
        cell=np.asarray(described["cell_A"], dtype=np.float64),
        pbc=np.asarray(described["pbc"], dtype=np.bool_),
        charge=int(described.get("charge", 0)),
        spin=int(described.get("spin", 1)),
    )
