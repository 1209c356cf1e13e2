"""Output files of systems (trajectories, bands): named, capped, handed to whoever keeps them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

from evaluator.contract import FILE_NAME_PATTERN, FileRecord

MAX_FILE_BYTES = 2 * 1024**2
#: Of all files of one evaluation that are kept.
MAX_EVALUATION_BYTES = 64 * 1024**2

#: Takes a file that is to be kept: its record, its bytes.
StoreFile = Callable[[FileRecord, bytes], None]

_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".extxyz": "chemical/x-xyz",
    ".gz": "application/gzip",
    ".json": "application/json",
    ".npz": "application/zip",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}


def hand_over(files: Iterable[tuple[str, str, bytes]], store: StoreFile) -> tuple[FileRecord, ...]:
    """Give each (system, name, content) to ``store``; return the records of all of them.

    What is over a cap is not given, and its record says so. The caps are met in the order of
    ``files``, so that two runs leave out the same ones. Raises ValueError for an unsafe name,
    which is a mistake of the protocol.
    """
    records, n_bytes_kept = [], 0
    for system_id, name, content in files:
        if not re.fullmatch(FILE_NAME_PATTERN, name):
            raise ValueError(f"{name!r} is no name for an output file ({FILE_NAME_PATTERN})")
        left_out = _why_left_out(len(content), n_bytes_kept)
        record = FileRecord(
            system_id=system_id,
            name=name,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            media_type=media_type(name),
            left_out=left_out,
        )
        if not left_out:
            store(record, content)
            n_bytes_kept += len(content)
        records.append(record)
    return tuple(records)


def media_type(name: str) -> str:
    """Tell the type by the last suffix; what is compressed stays so, and is told as such."""
    suffix = "." + name.rpartition(".")[2]
    return _MEDIA_TYPES.get(suffix, "application/octet-stream")


def _why_left_out(size_bytes: int, n_bytes_kept: int) -> str:
    if size_bytes > MAX_FILE_BYTES:
        return f"Larger than the {MAX_FILE_BYTES} bytes that one file may have."
    if n_bytes_kept + size_bytes > MAX_EVALUATION_BYTES:
        return f"The files of one evaluation may have {MAX_EVALUATION_BYTES} bytes together."
    return ""
