"""Locks: every package of a runtime by its version and the hashes of its files.

A lock is what ``uv pip compile --generate-hashes`` writes: one requirement a package, each pinned
by ``==`` and followed by its hashes. Nothing else may stand in it: no address, no index, no option,
so that what is built is what the hashes say, wherever it comes from.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evaluator.exceptions import InfrastructureError

#: The class of devices of a processor alone; others are CUDA's, "cu130".
CPU = "cpu"
#: Packages of which the field's index has builds for the processor alone, marked "+cpu".
CPU_BUILDS = ("torch", "torchaudio", "torchvision")
#: Beginnings of the names of packages that a GPU alone has use for.
_CUDA = ("cuda-", "cupy", "jax-cuda", "nvidia-", "pytorch-triton", "triton")

#: Put first by editors on Windows.
BYTE_ORDER_MARK = "\ufeff"

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_PINNED = re.compile(
    rf"(?P<name>{_NAME})(?P<extras>\[[A-Za-z0-9._, -]*\])?=="
    r"(?P<version>[A-Za-z0-9.!+_-]+)\s*(?:;\s*(?P<marker>.+))?"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class LockFault(InfrastructureError):
    """A lock that nothing may be built from; the message names its line."""


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """One package of a lock."""

    name: str
    version: str
    #: On which machines it is wanted, as pip writes it; empty for all.
    marker: str
    hashes: tuple[str, ...]
    line: int


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The packages of a runtime for one class of devices."""

    packages: tuple[Pinned, ...]

    @classmethod
    def read(cls, path: Path) -> Lock:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LockFault(f"The lock {path.name} cannot be read: {error}.") from error
        return cls.parse(text)

    @classmethod
    def parse(cls, text: str) -> Lock:
        """Raise LockFault for all that is no pinned package with its hashes."""
        packages = tuple(
            _pinned(number, line)
            for number, line in _logical_lines(text.removeprefix(BYTE_ORDER_MARK))
        )
        if not packages:
            raise LockFault("The lock names no package.")
        return cls(packages=packages)

    @property
    def sha256(self) -> str:
        """The hash of what it says, whatever its comments and line breaks."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def text(self) -> str:
        """The lock as it is kept."""
        return "".join(_written(package) for package in self.packages)

    def requirements(self) -> list[str]:
        """Its packages as they are asked for, whatever their hashes."""
        return [f"{package.name}=={package.version}" for package in self.packages]

    def cuda_packages(self) -> list[str]:
        """Packages that only a GPU has use for."""
        return sorted({p.name for p in self.packages if p.name.startswith(_CUDA)})

    def refuse_cuda(self) -> None:
        """Raise LockFault where a lock for the processor would pull packages for a GPU."""
        cuda = self.cuda_packages()
        if cuda:
            raise LockFault(
                f"This lock is for the processor and would pull {', '.join(cuda)}, gigabytes that "
                "only a GPU has use for. Lock it against a CPU build of torch (find-links, or "
                "--torch-backend cpu), and drop what is left by an override."
            )


def normalized(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines put together that end in a backslash, each with the number of its first."""
    gathered, first = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("#") or (not line and not gathered):
            continue
        first = first if gathered else number
        if line.endswith("\\"):
            gathered += line[:-1].rstrip() + " "
            continue
        yield first, gathered + line
        gathered = ""
    if gathered.strip():
        yield first, gathered.strip()


def _pinned(number: int, line: str) -> Pinned:
    what, _, _ = line.partition(" --hash=")
    rest = line[len(what) :].split()
    hashes = [match[1] for word in rest if (match := _HASH.fullmatch(word))]
    match = _PINNED.fullmatch(what.strip())
    if line.startswith("-"):
        raise LockFault(f"Line {number}: no options may stand in a lock ({line[:60]}).")
    if match is None and ("://" in what or " @ " in what):
        raise LockFault(f"Line {number}: a package must come from an index ({what[:80]}).")
    if match is None:
        raise LockFault(f"Line {number}: {what[:80]!r} is not pinned to one version by ==.")
    if len(hashes) != len(rest):
        wrong = next(word for word in rest if not _HASH.fullmatch(word))
        raise LockFault(f"Line {number}: {wrong[:80]!r} is no --hash=sha256:… of a file.")
    if not hashes:
        raise LockFault(f"Line {number}: {match['name']} has no hash; write it with hashes.")
    return Pinned(
        name=normalized(match["name"]),
        version=match["version"],
        marker=(match["marker"] or "").strip(),
        hashes=tuple(sorted(set(hashes))),
        line=number,
    )


def _written(package: Pinned) -> str:
    marker = f" ; {package.marker}" if package.marker else ""
    hashes = "".join(f" \\\n    --hash=sha256:{value}" for value in package.hashes)
    return f"{package.name}=={package.version}{marker}{hashes}\n"
