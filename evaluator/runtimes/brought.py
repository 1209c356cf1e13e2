"""Wheels of strangers: unpacked where nothing else can be written, and looked through.

uv alone touches them, in a view of this machine that is read-only but for one folder, with bounds
on time, files and bytes. No line of theirs runs: uv is told another Python than the one beside
which they lie.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes import uv
from evaluator.runtimes.locks import Lock, Pinned
from evaluator.runtimes.own_locks import LockRefused, OwnLimits

_POLL_S = 0.2
_MOST_CHARS = 1500
_LONGEST_PATH = 1024
#: Of a list of files; torch's is of 2 MB.
_LONGEST_RECORD = 64 << 20
#: Folders of an environment in which wheels may put files.
_PLACES = ("bin", "etc", "include", "lib", "share")
#: Left by uv itself.
_OF_UV = (".lock",)
#: Status of a program that SIGXFSZ has ended, as it is and as bubblewrap tells it.
_TOO_LARGE_A_FILE = (-signal.SIGXFSZ, 128 + signal.SIGXFSZ)
#: In uv's words, what is this machine's fault or the network's, whatever they were met at.
_OF_THIS_MACHINE = re.compile(
    "no space left|quota exceeded|read-only file system|too many open files|cannot allocate memory|"
    "out of memory|input/output error|permission denied|timed? ?out|error decoding response|"
    "error reading a body|error sending request|connection (?:reset|refused|closed)|dns error|"
    r"HTTP status server error|\(os error (?:5|12|13|23|24|28|30|122)\)",
    re.IGNORECASE,
)
#: What is the lock's fault; everything else is taken for ours, too, and tried again.
_OF_THE_LOCK = re.compile(
    "hash mismatch|no solution found|unsatisfiable|no usable wheels|has no wheels|"
    "not found in the package registry|wheel is invalid|failed to install|failed to extract|"
    "failed to parse|failed to unzip|metadata field|reserved name|file too large|"
    "filename .* does not match|not found in the provided package locations|"
    "invalid zip|not a valid wheel|missing.*\\.dist-info|multiple .*\\.dist-info|"
    r"file name too long|memory allocation of \d+ bytes failed",
    re.IGNORECASE,
)


class BuildStopped(InfrastructureError):
    """Whoever wanted the runtime does not want it any more."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What ends an installation before its time."""

    limits: OwnLimits
    should_stop: Callable[[], bool] = lambda: False
    on_line: Callable[[str], None] = lambda line: None


def install(
    lock: Lock, folder: Path, *, python: str, sources: Sequence[str], fd: int, watch: Watch
) -> Path:
    """Unpack the wheels of a lock into a prefix of their own below ``folder``; returns it.

    Raises LockRefused where the lock or a wheel is at fault, InfrastructureError where we are.
    """
    prefix = folder / "prefix"
    for path in (prefix, folder / "tmp"):
        path.mkdir(parents=True)
    file = folder / "lock.txt"
    file.write_text(lock.text())
    arguments = [
        *("pip", "install", "--requirements", str(file), "--no-deps", "--require-hashes"),
        *("--only-binary", ":all:", "--link-mode", "hardlink", "--python", python),
        *("--prefix", str(prefix), "--no-python-downloads", "--index-strategy", "first-index"),
        *("--cache-dir", str(folder / "cache"), "--no-progress", *sources),
    ]
    status, words = _run(arguments, folder, fd, watch)
    if status in _TOO_LARGE_A_FILE:
        _refuse_large(Size(1, (watch.limits.size_MiB << 20) + 1), watch.limits)
    if status != 0:
        explain(words, lock)
    return prefix


def _run(arguments: Sequence[str], folder: Path, fd: int, watch: Watch) -> tuple[int, str]:
    """uv's exit status and its words."""
    bwrap, prlimit = shutil.which("bwrap"), shutil.which("prlimit")
    if bwrap is None or prlimit is None:
        raise InfrastructureError(
            "Runtimes of submissions are unpacked behind bubblewrap, which cannot be found; "
            "install it with: apt-get install bubblewrap util-linux"
        )
    command = [
        *(prlimit, f"--fsize={watch.limits.size_MiB << 20}", "--core=0"),
        *(f"--as={watch.limits.memory_MiB << 20}", "--"),
        *(bwrap, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *("--bind", str(folder), str(folder), "--unshare-pid", "--unshare-ipc"),
        *("--cap-drop", "ALL", "--die-with-parent", "--new-session"),
        *("--setenv", "TMPDIR", str(folder / "tmp"), "--chdir", "/", "--"),
        *(uv.program(), *arguments),
    ]
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                env=uv.environment(),
                pass_fds=(fd,),
                umask=0o022,
            )
        except OSError as error:
            raise InfrastructureError(f"uv cannot be started: {error}.") from error
        with process:
            try:
                _attend(process, folder, watch)
            finally:
                process.kill()
        said.seek(0)
        words = said.read(1 << 20)
    for line in words.splitlines():
        watch.on_line(line)
    return process.returncode, words


def _attend(process: subprocess.Popen[bytes], folder: Path, watch: Watch) -> None:
    """Wait for the end, and end what takes too much or is not wanted any more."""
    limits = watch.limits
    until = time.monotonic() + limits.build_time_s
    while True:
        began = time.monotonic()
        size = measured(folder)
        _refuse_large(size, limits)
        looking_s = time.monotonic() - began
        try:
            process.wait(max(_POLL_S, 5 * looking_s))
        except subprocess.TimeoutExpired:
            pass
        else:
            return
        if watch.should_stop():
            raise BuildStopped("The runtime is not wanted any more.")
        if time.monotonic() > until:
            raise InfrastructureError(
                f"The packages of the lock were not there after {limits.build_time_s:g} s."
            )


