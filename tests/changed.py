"""``pytest --changed``: the tests that are near to what has been edited.

A pytest plugin, named in pyproject.toml. Near to an edited module are

* the tests that mirror it: ``tests/leaderboard/web/boards/test_overall.py`` for
  ``leaderboard/web/boards/overall.py``;
* the tests that import it, or that mirror a module that imports it, without their slow ones.

A template counts as an edit of each module that names it, an edited helper of tests as one of each
test that imports it. What is farther away is left to the whole suite.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

_PACKAGES = ("leaderboard", "evaluator", "deploy", "tests")
_chosen = pytest.StashKey["Chosen"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--changed", action="store_true", help="run the tests near to what was edited")
    parser.addoption(
        "--since",
        default="HEAD",
        metavar="REVISION",
        help="with --changed: what was edited since then, commits included (default HEAD)",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--changed"):
        edited = edited_files(config.rootpath, config.getoption("--since"))
        config.stash[_chosen] = choose(Sources(config.rootpath), edited)


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
    return path not in chosen.whole | chosen.quick or None


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


class Sources:
    """Which file imports which, read from the files alone; nothing is imported."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def texts(self) -> dict[str, str]:
        paths = (path for package in _PACKAGES for path in (self._root / package).rglob("*.py"))
        return {path.relative_to(self._root).as_posix(): path.read_text() for path in paths}

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """For each file the files that import it by name."""
        importers: dict[str, set[str]] = {}
        for path, text in self.texts.items():
            for module in _imported_modules(text):
                for name in (f"{module}.py", f"{module}/__init__.py"):
                    if name in self.texts:
                        importers.setdefault(name, set()).add(path)
        return importers

    def naming(self, template: str) -> set[str]:
        """The modules that name a template, or one that includes or extends it."""
        folder = self._root / "templates"
        templates = {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.*")}
        names, unseen = {template}, [template]
        while unseen:
            inner = unseen.pop()
            outer = {name for name, text in templates.items() if f'"{inner}"' in text} - names
            names |= outer
            unseen += outer
        return {
            path
            for path, text in self.texts.items()
            if not is_test(path) and any(f'"{name}"' in text for name in names)
        }

    def mirrors(self, source: str) -> set[str]:
        """Tests in the mirrored folder whose name begins with that of the source."""
        path = Path(source)
        folder = Path("tests") / path.parent
        stem = path.stem if path.stem != "__init__" else path.parent.name
        names = (folder / f"test_{stem}.py", folder / stem)
        return {
            test
            for test in self.texts
            if is_test(test)
            and (Path(test) == names[0] or Path(test).is_relative_to(names[1])
                 or (Path(test).parent == folder and Path(test).stem.startswith(f"test_{stem}_")))
        }  # fmt: skip


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
        return set(), {test for module in modules for test in sources.mirrors(module)}
    if path not in sources.texts:
        return set(), set()
    if is_test(path):
        return {path}, set()
    if path.endswith("/conftest.py"):
        folder = Path(path).parent
        return set(), {t for t in sources.texts if is_test(t) and Path(t).is_relative_to(folder)}
    if path.startswith("tests/"):
        return set(), {test for test in _users(sources, path) if is_test(test)}
    importers = sources.importers.get(path, set())
    direct = {importer for importer in importers if is_test(importer)}
    around = {test for importer in importers for test in sources.mirrors(importer)}
    return sources.mirrors(path), direct | around


def _users(sources: Sources, helper: str) -> set[str]:
    """All files of tests that import a helper, by way of other helpers as well."""
    users, unseen = set[str](), [helper]
    while unseen:
        new = sources.importers.get(unseen.pop(), set()) - users
        users |= new
        unseen += new
    return users


def _imported_modules(text: str) -> Iterator[str]:
    """Paths, without suffix, that the import statements of a file may mean."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.replace(".", "/") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            folder = node.module.replace(".", "/")
            yield folder
            yield from (f"{folder}/{alias.name}" for alias in node.names)


def is_test(path: str) -> bool:
    return path.startswith("tests/") and Path(path).name.startswith("test_")
