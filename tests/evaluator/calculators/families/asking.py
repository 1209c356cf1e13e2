"""Adapters of families in their runtimes, and the packages' own calculators beside them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from evaluator.contract import Limits
from evaluator.runtimes.build import build
from evaluator.runtimes.definitions import serving
from evaluator.runtimes.recipes import Recipe
from evaluator.runtimes.store import Runtime, RuntimeStore
from evaluator.sandbox.find import find_sandbox
from evaluator.sandbox.session import CalculatorFailure, CalculatorRequest, CalculatorSession
from evaluator.wire import Info, Prediction, StructureFailure
from tests.evaluator.calculators.adapters import ALL, as_structure

_OWN = Path(__file__).parent / "own"
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


def made(kind: str, name: str, folder: Path, suffix: str = ".pt") -> Path:
    """A small artifact of random weights, made by the package itself: a function of made.py."""
    path = folder / f"{name}{suffix}"
    done = subprocess.run(
        [str(runtime_of(kind).python), "-P", str(_OWN / "made.py"), name, str(path)],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    assert path.exists(), done.stderr[-2000:]
    return path


class Served:
    """A loaded adapter in the real sandbox, in its runtime."""

    def __init__(self, session: CalculatorSession) -> None:
        self._session = session
        self.info: Info = session.info

    def answers(self, structures: Sequence[Atoms]) -> list[Prediction | StructureFailure]:
        questions = [as_structure(atoms) for atoms in structures]
        offered = [name for name in ALL if name in self.info.properties]
        return self._session.compute(questions, offered)

    def predictions(self, structures: Sequence[Atoms]) -> list[Prediction]:
        answers = self.answers(structures)
        assert all(isinstance(answer, Prediction) for answer in answers), answers
        return [answer for answer in answers if isinstance(answer, Prediction)]


@contextmanager
def served(
    kind: str, artifact: Path, *, dtype: str = "float32", **settings: Any
) -> Iterator[Served]:
    """A loaded adapter. Raises Refused."""
    request = CalculatorRequest(
        kind=kind,
        artifact=artifact,
        settings=settings,
        dtype=dtype,
        limits=Limits(call_timeout_s=_TIMEOUT_S),
        runtime=runtime_of(kind),
    )
    try:
        session = CalculatorSession.start(find_sandbox(), request)
    except CalculatorFailure as failure:
        raise Refused(failure.message) from failure
    with session:
        yield Served(session)


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
        [str(runtime_of(kind).python), "-P", str(_OWN / "answers.py"), kind],
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
