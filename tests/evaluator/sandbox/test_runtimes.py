"""What a process sees of the runtime that it is started in."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.store import Runtime, RuntimeStore
from evaluator.sandbox.base import ProcessRequest, Sandbox
from evaluator.sandbox.find import find_sandbox
from evaluator.sandbox.output import OutputDrain
from evaluator.sandbox.unconfined import UnconfinedSandbox
from tests.evaluator.runtimes.real import classical_runtime

pytestmark = pytest.mark.sandbox

_LOOK = """
import importlib.util, json, os, pathlib, sys
def can_write(folder):
    try:
        (pathlib.Path(folder) / "x").touch()
    except OSError:
        return False
    return True
names = ("ase", "numpy", "django", "torch", "phonopy", "pip")
print(json.dumps({
    "prefix": sys.prefix,
    "modules": [name for name in names if importlib.util.find_spec(name)],
    "path": sys.path,
    "can_write": [f for f in (sys.prefix, sys.base_prefix) if can_write(f)],
    "is_collection_read": len(importlib.import_module("ase.collections.collection").__doc__ or ""),
    "compiled": importlib.import_module("ase.atoms").__cached__,
    "site_packages_below": [
        str(p) for p in pathlib.Path(sys.base_prefix).glob("lib/python*/site-packages/*")
    ],
}))
"""


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return find_sandbox()


def look(sandbox: Sandbox, runtime: Runtime, program: str = _LOOK) -> dict[str, Any]:
    artifact = Path(__file__)
    request = ProcessRequest(
        artifact=artifact, memory_MiB=1024, runtime=runtime, program=("-c", program)
    )
    process = sandbox.start(request)
    output = OutputDrain(process.stdout, process.stderr)
    try:
        status = process.wait(60)
    finally:
        process.kill()
        process.release()
        output.finish()
    assert status == 0, output.stderr
    seen: dict[str, Any] = json.loads(output.stdout)
    return seen


def test_process_sees_its_runtime_and_nothing_of_our_environment(sandbox: Sandbox) -> None:
    seen = look(sandbox, classical_runtime())
    assert seen["prefix"] == "/runtime"
    assert seen["modules"] == ["ase", "numpy"]
    assert seen["can_write"] == []
    assert seen["site_packages_below"] == []
    assert not [path for path in seen["path"] if path.startswith(sys.prefix)]
    assert Path(seen["compiled"]).is_relative_to("/runtime")


def test_reference_data_in_a_runtime_is_covered(sandbox: Sandbox) -> None:
    program = """
import json, pathlib, ase
folder = pathlib.Path(ase.__file__).parent
print(json.dumps({
    "g2": (folder / "data/g2_1.py").read_text(),
    "collections": [p.name for p in folder.glob("collections/*.json") if p.stat().st_size > 1000],
}))
"""
    seen = look(sandbox, classical_runtime(), program)
    assert "atom" not in seen["g2"].lower()
    assert seen["collections"] == []


def test_runtime_is_kept_while_a_process_runs_in_it(sandbox: Sandbox) -> None:
    runtime = classical_runtime()
    request = ProcessRequest(
        artifact=Path(__file__),
        memory_MiB=512,
        runtime=runtime,
        program=("-c", "import time; time.sleep(60)"),
    )
    process = sandbox.start(request)
    output = OutputDrain(process.stdout, process.stderr)
    try:
        with pytest.raises(InfrastructureError, match="is in use"):
            RuntimeStore(runtime.prefix.parent.parent).remove(runtime.name, runtime.digest)
    finally:
        process.kill()
        process.release()
        output.finish()


def test_process_without_a_sandbox_runs_in_its_runtime_too() -> None:
    runtime = classical_runtime()
    seen = look(UnconfinedSandbox(), runtime)
    assert seen["prefix"] == str(runtime.prefix)
    assert seen["modules"] == ["ase", "numpy"]
