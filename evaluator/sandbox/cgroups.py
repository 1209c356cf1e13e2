"""A control group for each sandbox: a bound on memory (swap too) and on processes.

Version 2 is taken where it has both controllers and lets us make groups, else version 1. Under
systemd a worker needs ``Delegate=yes``; a user's own session (``user@.service``) has it already.
"""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evaluator.exceptions import InfrastructureError

_CONTROLLERS = ("memory", "pids")
_PREFIX = "touchstone"
_REMOVAL_S = 10.0


@dataclass(frozen=True, kw_only=True)
class CgroupParent:
    """Where groups can be made: one folder for version 2, one per controller for version 1."""

    version: int
    folders: dict[str, Path]

    def make(self, *, memory_MiB: int, n_processes: int) -> Cgroup:
        """Make an empty group with these bounds. Raises InfrastructureError."""
        name = f"{_PREFIX}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
        group = Cgroup(
            version=self.version,
            folders={c: folder / name for c, folder in self.folders.items()},
        )
        try:
            for folder in set(group.folders.values()):
                folder.mkdir()
            group.bound(memory_MiB << 20, n_processes)
        except OSError as error:
            group.remove()
            raise InfrastructureError(
                f"A control group could not be made ({error}); the worker must be able to write "
                f"below {', '.join(str(f) for f in set(self.folders.values()))}."
            ) from error
        return group

    def sweep(self) -> None:
        """Remove the empty groups of workers that were killed; others are left alone."""
        for folder in set(self.folders.values()):
            for group in folder.glob(f"{_PREFIX}-*"):
                pid = group.name.split("-")[1]
                if not Path("/proc", pid).exists():
                    _is_removed(group)


@dataclass(frozen=True, kw_only=True)
class Cgroup:
    """One group, made for one sandbox and removed after it."""

    version: int
    folders: dict[str, Path]

    @property
    def entrances(self) -> list[Path]:
        """The files that a process writes its number to in order to enter."""
        return [folder / "cgroup.procs" for folder in sorted(set(self.folders.values()))]

    def bound(self, memory_bytes: int, n_processes: int) -> None:
        memory, pids = self.folders["memory"], self.folders["pids"]
        (pids / "pids.max").write_text(str(n_processes))
        if self.version == 2:
            (memory / "memory.max").write_text(str(memory_bytes))
            _write_where_present(memory / "memory.swap.max", "0")
            return
        (memory / "memory.limit_in_bytes").write_text(str(memory_bytes))
        # Memory and swap together; without this a limit on memory only moves pages to swap.
        _write_where_present(memory / "memory.memsw.limit_in_bytes", str(memory_bytes))

    def n_oom_kills(self) -> int:
        """How many processes of the group the kernel killed for want of memory."""
        memory = self.folders["memory"]
        file = memory / ("memory.events" if self.version == 2 else "memory.oom_control")
        try:
            pairs = (line.split() for line in file.read_text().splitlines())
        except FileNotFoundError:
            return 0
        return next((int(n) for key, n in pairs if key == "oom_kill"), 0)

    def processes(self) -> set[int]:
        pids: set[int] = set()
        for entrance in self.entrances:
            try:
                pids |= {int(line) for line in entrance.read_text().split()}
            except FileNotFoundError:
                continue
        return pids - {0}

    def kill(self) -> None:
        """SIGKILL to all; a fork bomb is killed faster than pids.max lets it fork."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def remove(self) -> None:
        """Kill what is left and remove the group. Raises InfrastructureError if it stays."""
        deadline = time.monotonic() + _REMOVAL_S
        pause_s = 0.001
        while True:
            self.kill()
            left = [folder for folder in set(self.folders.values()) if not _is_removed(folder)]
            if not left:
                return
            if time.monotonic() > deadline:
                raise InfrastructureError(
                    f"The control group {left[0]} still holds the processes "
                    f"{sorted(self.processes())} after {_REMOVAL_S:g} s."
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.1)


def _is_removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False  # busy: a process is still dying
    return True


def _write_where_present(file: Path, text: str) -> None:
    if file.exists():
        file.write_text(text)


def find_cgroup_parent(proc: Path = Path("/proc/self")) -> CgroupParent | None:
    """Where this process can make groups with both controllers, or None."""
    own = dict(_own_groups((proc / "cgroup").read_text()))
    mounts = list(_mounts((proc / "mountinfo").read_text()))
    return _find_version_2(own, mounts) or _find_version_1(own, mounts)


@dataclass(frozen=True)
class _Mount:
    """A mounted hierarchy; version 2 has no controllers in its options."""

    root: str
    point: Path
    controllers: frozenset[str]
    is_version_2: bool

    def folder(self, group: str) -> Path:
        """The folder of a group; a container sees only what lies below the mount's root."""
        return self.point / os.path.relpath(group, self.root)


def _own_groups(text: str) -> Iterator[tuple[str, str]]:
    """Controller to path of our group; version 2 under the empty name."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _mounts(text: str) -> Iterator[_Mount]:
    for line in text.splitlines():
        before, after = line.split(" - ", 1)
        fields, (kind, _, options) = before.split(), after.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            yield _Mount(
                fields[3], Path(fields[4]), frozenset(options.split(",")), kind == "cgroup2"
            )


def _find_version_2(own: dict[str, str], mounts: list[_Mount]) -> CgroupParent | None:
    for mount in mounts:
        if not mount.is_version_2 or "" not in own:
            continue
        folder = mount.folder(own[""])
        # A group that holds processes cannot pass controllers on, so its parent is the usual place.
        for candidate in (folder, folder.parent):
            if candidate.is_relative_to(mount.point) and _passes_controllers_on(candidate):
                parent = CgroupParent(version=2, folders=dict.fromkeys(_CONTROLLERS, candidate))
                if _can_make(parent):
                    return parent
    return None


def _passes_controllers_on(folder: Path) -> bool:
    try:
        offered = set((folder / "cgroup.controllers").read_text().split())
        if not offered.issuperset(_CONTROLLERS):
            return False
        control = folder / "cgroup.subtree_control"
        if not set(control.read_text().split()).issuperset(_CONTROLLERS):
            control.write_text(" ".join(f"+{c}" for c in _CONTROLLERS))
    except OSError:
        return False  # not ours to write, or it holds processes
    return os.access(folder / "cgroup.procs", os.W_OK)


def _find_version_1(own: dict[str, str], mounts: list[_Mount]) -> CgroupParent | None:
    folders = {
        c: mount.folder(own[c])
        for c in _CONTROLLERS
        for mount in mounts
        if c in mount.controllers and c in own
    }
    if set(folders) != set(_CONTROLLERS):
        return None
    parent = CgroupParent(version=1, folders=folders)
    return parent if _can_make(parent) else None


def _can_make(parent: CgroupParent) -> bool:
    try:
        parent.make(memory_MiB=64, n_processes=8).remove()
    except InfrastructureError:
        return False
    return True
