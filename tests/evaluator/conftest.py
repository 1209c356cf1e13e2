"""What tests of several parts of the evaluator share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [t.name for t in threading.enumerate() if t not in before and t.is_alive()]
    left = [name for name in left if name != "sandbox-launcher"]  # lives as long as the process
    assert left == []
