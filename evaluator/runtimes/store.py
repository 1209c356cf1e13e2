"""Runtimes that are built on this machine: ``<root>/<name>/<digest>/``, each with a manifest.

A folder of that name is whole: it was put together under another name and renamed. What a builder
leaves behind that was killed has ``.tmp-`` in its name, and is swept by the next one.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evaluator.exceptions import InfrastructureError
from evaluator.paths import user_path
from evaluator.runtimes.interpreters import Interpreter

RUNTIMES_VARIABLE = "TOUCHSTONE_RUNTIMES_DIR"
_DATA_VARIABLE = "TOUCHSTONE_DATA_DIR"
_CACHE_VARIABLE = "TOUCHSTONE_CACHE"
MANIFEST = "runtime.json"
#: In the name of every folder that is not (or no longer) a runtime.
_PASSING = ".tmp-"
_POLL_S = 0.2


def runtimes_root() -> Path:
    """Where runtimes of this machine are kept, as the environment says."""
    if named := os.environ.get(RUNTIMES_VARIABLE):
        return user_path(named).absolute()
    if named := os.environ.get(_DATA_VARIABLE):
        return user_path(named).absolute() / "runtimes"
    if named := os.environ.get(_CACHE_VARIABLE):
        return user_path(named).absolute() / "runtimes"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return user_path(cache).absolute() / "touchstone" / "runtimes"


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A runtime that is built: a virtual environment that nothing is ever written to again."""

    name: str
    label: str
    digest: str
    #: Of its packages and its Python alone.
    environment: str
    variant: str
    kinds: tuple[str, ...]
    interpreter: Interpreter
    #: Versions by package, as they were installed.
    packages: Mapping[str, str]
    lock_sha256: str
    is_shipped: bool
    #: What its files take, whether or not other runtimes share them.
    n_bytes: int
    built_at: str
    build_time_s: float
    prefix: Path

    @property
    def python(self) -> Path:
        """The interpreter that finds its packages."""
        return self.prefix / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        return self.prefix / site_packages_of(self.interpreter)

    def use(self) -> RuntimeUse:
        """Keep it from being removed. Raises InfrastructureError where it is gone already."""
        return RuntimeUse(self)

    @property
    def last_used_at(self) -> float:
        """When a calculator was last started in it, or when it was built; seconds of the epoch."""
        try:
            return (self.prefix / MANIFEST).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def described(self) -> dict[str, Any]:
        """What a score's provenance says of it."""
        return {
            "name": self.name,
            "digest": self.digest,
            "variant": self.variant,
            "python": self.interpreter.version,
            "packages": dict(sorted(self.packages.items())),
        }

    def manifest(self) -> dict[str, Any]:
        """What is written beside its files."""
        return {
            **self.described(),
            "label": self.label,
            "environment": self.environment,
            "kinds": list(self.kinds),
            "interpreter": self.interpreter.to_json(),
            "lock_sha256": self.lock_sha256,
            "is_shipped": self.is_shipped,
            "n_bytes": self.n_bytes,
            "built_at": self.built_at,
            "build_time_s": self.build_time_s,
        }

    @classmethod
    def from_manifest(cls, content: Mapping[str, Any], prefix: Path) -> Runtime:
        """A runtime as it is described. Raises ValueError, KeyError or TypeError for another."""
        return cls(
            name=str(content["name"]),
            label=str(content["label"]),
            digest=str(content["digest"]),
            environment=str(content["environment"]),
            variant=str(content["variant"]),
            kinds=tuple(content["kinds"]),
            interpreter=Interpreter.from_json(content["interpreter"]),
            packages=MappingProxyType(dict(content["packages"])),
            lock_sha256=str(content["lock_sha256"]),
            is_shipped=bool(content["is_shipped"]),
            n_bytes=int(content["n_bytes"]),
            built_at=str(content["built_at"]),
            build_time_s=float(content["build_time_s"]),
            prefix=prefix,
        )


def site_packages_of(interpreter: Interpreter) -> str:
    """Where a virtual environment keeps its packages, below its prefix."""
    minor = ".".join(interpreter.version.split(".")[:2])
    return f"lib/python{minor}/site-packages"


