"""Errors that others have published, computed again; docs/published_numbers.md has them all."""

import os
from pathlib import Path

import numpy as np
import pytest

from evaluator.metrics.forces import force_mae
from evaluator.potentials.names import resolve
from evaluator.references.sets import build, read
from tests.evaluator.calculators.adapters import ask, loaded

MIRROR = os.environ.get("TOUCHSTONE_DATA_MIRROR")

pytestmark = [
    pytest.mark.trained,
    pytest.mark.mirror,
    pytest.mark.slow,
    pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set"),
]


# JARVIS-Leaderboard, docs/AI/MLFF/mlearn_<element>_forces.md, row chgnet_pretrained: the mean over
# the structures of the published test split of each structure's mean absolute error.
@pytest.mark.parametrize(("element", "published"), [("Li", 0.040), ("Ge", 0.163)])
def test_force_errors_of_chgnet_020_on_mlearn_are_the_published_ones(
    element: str, published: float, tmp_path: Path
) -> None:
    assert MIRROR is not None
    systems = read(build("mlearn-test", mirror=Path(MIRROR), cache=tmp_path).path)
    adapter, _ = loaded("chgnet", resolve("chgnet:0.2.0", tmp_path).artifact, dtype="float32")
    errors = [
        force_mae(ask(adapter, system.atoms).forces, system.reference["forces"])
        for system in systems
        if system.atoms.get_chemical_symbols()[0] == element
    ]
    assert len(errors) == {"Li": 29, "Ge": 25}[element]
    assert np.mean(errors) == pytest.approx(published, abs=0.001)