def explain(words: str, lock: Lock) -> NoReturn:
    """Raise LockRefused or InfrastructureError: for whose fault it was, in uv's words."""
    _, _, fault = words.partition("error: ")
    told = " ".join(plain_words(fault or words).split())[:_MOST_CHARS] or "no word"
    if _OF_THIS_MACHINE.search(fault or words) or not _OF_THE_LOCK.search(words):
        raise InfrastructureError(f"The packages of a lock could not be fetched: {told}")
    named = [p for p in lock.packages if names(words, p)]
    place = f"Line {named[0].line}, {named[0].name}=={named[0].version}" if named else "The lock"
    raise LockRefused(f"{place} cannot be installed from a wheel. The installer says: {told}")


def names(words: str, package: Pinned) -> bool:
    """Whether uv complains of a package, by its requirement or by the name of its wheel."""
    wheel = f"{package.name.replace('-', '_')}-{package.version}-"
    return f"{package.name}=={package.version}" in words.partition("error: ")[2] or wheel in words


def plain_words(words: str) -> str:
    """uv's words without addresses and paths of this machine."""
    words = re.sub(r"\b[a-z][a-z+]{0,20}://\S+", "(an address)", words)
    words = re.sub(r"(?<![\w=.])/[^\s`'\"]+/([^\s`'\"/]*)", r"\1", words)
    return "".join(c for c in words if c.isprintable() or c == "\n")


# --- what was unpacked ----------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    n_files: int
    n_bytes: int


def measured(folder: Path) -> Size:
    """Files and bytes below a folder at which somebody is at work, each file once."""
    seen: dict[int, int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(parent, name))  # noqa: PTH118  (many files)
            except OSError:  # moved meanwhile, or too deep to be named
                continue
            seen[status.st_ino] = max(status.st_size, status.st_blocks * 512)
    return Size(len(seen), sum(seen.values()))


def _refuse_large(size: Size, limits: OwnLimits) -> None:
    if size.n_bytes > limits.size_MiB << 20:
        raise LockRefused(
            f"Unpacked, the packages of the lock take more than {limits.size_MiB} MiB."
        )
    if size.n_files > limits.n_files:
        raise LockRefused(f"The packages of the lock hold more than {limits.n_files} files.")


def check_tree(prefix: Path, limits: OwnLimits) -> None:
    """Raise LockRefused for what no environment should hold; sets modes that all may read."""
    for path in sorted(prefix.iterdir()):
        if path.name not in (*_PLACES, *_OF_UV):
            raise LockRefused(
                f"A package puts {_shown(path.name)} beside the folders of its environment."
            )
    n_files = n_bytes = 0
    for path in _all_below(prefix):
        status = path.lstat()
        inside = str(path.relative_to(prefix))
        if len(inside) > _LONGEST_PATH or not inside.isprintable():
            raise LockRefused(f"A package holds a file of an odd name, {_shown(inside)}.")
        if stat.S_ISDIR(status.st_mode):
            path.chmod(0o755)
            continue
        if not stat.S_ISREG(status.st_mode):
            raise LockRefused(
                f"{_shown(inside)} is no regular file: links and devices are refused."
            )
        path.chmod(0o755 if status.st_mode & 0o100 else 0o644)
        n_files, n_bytes = n_files + 1, n_bytes + status.st_size
        if path.name == "RECORD" and path.parent.suffix == ".dist-info":
            _check_record(path, prefix)
    _refuse_large(Size(n_files, n_bytes), limits)


def _all_below(prefix: Path) -> Iterator[Path]:
    """Everything, without following a link."""
    for parent, folders, names in os.walk(prefix, onerror=_raise):
        for name in (*folders, *names):
            yield Path(parent) / name


def _raise(error: OSError) -> None:
    raise error


def _check_record(record: Path, prefix: Path) -> None:
    """Refuse a list of files that leaves the environment, though nobody goes by it here."""
    if record.stat().st_size > _LONGEST_RECORD:
        raise LockRefused(f"{record.parent.name}/RECORD is longer than the list of any package.")
    with record.open(encoding="utf-8", errors="replace", newline="") as file:
        try:
            paths = [row[0] for row in csv.reader(file) if row]
        except csv.Error as error:
            raise LockRefused(f"{record.parent.name}/RECORD cannot be read ({error}).") from error
    base = PurePosixPath(str(record.parent.parent.relative_to(prefix)))
    for path in paths:
        if PurePosixPath(path).is_absolute() or not _stays_inside(base / path):
            raise LockRefused(
                f"{record.parent.name}/RECORD names {_shown(path)}, outside its environment."
            )


def _stays_inside(path: PurePosixPath) -> bool:
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def _shown(name: str) -> str:
    return repr("".join(c if c.isprintable() else "?" for c in name)[:120])


def merge(source: Path, target: Path) -> list[str]:
    """Move what was checked into an environment; what is there already stays.

    Returns the paths that were there. Nothing of either tree is behind a link.
    """
    there: list[str] = []
    for parent, folders, names in os.walk(source):
        place = target / Path(parent).relative_to(source)
        place.mkdir(mode=0o755, exist_ok=True)
        for name in names:
            path = place / name
            if path.is_symlink() or path.exists():
                there.append(str(path.relative_to(target)))
            else:
                (Path(parent) / name).rename(path)
        folders[:] = [name for name in folders if _may_hold(place / name)]
    return there


def _may_hold(path: Path) -> bool:
    """Whether a folder is there, or can be made; a file of another package's stays."""
    return not path.is_symlink() and (path.is_dir() or not path.exists())