class RuntimeUse:
    """A hold on a runtime, which is not removed before ``release``."""

    def __init__(self, runtime: Runtime) -> None:
        try:
            self._file = (runtime.prefix / MANIFEST).open("rb")
        except OSError as error:
            raise InfrastructureError(
                f"The runtime {runtime.name} ({runtime.digest[:12]}) is gone from this machine."
            ) from error
        fcntl.flock(self._file.fileno(), fcntl.LOCK_SH)
        with suppress(PermissionError):  # another user's: whoever built it keeps count
            os.utime(self._file.fileno())

    def release(self) -> None:
        self._file.close()


class RuntimeStore:
    """The runtimes below one folder."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = root or runtimes_root()

    @property
    def uv_cache(self) -> Path:
        """Wheels unpacked, whose files runtimes share by hard links: on the same file system."""
        return self.root / "uv-cache"

    def folder(self, name: str, digest: str) -> Path:
        return self.root / name / digest

    def find(self, name: str, digest: str) -> Runtime | None:
        """A runtime that is built and whose Python is still there, or None."""
        folder = self.folder(name, digest)
        if not (folder / MANIFEST).is_file():
            return None
        runtime = _read(folder)
        return runtime if runtime.python.exists() else None

    def built(self, name: str | None = None) -> list[Runtime]:
        """All that are built, the youngest of each name first."""
        manifests = sorted(self.root.glob(f"{name or '*'}/*/{MANIFEST}"))
        runtimes = [_read(path.parent) for path in manifests if _PASSING not in path.parent.name]
        return sorted(runtimes, key=lambda r: (r.name, _backwards(r.built_at)))

    def remove(self, name: str, digest: str) -> None:
        """Remove one, at once for whoever looks for it."""
        with self.building(name):
            self.sweep(name)
            folder = self.folder(name, digest)
            if folder.is_dir():
                shutil.rmtree(self.put_aside(folder))

    def put_aside(self, folder: Path) -> Path:
        """Give a runtime's folder a name under which nobody looks for it.

        Raises InfrastructureError where a calculator runs in it.
        """
        aside = self.passing(folder)
        with suppress(FileNotFoundError), (folder / MANIFEST).open("rb") as manifest:
            if not _locks(manifest.fileno()):
                raise InfrastructureError(
                    f"The runtime {folder.parent.name} ({folder.name[:12]}) is in use: a "
                    "calculator runs in it. Wait for the evaluation to end."
                )
        folder.rename(aside)
        return aside

    def passing(self, folder: Path) -> Path:
        """A name beside a runtime's for what is not, or no longer, it."""
        return folder.with_name(f"{folder.name}{_PASSING}{os.getpid()}-{time.monotonic_ns()}")

    def sweep(self, name: str) -> None:
        """Remove what builders left that were killed. For who holds ``building(name)`` alone."""
        for path in sorted((self.root / name).glob(f"*{_PASSING}*")):
            shutil.rmtree(path)

    @contextmanager
    def building(
        self, name: str, while_waiting: Callable[[], None] = lambda: None
    ) -> Iterator[int]:
        """Be the only builder of a name; gives the lock's descriptor.

        A program that inherits it keeps the lock, so that what outlives a killed builder is
        waited for too.
        """
        folder = self.root / name
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("a") as file:
            while not _locks(file.fileno()):
                while_waiting()
                time.sleep(_POLL_S)
            yield file.fileno()


def disk_bytes(folder: Path) -> int:
    """What a folder takes on the disk, each file once however often it is linked."""
    taken = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(os.path.join(parent, name))  # noqa: PTH118  (a million files)
            taken[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(taken.values())


def _locks(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(folder: Path) -> Runtime:
    file = folder / MANIFEST
    try:
        return Runtime.from_manifest(json.loads(file.read_text(encoding="utf-8")), folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InfrastructureError(
            f"{file} is no manifest of a runtime ({error!r}); remove its folder and build it anew."
        ) from error


def _backwards(text: str) -> tuple[int, ...]:
    return tuple(-ord(character) for character in text)
