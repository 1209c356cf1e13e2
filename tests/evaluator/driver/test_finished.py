from __future__ import annotations

import dataclasses
import io
import json
import math
import zipfile
from typing import Any

import numpy as np
import pytest

from evaluator.contract import SystemStatus
from evaluator.driver.finished import FinishedSystem, UnreadableSystem, normal
from evaluator.protocols.base import Outcome
from evaluator.wire import Status


def finished(**more: Any) -> FinishedSystem:
    content: dict[str, Any] = {
        "system_id": "Si/diamond ü",
        "status": SystemStatus.OK,
        "message": "",
        "answer_status": None,
        "outcome": None,
        "n_calls": 7,
        "wall_time_s": 1.5,
        "conditions": "0" * 64,
        "elapsed_s": 3.25,
        "serving": {"n_threads": 1},
    }
    return FinishedSystem(**{**content, **more})


def returned(system: FinishedSystem) -> FinishedSystem:
    return FinishedSystem.from_bytes(system.to_bytes())


def test_a_finished_system_comes_back_exactly() -> None:
    forces = np.random.default_rng(0).normal(size=(5, 3))
    outcome = normal(
        Outcome(
            values={
                "energy_eV": np.float64(0.1) + 0.2,
                "bulk_modulus_GPa": math.nan,
                "limit_K": math.inf,
                "n_frames": np.int64(3),
                "element": "Si",
                "missing": None,
                "curve": np.array([1.0, 1 / 3]),
                "ends": ("a", "b"),
            },
            arrays={
                "forces": forces,
                "turned": forces.T,
                "is_odd": np.array([True, False]),
                "single": np.array(2.5, dtype=np.float32),
                "file": np.zeros((0, 3)),
            },
            files={"trajectory.extxyz.gz": b"\x1f\x8b\x00"},
        )
    )

    found = returned(finished(outcome=outcome))

    assert found.outcome is not None
    values = found.outcome.values
    assert math.isnan(values.pop("bulk_modulus_GPa"))
    assert math.isnan(outcome.values.pop("bulk_modulus_GPa"))
    assert values == outcome.values
    assert values["energy_eV"] == 0.1 + 0.2
    assert values["curve"] == [1.0, 1 / 3]
    assert list(found.outcome.arrays) == list(outcome.arrays)
    for name, array in found.outcome.arrays.items():
        expected = outcome.arrays[name]
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
        assert array.tobytes() == expected.tobytes()
        assert array.flags.c_contiguous
        assert expected.flags.c_contiguous
    assert found.outcome.files == outcome.files


def test_a_failed_system_comes_back_with_its_reason() -> None:
    system = finished(
        status=SystemStatus.FAILED, message="It exploded.", answer_status=Status.NONFINITE
    )
    assert dataclasses.asdict(returned(system)) == dataclasses.asdict(system)


def test_an_outcome_that_is_no_numbers_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="labels: an outcome's arrays hold numbers"):
        normal(Outcome(values={}, arrays={"labels": np.array([None, "a"])}))


def test_a_pickled_array_is_refused() -> None:
    content = io.BytesIO(finished(outcome=Outcome(values={}, arrays={"a": np.ones(1)})).to_bytes())
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}]), allow_pickle=True)
    forged = io.BytesIO()
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(forged, "w") as new:
        new.writestr("system.json", old.read("system.json"))
        new.writestr("array-0.npy", pickled.getvalue())

    with pytest.raises(UnreadableSystem, match="allow_pickle=False"):
        FinishedSystem.from_bytes(forged.getvalue())


@pytest.mark.parametrize("content", [b"", b"PK", finished().to_bytes()[:-30]])
def test_damaged_bytes_are_said_to_be_unreadable(content: bytes) -> None:
    with pytest.raises(UnreadableSystem):
        FinishedSystem.from_bytes(content)


def test_another_format_is_not_guessed_at() -> None:
    with zipfile.ZipFile(io.BytesIO(finished().to_bytes())) as archive:
        header = json.loads(archive.read("system.json"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("system.json", json.dumps({**header, "format": 2}))

    with pytest.raises(UnreadableSystem, match="another release"):
        FinishedSystem.from_bytes(buffer.getvalue())
