from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds, or leaves, anything in its user's home."""
    monkeypatch.setenv("TOUCHSTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TOUCHSTONE_CONFIG", str(tmp_path / "config" / "config.toml"))
    for name in ("TOUCHSTONE_DATA_MIRROR", "TOUCHSTONE_URL", "TOUCHSTONE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
