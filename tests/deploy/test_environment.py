"""deploy/environment.example as systemd's EnvironmentFile reads it."""

from __future__ import annotations

import re
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "deploy/environment.example"


def test_no_comment_stands_behind_a_value() -> None:
    lines = EXAMPLE.read_text().splitlines()
    settings = [line for line in lines if re.match(r"#?[A-Z][A-Z0-9_]*=", line)]
    assert any(line.startswith("TOUCHSTONE_SECRET_KEY=") for line in settings)
    assert [line for line in settings if re.search(r"\s", line)] == []
