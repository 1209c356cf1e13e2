from __future__ import annotations

import base64
import zlib
from dataclasses import replace

import numpy as np
import pytest

from evaluator import frames
from evaluator.contract import FrameErrorsRecord
from evaluator.frames import FrameErrors, content_of, packed, unpacked


def errors_of(*sizes: int) -> FrameErrors:
    rng = np.random.default_rng(0)
    return FrameErrors(
        energies_meV_atom=rng.normal(size=len(sizes)),
        forces_eV_A=[rng.normal(size=(n, 3)) for n in sizes],
    )


def record_of(errors: FrameErrors, names: list[str]) -> FrameErrorsRecord:
    record = packed(errors, names)
    assert record is not None
    return record


def test_what_is_packed_comes_back_in_single_precision() -> None:
    errors = errors_of(2, 0, 3)
    record = record_of(errors, ["a", "b", "c"])
    expected = np.concatenate([errors.energies_meV_atom, *map(np.ravel, errors.forces_eV_A)])
    values = unpacked(content_of(record), record.n_atoms)
    np.testing.assert_array_equal(values, expected.astype(np.float32))


def test_what_is_not_finite_or_too_large_is_unknown() -> None:
    errors = FrameErrors(
        energies_meV_atom=np.array([np.inf, 1e300]), forces_eV_A=[np.ones((1, 3))] * 2
    )
    record = record_of(errors, ["a", "b"])
    values = unpacked(content_of(record), record.n_atoms)
    np.testing.assert_array_equal(values, [np.nan, np.nan, *[1.0] * 6])


def test_where_nothing_is_known_nothing_is_packed() -> None:
    nothing = FrameErrors(energies_meV_atom=np.array([np.nan]), forces_eV_A=[np.empty((0, 3))])
    assert packed(nothing, ["a"]) is None


def test_frames_are_kept_up_to_the_bound_the_same_ones_for_everybody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "MAX_ATOMS", 10)
    names = [f"frame-{i}" for i in range(8)]
    first = record_of(errors_of(*[4] * 8), names)
    failed = FrameErrors(energies_meV_atom=np.zeros(8), forces_eV_A=[np.full((4, 3), np.nan)] * 8)
    assert sorted(first.n_atoms) == [0] * 6 + [4] * 2
    assert record_of(failed, names).n_atoms == first.n_atoms


def test_a_bomb_is_not_unpacked() -> None:
    bomb = base64.b64encode(zlib.compress(bytes(10**8))).decode()
    record = replace(record_of(errors_of(1), ["a"]), packed=bomb)
    with pytest.raises(ValueError, match="length"):
        content_of(record)


@pytest.mark.parametrize("n_atoms", [(10**9,), (-1,), (20_001,)])
def test_more_than_may_be_kept_is_refused(n_atoms: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="more than may be kept"):
        unpacked(b"", n_atoms)
