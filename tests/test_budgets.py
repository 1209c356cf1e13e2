from __future__ import annotations

from pathlib import Path

from tests.budgets import _UNMEASURED_FOLDERS_S, _UNMEASURED_S

ROOT = Path(__file__).resolve().parents[1]


def test_what_is_taken_for_long_is_there() -> None:
    folders = {path.name for path in (ROOT / "tests").rglob("*") if path.is_dir()}
    assert [path for path in _UNMEASURED_S if not (ROOT / path).is_file()] == []
    assert _UNMEASURED_FOLDERS_S.keys() <= folders
