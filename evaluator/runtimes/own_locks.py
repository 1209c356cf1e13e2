"""Locks that submissions bring: read strictly, since their authors are strangers.

A lock comes as a text beside the submission's file, never out of its archive. What is installed is
written anew from what was read here, so that no word of the author's reaches an installer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from evaluator.exceptions import SubmissionError
from evaluator.runtimes.locks import BYTE_ORDER_MARK, CPU_BUILDS, Lock, LockFault, Pinned

#: What the server in the sandbox and the adapter of packages import beside the submission.
REQUIRED = ("ase", "msgpack", "numpy")
_LONGEST_LINE = 4096
_MOST_HASHES = 300
_LONGEST_NAME = 100

_VARIABLE = (
    "implementation_name|os_name|platform_machine|platform_python_implementation|platform_system|"
    "python_full_version|python_version|sys_platform"
)
_TEXT = r"'[A-Za-z0-9._*-]*'|\"[A-Za-z0-9._*-]*\""
#: Possessive throughout: where blanks could be shared out in several ways, a marker of a line that
#: matches nothing in the end would be tried in all of them.
_COMPARISON = rf"[(\s]*+(?:{_VARIABLE})\s*+(?:==|!=|<=|>=|<|>)\s*+(?:{_TEXT})[)\s]*+"
_MARKER = re.compile(rf"{_COMPARISON}(?:(?:and|or)\b{_COMPARISON}){{0,20}}+")
_FILES = (".whl", ".tar.gz", ".tar.bz2", ".tgz", ".zip")
#: Of packages for a GPU, in the order of Lock.cuda_packages.
_BUILD_ADVICE = "lock it for the processor: uv pip compile --torch-backend cpu"


class LockRefused(SubmissionError):
    """A lock from which nothing is built; the message names its line and says what to do."""


@dataclass(frozen=True, kw_only=True)
class OwnLimits:
    """How much the runtime of a submission may be."""

    lock_KiB: int = 512
    n_packages: int = 150
    #: Of all its files, unpacked.
    size_MiB: int = 4096
    n_files: int = 200_000
    #: Addresses of the installer, which holds a wheel's list of files as a whole; an honest one
    #: takes 1 to 2 GiB of them, more on many cores.
    memory_MiB: int = 8192
    build_time_s: float = 900.0


def read_own_lock(text: str, limits: OwnLimits | None = None) -> Lock:
    """The lock that a submission brings, its packages by name. Raises LockRefused."""
    limits = limits or OwnLimits()
    _refuse_strange_text(text, limits)
    try:
        lock = Lock.parse(text)
    except LockFault as error:
        raise LockRefused(str(error)) from error
    if len(lock.packages) > limits.n_packages:
        raise LockRefused(
            f"The lock names {len(lock.packages)} packages; at most {limits.n_packages} are built."
        )
    for package in lock.packages:
        _check(package)
    _refuse_repeated(lock)
    _refuse_missing(lock)
    packages = map(_with_plain_version, lock.packages)
    return Lock(packages=tuple(sorted(packages, key=lambda p: (p.name, p.version, p.marker))))


def _with_plain_version(package: Pinned) -> Pinned:
    """As our own locks name a build for the processor; its hash says which build it is."""
    if package.name not in CPU_BUILDS:
        return package
    return replace(package, version=package.version.removesuffix("+cpu"))


def _refuse_strange_text(text: str, limits: OwnLimits) -> None:
    """What is refused before anything is made of it."""
    text = text.removeprefix(BYTE_ORDER_MARK)
    n_bytes = len(text.encode("utf-8", "surrogatepass"))
    if n_bytes > limits.lock_KiB << 10:
        raise LockRefused(
            f"The lock is {n_bytes >> 10} KiB long; at most {limits.lock_KiB} KiB are read."
        )
    if not text.strip():
        raise LockRefused("The lock is empty. Write it with: uv pip compile --generate-hashes")
    if "\0" in text or re.search("[\ud800-\udfff]", text):
        raise LockRefused("The lock is no text: it holds bytes that are no characters.")
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > _LONGEST_LINE:
            raise LockRefused(f"Line {number} is {len(line)} characters long.")
        words = line.strip()
        if words.startswith("#"):
            continue
        if not (words.isascii() and words.replace("\t", " ").isprintable()):
            raise LockRefused(f"Line {number} holds characters that stand in no lock.")
        if words.partition(" ")[0].rstrip("\\").lower().endswith(_FILES):
            raise LockRefused(
                f"Line {number}: {words[:80]!r} is a file. A lock names packages by their "
                "versions: name==1.2.3 --hash=sha256:…"
            )


def _check(package: Pinned) -> None:
    at = f"Line {package.line}: {package.name[:60]}=={package.version[:40]}"
    if max(len(package.name), len(package.version)) > _LONGEST_NAME:
        raise LockRefused(f"{at}… is too long a name or version.")
    if len(package.hashes) > _MOST_HASHES:
        raise LockRefused(f"{at} has {len(package.hashes)} hashes; at most {_MOST_HASHES}.")
    if package.marker and not _is_marker(package.marker):
        raise LockRefused(
            f"{at} has the marker {package.marker[:80]!r}, which is not understood. Markers "
            "compare python_version, sys_platform or platform_machine with a text."
        )
    _refuse_for_a_gpu(package, at)


def _is_marker(marker: str) -> bool:
    is_balanced = marker.count("(") == marker.count(")")
    return len(marker) <= 1000 and is_balanced and _MARKER.fullmatch(marker) is not None


def _refuse_for_a_gpu(package: Pinned, at: str) -> None:
    if Lock(packages=(package,)).cuda_packages():
        raise LockRefused(
            f"{at} is a package for a GPU, and runtimes of submissions are built for "
            f"the processor; {_BUILD_ADVICE}"
        )
    local = package.version.partition("+")[2]
    if package.name in CPU_BUILDS and local not in ("", "cpu"):
        raise LockRefused(f"{at} is a build for a GPU; {_BUILD_ADVICE}")


def _refuse_repeated(lock: Lock) -> None:
    """One package may stand in several lines only where markers tell them apart."""
    seen: dict[str, Pinned] = {}
    for package in lock.packages:
        other = seen.setdefault(package.name, package)
        if other is not package and not (other.marker and package.marker):
            raise LockRefused(
                f"Line {package.line}: {package.name} stands in line {other.line} already."
            )


def _refuse_missing(lock: Lock) -> None:
    missing = sorted(set(REQUIRED) - {package.name for package in lock.packages})
    if missing:
        raise LockRefused(
            f"The lock lacks {', '.join(missing)}. What serves your calculator in the sandbox "
            f"needs {', '.join(REQUIRED)}: add them to your requirements and lock again."
        )
