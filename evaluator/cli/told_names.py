"""Names of tasks, benchmarks and potentials that a service told last, kept for completion.

A shell that completes reads these files and asks nobody. Only what has the form of a slug is kept:
a shell expands whatever else a service might tell.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from evaluator.cli.places import cache_folder
from evaluator.cli.service import URL_VARIABLE, read_login
from evaluator.cli.suggestions import N_COMPARED
from evaluator.client import Client, ClientError
from evaluator.client.transport import checked_url
from evaluator.exceptions import SubmissionError

#: What lines of a file are read, in the words of grep.
_SLUGS = "[a-z0-9][a-z0-9.~-]*"
KINDS = ("task", "benchmark", "potential")
_NAME = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*(?:~[0-9a-f]{8})?")


def remember(url: str, kind: str, names: Iterable[str]) -> None:
    """Keep what the service that is signed in to told; another one's names would mislead."""
    # Of use to completion alone: what was asked for goes on without.
    with suppress(OSError, SubmissionError, ClientError):
        meant = os.environ.get(URL_VARIABLE) or read_login().url
        if meant and checked_url(meant) == url:
            _write(_path(kind), sorted({name for name in names if _NAME.fullmatch(name)}))


def _write(path: Path, names: Iterable[str]) -> None:
    """Whole or not at all, and for the user alone: names of private potentials are among them."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{name}\n" for name in names)
    Path(partial).replace(path)


def remember_all(client: Client) -> None:
    """Ask for every list once, after signing in."""
    with suppress(ClientError):  # as above
        remember(client.url, "task", [task["slug"] for task in client.tasks()])
        remember(client.url, "benchmark", [row.slug for row in client.benchmarks()])
        potentials = islice(client.potentials(), N_COMPARED)
        remember(client.url, "potential", [row.slug for row in potentials])


def remember_one(url: str, kind: str, name: str) -> None:
    """Keep one name more."""
    with suppress(OSError):
        path = _path(kind)
        # What is no UTF-8 is no slug either.
        there = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        remember(url, kind, [*there.split(), name])


def forget() -> None:
    """Whose names they are is not signed in to any more."""
    for kind in KINDS:
        with suppress(OSError):
            _path(kind).unlink(missing_ok=True)


def command_that_lists(kind: str, shipped: Iterable[str]) -> str:
    """What a shell runs to complete a name: it reads a file, or has those that ship.

    Only slugs are read, too: others may be able to write where the cache is, and bash expands what
    it completes.
    """
    read = f"grep -sxE {shlex.quote(_SLUGS)} {shlex.quote(str(_path(kind)))}"
    return f"{read} || echo {shlex.join(shipped)}".rstrip()


def _path(kind: str) -> Path:
    return cache_folder().absolute() / "names" / f"{kind}.txt"
