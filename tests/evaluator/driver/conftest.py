"""What the tests of the driver share."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.find import find_sandbox
from tests.evaluator.small_tasks import write_crystals


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return find_sandbox()


@pytest.fixture(autouse=True)
def _all_threads_end(no_thread_is_left: None) -> None:
    """Of every test of the driver."""


@pytest.fixture
def metals(tmp_path: Path) -> Path:
    return write_crystals(tmp_path / "metals.extxyz", ["Al", "Cu", "Pt"])
