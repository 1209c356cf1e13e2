import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from evaluator.references.sets import build, known_references
from evaluator.references.timing import timing_systems


def test_neighbours_lie_differently_dense() -> None:
    frames, _ = timing_systems([], {"structures": ["C", "Cu", "Si", "NaCl", "H2O", "Li3OCl"]})
    counts = {
        atoms.info["system_id"]: len(neighbor_list("i", atoms, 5.0)) / len(atoms)
        for atoms in frames
    }
    # By hand for silicon: shells of 4, 12 and 12 at 2.35, 3.84 and 4.50 Å; the next is at 5.43 Å.
    assert counts["speed-Si"] == 28
    assert counts["speed-Cu"] == 42  # 12, 6 and 24 up to 4.43 Å
    assert counts["speed-C"] > 3 * counts["speed-Si"]
    assert all(atoms.pbc.all() and np.isfinite(atoms.positions).all() for atoms in frames)


@pytest.mark.parametrize("name", ["timing-systems", "timing-systems-small"])
def test_the_registered_sets_are_built_with_their_sha256(name: str, tmp_path: object) -> None:
    built = build(name, cache=tmp_path)  # type: ignore[arg-type]
    assert built.sha256 == known_references()[name].sha256
    assert built.n_systems == (5 if name == "timing-systems" else 3)
