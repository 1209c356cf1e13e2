"""Small wheels, and recipes of runtimes that hold them: built in a moment, from a folder alone."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluator.runtimes.interpreters import own_interpreter
from evaluator.runtimes.locks import Lock
from evaluator.runtimes.recipes import Recipe


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> str:
    """Write a wheel of these modules; the SHA-256 of the file."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **{path: text.encode() for path, text in files.items()},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},{_hash(content)},{len(content)}\n" for path, content in contents.items()
    )
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in contents.items():
            archive.writestr(zipfile.ZipInfo(member, (2026, 1, 1, 0, 0, 0)), content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hash(content: bytes) -> str:
    digest = hashlib.sha256(content).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def recipe_of(folder: Path, lock: str, **changes: Any) -> Recipe:
    """A runtime of these packages whose only source of ours is a file in the folder."""
    source = folder / "adapter.py"
    if not source.exists():
        source.write_text("# what runs in it\n")
    return Recipe(
        **{
            "name": "tiny",
            "label": "Tiny",
            "variant": "cpu",
            "lock": Lock.parse(lock),
            "interpreter": own_interpreter(),
            "sources": {"calculators/adapter.py": source},
            "kinds": ("dummy",),
            "is_shipped": True,
            **changes,
        }
    )


def lock_line(name: str, version: str, sha256: str) -> str:
    return f"{name}=={version} --hash=sha256:{sha256}\n"
