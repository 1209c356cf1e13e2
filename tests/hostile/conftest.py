from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.sandbox.bubblewrap import BubblewrapSandbox
from evaluator.sandbox.cgroups import find_cgroup_parent
from evaluator.sandbox.find import find_sandbox
from tests.hostile.attacks import Attacker


@pytest.fixture(scope="session")
def sandbox() -> BubblewrapSandbox:
    found = find_sandbox()
    assert isinstance(found, BubblewrapSandbox)
    return found


@pytest.fixture
def token() -> str:
    return f"hostile-{uuid.uuid4().hex}"


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "potential.zip"
    path.write_bytes(b"the bytes of a submission")
    return path


@pytest.fixture
def attacker(sandbox: BubblewrapSandbox, artifact: Path, token: str) -> Iterator[Attacker]:
    """An attacker after whom nothing may be left: process, control group or file."""
    started = time.monotonic()
    yield Attacker(sandbox=sandbox, artifact=artifact, token=token)
    assert time.monotonic() - started < 30
    assert processes_with(token) == []
    assert control_groups_of_this_process() == []
    assert list(Path(tempfile.gettempdir()).glob(f"*{token}*")) == []


def processes_with(token: str) -> list[int]:
    """Processes of the whole machine whose command line holds the token."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if token.encode() in command:
                found.append(int(entry.name))
    return found


def control_groups_of_this_process() -> list[Path]:
    parent = find_cgroup_parent()
    folders = set(parent.folders.values()) if parent else set()
    return [group for folder in folders for group in folder.glob(f"touchstone-{os.getpid()}-*")]
