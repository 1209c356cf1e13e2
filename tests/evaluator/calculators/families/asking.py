"""Adapters of families in their runtimes, and the packages' own calculators beside them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

import evaluator
from evaluator import wire
from evaluator.runtimes.build import build
from evaluator.runtimes.definitions import serving
from evaluator.runtimes.recipes import Recipe
from evaluator.runtimes.store import Runtime, RuntimeStore
from evaluator.sandbox.answers import read_error, read_ready, read_result
from evaluator.wire import Answer, Frame, Info, Kind, Prediction, Structure
from tests.evaluator.calculators.adapters import ALL, as_structure

_OWN = Path(__file__).parent / "own" / "answers.py"
_MARK = "answers "
_TIMEOUT_S = 900.0


class Refused(Exception):
    """The adapter could not load; its sentence."""


@cache
def runtime_of(kind: str) -> Runtime:
    """The runtime of a kind, or a skipped test where its packages are not installed."""
    recipe, store = Recipe.of(serving(kind)), RuntimeStore()
    if all(runtime.environment != recipe.environment for runtime in store.built(recipe.name)):
        pytest.skip(f"not built: touchstone runtime build {recipe.name}")
    return build(recipe, store)  # of the packages that are there, for the adapter as it is now


def weights(kind: str, path: str) -> Path:
    """A file inside one of the packages of a kind's runtime, as "package/path"."""
    return runtime_of(kind).site_packages / path


class Served:
    """The server with one adapter, in the Python of its runtime."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.info: Info

    def load(self, kind: str, artifact: Path, settings: dict[str, Any], dtype: str) -> None:
        self._receive({Kind.HELLO: 0})
        header = {
            "kind": kind,
            "artifact": str(artifact),
            "settings": settings,
            "dtype": dtype,
            "device": "cpu",
            "n_threads": 1,
        }
        wire.send_frame(self._connection, Frame(kind=Kind.LOAD, header=header))
        self.info = read_ready(self._receive({Kind.READY: 0, Kind.ERROR: 0}))

    def answers(self, structures: Sequence[Atoms]) -> list[Answer]:
        questions: list[Structure] = [as_structure(atoms) for atoms in structures]
        counts = [len(atoms) for atoms in structures]
        properties = wire.ordered_properties(ALL)
        wire.send_frame(self._connection, wire.calc_frame(1, questions, properties))
        length = wire.result_length(counts, properties)
        reply = self._receive({Kind.RESULT: length, Kind.ERROR: 0})
        return read_result(reply, 1, counts, properties)

    def predictions(self, structures: Sequence[Atoms]) -> list[Prediction]:
        answers = self.answers(structures)
        assert all(isinstance(answer, Prediction) for answer in answers), answers
        return [answer for answer in answers if isinstance(answer, Prediction)]

    def _receive(self, expected: dict[Kind, int]) -> Frame:
        frame = wire.receive_frame(self._connection, expected, wire.deadline_in(_TIMEOUT_S))
        if frame.kind is Kind.ERROR:
            _, message = read_error(frame)
            raise Refused(message)
        return frame


@contextmanager
def served(
    kind: str, artifact: Path, *, dtype: str = "float32", **settings: Any
) -> Iterator[Served]:
    """A loaded adapter. Raises Refused."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [
            *(str(runtime_of(kind).python), "-P", "-m", "evaluator.calculators.server"),
            str(theirs.fileno()),
        ],
        pass_fds=(theirs.fileno(),),
        env=_environment() | {"PYTHONPATH": str(Path(evaluator.__file__).parent.parent)},
        stdout=subprocess.DEVNULL,
    )
    theirs.close()
    try:
        server = Served(ours)
        server.load(kind, artifact, settings, dtype)
        yield server
    finally:
        ours.close()
        process.kill()
        process.wait(10.0)


def own_answers(
    kind: str, artifact: Path, structures: Sequence[Atoms], **settings: Any
) -> list[dict[str, Any]]:
    """Energy (eV), forces and stress as the package's own calculator has them."""
    question = {
        "artifact": str(artifact),
        "settings": settings,
        "structures": [
            {
                "numbers": atoms.numbers.tolist(),
                "positions": atoms.positions.tolist(),
                "cell": atoms.cell.array.tolist(),
                "pbc": atoms.pbc.tolist(),
                "charge": int(atoms.info.get("charge", 0)),
                "spin": int(atoms.info.get("spin", 1)),
            }
            for atoms in structures
        ],
    }
    done = subprocess.run(
        [str(runtime_of(kind).python), "-P", str(_OWN), kind],
        input=json.dumps(question),
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    assert lines, done.stderr[-2000:]
    answers: list[dict[str, Any]] = json.loads(lines[-1].removeprefix(_MARK))["answers"]
    return answers


def _environment() -> dict[str, str]:
    """One thread each, as a task of one core gives; the same order of sums on both sides."""
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(threads, "1"), "PYTHONDONTWRITEBYTECODE": "1"}


def assert_same_as_own(
    predictions: Sequence[Prediction],
    own: Sequence[dict[str, Any]],
    *,
    energy_eV_atom: float = 1e-6,
    force_eV_A: float = 1e-5,
    stress_eV_A3: float = 1e-6,
) -> None:
    for prediction, answer in zip(predictions, own, strict=True):
        n_atoms = len(prediction.forces)
        assert prediction.energy / n_atoms == pytest.approx(
            answer["energy"] / n_atoms, abs=energy_eV_atom
        )
        np.testing.assert_allclose(prediction.forces, answer["forces"], atol=force_eV_A, rtol=0)
        if answer["stress"] is not None:
            assert prediction.stress is not None
            np.testing.assert_allclose(
                prediction.stress, answer["stress"], atol=stress_eV_A3, rtol=0
            )


def assert_batch_changes_nothing(
    server: Served, systems: Sequence[Atoms], tolerance: float
) -> None:
    together = server.predictions(systems)
    for prediction, atoms in zip(together, systems, strict=True):
        [alone] = server.predictions([atoms])
        assert prediction.energy == pytest.approx(alone.energy, abs=tolerance)
        np.testing.assert_allclose(prediction.forces, alone.forces, atol=tolerance, rtol=0)


def assert_forces_are_the_gradient(server: Served, atoms: Atoms, tolerance: float) -> None:
    """Central differences of the energy, along one coordinate and along one shear."""
    h, systems = 1e-4, [atoms]
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[0, 0] += sign * h
        strain = np.eye(3)
        strain[0, 1] = strain[1, 0] = sign * h / 2
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        systems += [moved, strained]
    still, moved_on, strained_on, moved_back, strained_back = server.predictions(systems)
    slope = (moved_on.energy - moved_back.energy) / (2 * h)
    assert -slope == pytest.approx(still.forces[0, 0], abs=tolerance)
    if still.stress is not None:
        shear = (strained_on.energy - strained_back.energy) / (2 * h) / atoms.get_volume()
        assert shear == pytest.approx(still.stress[5], abs=tolerance)
