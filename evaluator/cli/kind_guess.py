"""Which kind a file is of, by what it begins with. Nothing of it is loaded or unpacked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_HEAD_BYTES = 2**18
_TAIL_BYTES = 2**16
_JSON_BYTES = 2**20
#: The name of the package that a checkpoint's classes are of stands near the beginning of its
#: pickle, which torch writes first and uncompressed.
_MARKS = {
    "mace": (b"mace.", b"mace\n"),
    "chgnet": (b"chgnet", b"atom_fea_dim"),
    "sevennet": (b"onehot_to_feature_x",),
}
_DUMMY_FIELDS = frozenset({"energy_per_atom_eV", "default_eV"})


def kinds_by_content(path: Path, kinds: Sequence[str]) -> list[str]:
    """Those of the kinds that the content speaks for; all of them where it tells nothing."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            size_bytes = path.stat().st_size
            file.seek(max(0, size_bytes - _TAIL_BYTES))
            tail = file.read(_TAIL_BYTES)
    except OSError:
        return list(kinds)  # whoever opens it next says what is wrong
    guessed = _guess(head, tail, size_bytes)
    return [kind for kind in kinds if kind in guessed] or list(kinds)


def json_fault(path: Path) -> str:
    """What is wrong with a small file that begins as JSON does, and where; empty if nothing is."""
    try:
        # A device or a pipe has no size, and no end.
        is_small = path.is_file() and path.stat().st_size <= _JSON_BYTES
        content = path.read_bytes() if is_small else b""
        if content.lstrip()[:1] == b"{":
            json.loads(content)
    except OSError:
        return ""  # whoever opens it next says what is wrong
    except (ValueError, RecursionError) as error:
        return str(error)
    return ""


def _guess(head: bytes, tail: bytes, size_bytes: int) -> set[str]:
    if head.lstrip()[:1] == b"{":
        return _of_json(head) if size_bytes <= _JSON_BYTES else set()
    marked = {kind for kind, marks in _MARKS.items() if any(mark in head for mark in marks)}
    if head[:2] != b"PK":
        return marked
    # The names of an archive's members stand at its end.
    if b"model.json" in tail and b"state.pt" in tail:
        return {"diep"} if b"diep" in head or b"diep" in tail else {"matgl"}
    if b"data.pkl" in tail:
        return marked
    return {"package"} if b".py" in tail else set()


def _of_json(head: bytes) -> set[str]:
    try:
        content: Any = json.loads(head)
    except ValueError:
        return set()
    if "calculator" in content:
        return {"ase"}
    if "method" in content:
        return {"xtb"}
    return {"dummy"} if _DUMMY_FIELDS & set(content) else set()
