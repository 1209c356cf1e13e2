"""Output files in a folder for each system."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from evaluator.contract import FileRecord

_MAX_LENGTH = 100


class SystemFolders:
    """Writes output files below a folder, which is made when the first one comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, record: FileRecord, content: bytes) -> None:
        target = self.folder / folder_name(record.system_id) / record.name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".partial")
        partial.write_bytes(content)
        partial.replace(target)


def folder_name(system_id: str) -> str:
    """The system's name where it can name a folder; else what can, with a hash of the name."""
    safe = re.sub(r"[^A-Za-z0-9._+-]", "_", system_id)[:_MAX_LENGTH]
    if safe == system_id and not safe.startswith("."):
        return safe
    digest = hashlib.sha256(system_id.encode()).hexdigest()[:8]
    return f"{safe.lstrip('.')}-{digest}"


def format_files(records: Sequence[FileRecord], folder: Path | None) -> str:
    """How many files there are and where, for the end of the command's output."""
    written = [record for record in records if not record.left_out]
    if folder is None:
        return f"{_count(len(records))} not written: name a folder by --files"
    lines = [f"{_count(len(written))} written to {folder}"]
    lines += [
        f"  {record.system_id}: {record.name} is left out. {record.left_out}"
        for record in records
        if record.left_out
    ]
    return "\n".join(lines)


def _count(n: int) -> str:
    return f"{n} output file{'' if n == 1 else 's'}"
