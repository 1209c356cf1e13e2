"""Writes what tells that a runtime is whole, as the last of its files."""

from __future__ import annotations

import json
import os

from evaluator.runtimes.store import MANIFEST, Runtime


def write_manifest(runtime: Runtime) -> None:
    """After this, and a rename, the runtime is there: so that its files are on the disk before."""
    os.sync()
    path = runtime.prefix / MANIFEST
    with path.open("x", encoding="utf-8") as file:
        json.dump(runtime.manifest(), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)
