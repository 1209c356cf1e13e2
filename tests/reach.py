"""Which files a test reaches, read from the sources alone: by imports, and by what it asks for.

A file reaches those that it imports, those whose dotted names stand in its strings
(``python -m evaluator.cli``, the settings) and the management commands that it calls. A test that
asks for a page or a resource reaches the view behind the address, the middleware and the templates.
The lists of addresses import all views and are therefore not followed.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

PACKAGES = ("leaderboard", "evaluator", "deploy", "tests")
SETTINGS = "leaderboard/settings.py"
#: Two: a service that is edited is near to those who import it, and to those who ask for a view
#: that does. With every step more, nearly all tests reach nearly all files.
N_STEPS = 2
#: Helpers of the session itself, which ask for nothing.
_OF_THE_SESSION = {"tests/conftest.py", "tests/kept_schema.py", "tests/reach.py"}
#: Below the checkout: what each file says, as last read, since parsing all takes seconds.
_KEPT_FACTS = Path(".pytest_cache", "touchstone-facts.json")
#: Stands for what is put into a string when the test runs.
HOLE = "\0"
_ADDRESS = re.compile(r"(?:^|(?<=[\"'(\s=]))[\0/][\w./%:@\0-]*")
#: The first page, whose address also divides and ends other strings.
_ASKS_FOR_HOME = re.compile(
    r"""(?<!split)(?<!partition)(?<!strip)(?<!with)(?<!join)(?<!replace)\(f?["']/["'?]
    | [\[{]f?["']/["'],  # first in a list
    | ^\s+f?["']/["'],  # on a line of its own
    | ["']/\?  # with a query""",
    re.VERBOSE | re.MULTILINE,
)
_DOTTED = re.compile(r"(?:leaderboard|evaluator|deploy|tests)(?:\.[\w\0]+)+")


def is_test(path: str) -> bool:
    return path.startswith("tests/") and Path(path).name.startswith("test_")


@dataclass(frozen=True)
class Facts:
    """What one file says: modules that its imports may mean, and its strings."""

    imported: frozenset[str]
    strings: frozenset[str]


@dataclass(frozen=True)
class Route:
    """An address of the service, ``*`` for what varies, and the file of its view."""

    segments: tuple[str, ...]
    name: str
    #: None where the view is not ours.
    view: str | None


class Sources:
    """The files of a checkout and which of them reach which."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def texts(self) -> dict[str, str]:
        paths = (path for package in PACKAGES for path in (self.root / package).rglob("*.py"))
        return {path.relative_to(self.root).as_posix(): path.read_text() for path in paths}

    @cached_property
    def templates(self) -> dict[str, str]:
        folder = self.root / "templates"
        return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.*")}

    @cached_property
    def facts(self) -> dict[str, Facts]:
        kept = _read_facts(self.root / _KEPT_FACTS)
        keys = {path: _key_of(text) for path, text in self.texts.items()}
        facts = {
            path: kept[keys[path]] if keys[path] in kept else _facts_of(text)
            for path, text in self.texts.items()
        }
        if not kept.keys() >= set(keys.values()):
            _keep_facts(self.root / _KEPT_FACTS, {keys[path]: facts[path] for path in facts})
        return facts

    @cached_property
    def users(self) -> dict[str, set[str]]:
        """For each file those that reach it in one step."""
        users: dict[str, set[str]] = {}
        for path in self.texts:
            for used in self._uses(path):
                users.setdefault(used, set()).add(path)
        return users

    def tests_near(self, *paths: str) -> set[str]:
        """The files of tests that reach one of the paths in at most ``N_STEPS`` steps.

        Helpers of tests take no step: what they import, the tests that use them do.
        """
        seen, outermost = set(paths), set(paths)
        for _ in range(N_STEPS):
            outermost = self._users_of(outermost) - seen
            seen |= outermost
        return set(filter(is_test, seen))

    def _users_of(self, paths: set[str]) -> set[str]:
        users, unseen = set[str](), list(paths)
        while unseen:
            new = self.users.get(unseen.pop(), set()) - users
            users |= new
            unseen += (path for path in new if path.startswith("tests/") and not is_test(path))
        return users

    def naming(self, template: str) -> set[str]:
        """The modules that name a template, or one that includes or extends it.

        Of a template that none names (those of accounts, errors and the admin), the settings: all
        tests that ask for anything.
        """
        names, unseen = {template}, [template]
        while unseen:
            inner = unseen.pop()
            outer = {n for n, text in self.templates.items() if f'"{inner}"' in text} - names
            names |= outer
            unseen += outer
        modules = {
            path
            for path, text in self.texts.items()
            if not path.startswith("tests/") and any(f'"{name}"' in text for name in names)
        }
        return modules or {SETTINGS}

    def mirrors(self, source: str) -> set[str]:
        """Tests in the mirrored folder whose name begins with that of the source."""
        path = Path(source)
        folder = Path("tests") / path.parent
        stem = path.stem if path.stem != "__init__" else path.parent.name
        return {
            test
            for test in filter(is_test, self.texts)
            if Path(test) == folder / f"test_{stem}.py"
            or Path(test).is_relative_to(folder / stem)
            or (Path(test).parent == folder and Path(test).stem.startswith(f"test_{stem}_"))
        }

    def _uses(self, path: str) -> Iterator[str]:
        if Path(path).name.endswith("urls.py"):
            return
        facts = self.facts[path]
        for module in facts.imported:
            yield from self._files_of(module)
        for string in facts.strings:
            yield from self._named_by(string, calls="call_command" in self.texts[path])
        if path.startswith("tests/") and path not in _OF_THE_SESSION:
            yield from self._asked_by(path)
            yield from self._conftests_above(path)

    def _files_of(self, module: str) -> Iterator[str]:
        """The file of a module and those of the packages around it."""
        for name in (f"{module}.py", f"{module}/__init__.py"):
            if name in self.texts:
                yield name
                yield from (
                    f"{folder.as_posix()}/__init__.py"
                    for folder in Path(module).parents
                    if f"{folder.as_posix()}/__init__.py" in self.texts
                )

    def _named_by(self, string: str, *, calls: bool) -> Iterator[str]:
        command = f"leaderboard/management/commands/{string}.py"
        if calls and command in self.texts:
            yield command
        for dotted in _DOTTED.findall(string):
            start, hole, _ = dotted.replace(".", "/").partition(HOLE)
            if hole:  # f"evaluator.calculators.{module}"
                yield from (path for path in self.texts if path.startswith(start))
            else:
                yield from self._files_of(start)
                yield from self._files_of(f"{start}/__main__")
                yield from self._files_of(start.rpartition("/")[0])

    def _conftests_above(self, path: str) -> Iterator[str]:
        for folder in Path(path).parents:
            conftest = f"{folder.as_posix()}/conftest.py"
            if conftest in self.texts and conftest != path:
                yield conftest

    def _asked_by(self, path: str) -> set[str]:
        """The views behind the addresses that a file of tests names, and what all answers pass."""
        text, facts = self.texts[path], self.facts[path]
        asked: list[Route] = []
        if "get_resolver" in text:
            asked += self.routes
        if "reverse(" in text:
            asked += [route for route in self.routes if route.name in facts.strings]
        if "get_absolute_url" in text or "address_of" in text:
            asked += [route for route in self.routes if route.name in self._names_of_models]
        for string in facts.strings:
            for address in _ADDRESS.findall(string):
                asked += self._routes_of(address)
        if _ASKS_FOR_HOME.search(text):
            asked += [route for route in self.routes if route.segments == ("",)]
        if not asked:
            return set()
        views = {route.view for route in asked if route.view}
        if any(route.segments[0] == "admin" for route in asked):
            views |= {name for name in self.texts if name.startswith("leaderboard/admin")}
        addresses = {name for name in self.texts if name.endswith("urls.py")}
        tags = {name for name in self.texts if name.startswith("leaderboard/templatetags/")}
        return views | addresses | tags | {SETTINGS}

    def _routes_of(self, address: str) -> list[Route]:
        """Those that an address may mean; else those that begin with it."""
        segments = address.partition("?")[0].removeprefix("/").split("/")
        if not any(s and HOLE not in s for s in segments):
            return []  # a fraction, a folder, or an address that stands elsewhere
        if address.startswith(HOLE):  # what comes after it must fit whole
            end = [segments[0].rpartition(HOLE)[2], *segments[1:]][::-1]
            end = end if end[-1] else end[:-1]
            return [r for r in self.routes if _fit(end, r.segments[::-1], literally=True)]
        whole = [r for r in self.routes if len(r.segments) == len(segments)
                 and _fit(segments, r.segments)]  # fmt: skip
        if whole and HOLE not in segments[-1]:
            return whole
        start = segments[:-1] if segments[-1] == "" or HOLE in segments[-1] else segments
        return [*whole, *(r for r in self.routes if start and _fit(start, r.segments))]

    @cached_property
    def _names_of_models(self) -> set[str]:
        return {
            string
            for path, facts in self.facts.items()
            if path.startswith(("leaderboard/models/", "leaderboard/web/boards/systems"))
            for string in facts.strings
        }

    @cached_property
    def routes(self) -> list[Route]:
        from django.urls import get_resolver

        return list(_routes(get_resolver().url_patterns, "", ""))


def _fit(some: Sequence[str], others: Sequence[str], *, literally: bool = False) -> bool:
    """Whether the first may be how the second begins, ``literally`` in one segment at least."""
    pairs = list(zip(some, others, strict=False))
    fits = len(some) <= len(others) and all(a == b or "*" in b or HOLE in a for a, b in pairs)
    return fits and (not literally or any(a and a == b for a, b in pairs))


def _routes(patterns: list[Any], prefix: str, namespace: str) -> Iterator[Route]:
    for entry in patterns:
        whole = prefix + str(entry.pattern)
        inner = getattr(entry, "url_patterns", None)
        if inner is not None:
            within = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _routes(inner, whole, within)
            continue
        view = getattr(entry.callback, "view_class", None) or getattr(entry.callback, "cls", None)
        module = (view or entry.callback).__module__
        is_ours = module.startswith("leaderboard.")
        plain = re.sub(r"\(\?P<.*?\)|<[^>]*>", "*", whole).replace("^", "").replace("$", "")
        yield Route(
            segments=tuple(plain.replace("\\Z", "").split("/")),
            name=f"{namespace}{entry.name}",
            view=f"{module.replace('.', '/')}.py" if is_ours else None,
        )


def _facts_of(text: str) -> Facts:
    imported, strings = set[str](), set[str]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.replace(".", "/") for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            folder = node.module.replace(".", "/")
            imported |= {folder, *(f"{folder}/{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else HOLE for p in node.values)
            strings.add("".join(map(str, parts)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
    return Facts(frozenset(imported), frozenset(strings))


@cache
def _own_text() -> bytes:
    """What decides, beside a file's text, which facts are read in it."""
    return Path(__file__).read_bytes()


def _key_of(text: str) -> str:
    return hashlib.sha256(_own_text() + text.encode()).hexdigest()


def _read_facts(path: Path) -> dict[str, Facts]:
    try:
        rows = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}  # the first time, or broken off: they are read anew
    return {key: Facts(frozenset(row[0]), frozenset(row[1])) for key, row in rows.items()}


def _keep_facts(path: Path, facts: dict[str, Facts]) -> None:
    path.parent.mkdir(exist_ok=True)
    rows = {key: [sorted(f.imported), sorted(f.strings)] for key, f in facts.items()}
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(json.dumps(rows))
    unfinished.replace(path)  # whoever reads it finds it whole
