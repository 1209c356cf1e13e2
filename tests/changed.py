"""``pytest --changed``: the tests that what has been edited can break.

A pytest plugin, named in pyproject.toml. They are

* the tests that were edited themselves, or mirror an edited module, with those marked slow:
  ``tests/leaderboard/web/boards/test_overall.py`` for ``leaderboard/web/boards/overall.py``;
* the tests from which a way leads to the edited file (``tests/reach.py``), without their slow ones,
  which are left to the whole suite.

A template counts as an edit of each module that names it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.reach import SETTINGS, Sources, is_test
from tests.slow_files import is_slow_as_a_whole

_chosen = pytest.StashKey["Chosen"]()
#: Under this name the processes that test are told what the first one has chosen.
_TOLD = "touchstone_chosen"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--changed", action="store_true", help="run the tests near to what was edited")
    parser.addoption(
        "--since",
        default="HEAD",
        metavar="REVISION",
        help="with --changed: what was edited since then, commits included (default HEAD)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--changed"):
        return
    if hasattr(config, "workerinput"):
        config.stash[_chosen] = Chosen(*map(frozenset, config.workerinput[_TOLD]))
        return
    edited = edited_files(config.rootpath, config.getoption("--since"))
    config.stash[_chosen] = choose(Sources(config.rootpath), edited)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Choose once, not in each process of pytest-xdist."""
    chosen = node.config.stash.get(_chosen, None)
    if chosen is not None:
        node.workerinput[_TOLD] = [sorted(p) for p in (chosen.whole, chosen.quick, chosen.unplaced)]


def pytest_report_header(config: pytest.Config) -> list[str]:
    chosen = config.stash.get(_chosen, None)
    if chosen is None:
        return []
    lines = [f"near to what was edited: {len(chosen.whole | chosen.quick)} files of tests"]
    if chosen.unplaced:
        lines.append(f"no test is known to be near to: {', '.join(sorted(chosen.unplaced))}")
    return lines


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    chosen = config.stash.get(_chosen, None)
    if chosen is None or collection_path.suffix != ".py":
        return None
    path = collection_path.relative_to(config.rootpath).as_posix()
    if path in chosen.whole:
        return None
    return path not in chosen.quick or is_slow_as_a_whole(collection_path.read_text()) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave slow tests to the files that were edited or mirror what was."""
    chosen = config.stash.get(_chosen, None)
    if chosen is None:
        return

    def is_wanted(item: pytest.Item) -> bool:
        is_whole = item.path.relative_to(config.rootpath).as_posix() in chosen.whole
        return is_whole or item.get_closest_marker("slow") is None

    config.hook.pytest_deselected(items=[item for item in items if not is_wanted(item)])
    items[:] = filter(is_wanted, items)


def edited_files(root: Path, since: str) -> set[str]:
    """Paths of what differs from a revision, files that git does not know yet included."""
    differing = _git(root, "diff", "--name-only", since, "--")
    unknown = _git(root, "ls-files", "--others", "--exclude-standard")
    return {*differing, *unknown}


def _git(root: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise pytest.UsageError(f"--changed asks git, which says: {done.stderr.strip()}")
    return done.stdout.splitlines()


@dataclass(frozen=True)
class Chosen:
    """Files of tests to run whole, those to run without slow tests, and edits near to none."""

    whole: frozenset[str]
    quick: frozenset[str]
    unplaced: frozenset[str]


def choose(sources: Sources, edited: Iterable[str]) -> Chosen:
    whole: set[str] = set()
    quick: set[str] = set()
    unplaced: set[str] = set()
    for path in edited:
        wholly, quickly = _near(sources, path)
        whole |= wholly
        quick |= quickly
        if not wholly | quickly and Path(path).suffix not in {".md", ".txt"}:
            unplaced.add(path)
    return Chosen(frozenset(whole), frozenset(quick - whole), frozenset(unplaced))


def _near(sources: Sources, path: str) -> tuple[set[str], set[str]]:
    if path.startswith("templates/"):
        modules = sources.naming(path.removeprefix("templates/"))
        return set(), sources.tests_near(*modules)
    if path.startswith("leaderboard/static/"):
        return set(), sources.tests_near(SETTINGS)
    if path not in sources.texts:
        return set(), set()
    whole = {path} if is_test(path) else sources.mirrors(path)
    return whole, sources.tests_near(path)
