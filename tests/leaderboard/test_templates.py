"""Templates are read by people: short lines, and nothing that no page uses."""

from __future__ import annotations

import re

from django.conf import settings

TEMPLATES = settings.BASE_DIR / "templates"
LONGEST_LINE = 120


def test_no_line_of_a_template_is_longer_than_a_reader_takes_in() -> None:
    too_long = [
        f"{path.relative_to(TEMPLATES)}:{number} has {len(line)} characters"
        for path in sorted(TEMPLATES.rglob("*.html"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(line) > LONGEST_LINE
    ]
    assert too_long == []


def test_no_tag_of_a_template_runs_over_two_lines() -> None:
    """Django would show such a tag as text."""
    broken = [
        f"{path.relative_to(TEMPLATES)}:{number}"
        for path in sorted(TEMPLATES.rglob("*.html"))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if line.count("{{") != line.count("}}") or line.count("{%") != line.count("%}")
    ]
    assert broken == []


def test_every_include_is_used() -> None:
    texts = "".join(path.read_text() for path in TEMPLATES.rglob("*.html"))
    included = set(re.findall(r'include "includes/([\w.]+)"', texts))
    sources = "".join(p.read_text() for p in (settings.BASE_DIR / "leaderboard").rglob("*.py"))
    included |= set(re.findall(r'"includes/([\w.]+)"', sources))
    assert {path.name for path in (TEMPLATES / "includes").glob("*.html")} == included
