"""What the tests of the driver share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.sandbox.base import Sandbox, find_sandbox
from tests.evaluator.small_tasks import (
    write_crystals,
)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return find_sandbox()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [t.name for t in threading.enumerate() if t not in before and t.is_alive()]
    assert left == []


@pytest.fixture
def metals(tmp_path: Path) -> Path:
    return write_crystals(tmp_path / "metals.extxyz", ["Al", "Cu", "Pt"])
