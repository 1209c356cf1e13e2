"""Where no control group can be had: looks at a sandbox's memory every tenth of a second.

Weaker than a control group: a fast hog overdraws for a moment, and files in /tmp are bounded by
the size of its file system alone. The level is published as ``rlimit`` for that reason.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

_PERIOD_S = 0.1


def descendants(pid: int) -> list[int]:
    """All processes below one, itself left out. Orphans in its namespace stay below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_bytes()
            except OSError:
                continue  # it has ended
            # pid (name) state ppid ...; a process names itself, by any bytes and parentheses.
            parent = int(stat[stat.rindex(b")") + 2 :].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    pids, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        pids += below
        waiting += below
    return pids


def kill_all(pids: Iterable[int]) -> None:
    """SIGKILL to each that still lives and is ours to kill."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def memory_bytes(pids: Iterable[int]) -> int:
    """Anonymous and shared memory of the processes, and the memory files that they hold open.

    A page that several share is divided among them; a memory file that is also mapped counts twice.
    """
    total = 0
    memory_files: dict[tuple[int, int], int] = {}
    for pid in pids:
        try:
            total += _proportional_bytes(Path(f"/proc/{pid}/smaps_rollup").read_text())
            for link in Path(f"/proc/{pid}/fd").iterdir():
                if str(link.readlink()).startswith("/memfd:"):
                    status = link.stat()
                    memory_files[status.st_dev, status.st_ino] = status.st_blocks * 512
        except OSError:
            continue  # it has ended, or a descriptor was closed meanwhile
    return total + sum(memory_files.values())


def _proportional_bytes(smaps_rollup: str) -> int:
    lines = (line.split() for line in smaps_rollup.splitlines())
    return sum(int(line[1]) << 10 for line in lines if line[0] in ("Pss_Anon:", "Pss_Shmem:"))


class MemoryWatchdog:
    """Calls ``kill`` once when the processes below ``pid`` hold more than ``limit_bytes``."""

    def __init__(self, pid: int, limit_bytes: int, kill: Callable[[], None]) -> None:
        self._pid, self._limit_bytes, self._kill = pid, limit_bytes, kill
        self._stopped = threading.Event()
        self.has_killed = False
        threading.Thread(target=self._watch, name="memory-watchdog", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(_PERIOD_S):
            if memory_bytes(descendants(self._pid)) > self._limit_bytes:
                self.has_killed = True
                self._kill()
                return
