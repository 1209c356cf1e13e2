"""Which tests are slow, and files of nothing else, which a run without slow tests need not open.

A pytest plugin, named in pyproject.toml. A sixth of the files are slow as a whole. Opened, they
import what no fast test needs (torch, Hypothesis, Playwright), once in each process.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

#: Marks and fixtures of what starts other programs or loads large files.
_MARKS = ("browser", "gpu", "mirror", "sandbox", "trained")
_FIXTURES = {"browser", "live_server", "sandbox"}
#: A module's marks: one, or a list that ends with its line or at the margin.
_OF_MODULE = re.compile(r"^pytestmark = (\[\n.*?^\]|[^\n]*)", re.MULTILINE | re.DOTALL)
_SLOW = re.compile(rf"\bpytest\.mark\.(?:slow|{'|'.join(_MARKS)})\b")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs a browser, a server, a sandbox, trained potentials or real data."""
    for item in items:
        is_marked = any(item.get_closest_marker(mark) for mark in _MARKS)
        if is_marked or _FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return is_slow_as_a_whole(collection_path.read_text()) or None


def is_slow_as_a_whole(text: str) -> bool:
    """Whether a module of tests marks all of them as slow, or with a mark that implies it."""
    marks = _OF_MODULE.search(text)
    return marks is not None and _SLOW.search(marks[1]) is not None
