"""The sandbox's own /dev/shm: there for multiprocessing, private, and of bounded size."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.session import CalculatorRequest, CalculatorSession
from tests.evaluator.small_tasks import write_package

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(60)]


def test_a_calculator_may_use_multiprocessing(sandbox: Sandbox, tmp_path: Path) -> None:
    load = """import multiprocessing
queue = multiprocessing.Queue()
queue.put(7)
print("from the queue:", queue.get())"""
    request = CalculatorRequest(kind="package", artifact=write_package(tmp_path, load=load))
    with CalculatorSession.start(sandbox, request) as session:
        pass
    assert "from the queue: 7" in session.stdout


def test_shared_memory_is_private_and_bounded(sandbox: Sandbox, tmp_path: Path) -> None:
    load = """import os
room = os.statvfs("/dev/shm")
print("MiB:", room.f_blocks * room.f_frsize >> 20, "files:", os.listdir("/dev/shm"))"""
    request = CalculatorRequest(kind="package", artifact=write_package(tmp_path, load=load))
    with CalculatorSession.start(sandbox, request) as session:
        pass
    assert "MiB: 256 files: []" in session.stdout
