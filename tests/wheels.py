"""Wheels made for a test, honest ones and others, and locks that name them."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def make_wheel(
    folder: Path,
    name: str,
    files: Mapping[str, str | bytes] | None = None,
    *,
    version: str = "1.0",
    links: Mapping[str, str] | None = None,
    record: str | None = None,
    compressed: bool = False,
) -> str:
    """Write a wheel; returns its line of a lock. ``links`` are symbolic ones, by their targets."""
    info = f"{name}-{version}.dist-info"
    contents: dict[str, str | bytes] = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(files or {}),
    }
    listed = "".join(f"{path},,\n" for path in contents) + f"{info}/RECORD,,\n"
    contents[f"{info}/RECORD"] = listed if record is None else record
    path = folder / f"{name}-{version}-py3-none-any.whl"
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for inside, content in contents.items():
            archive.writestr(inside, content)
        for inside, target in (links or {}).items():
            link = zipfile.ZipInfo(inside)
            link.create_system, link.external_attr = 3, 0o120777 << 16
            archive.writestr(link, target)
    return line_of(path)


def line_of(wheel: Path) -> str:
    """What a lock says of a wheel."""
    name, version, _ = wheel.name.split("-", 2)
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name}=={version} --hash=sha256:{sha256}\n"


def make_required(folder: Path) -> str:
    """Empty stand-ins for what each lock must name, for tests that import none of it."""
    return "".join(make_wheel(folder, name, {}) for name in ("ase", "msgpack", "numpy"))
