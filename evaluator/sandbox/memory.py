"""How much memory a confined process took at most, as the kernel counted it.

A control group counts all of its processes with what they cached of files; without one, the peaks
of the processes' resident memory are added up. Which it was is told by ``METHODS``.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from evaluator.sandbox.cgroups import Cgroup

METHODS = {
    1: "control group, memory.max_usage_in_bytes, set back before each size",
    2: "control group, memory.peak of the process so far (it cannot be set back)",
    None: "resident memory of the processes (VmHWM), set back before each size where permitted",
}


def group_peak(cgroup: Cgroup) -> int | None:
    """Bytes; None where the kernel does not count it (version 2 before Linux 5.19)."""
    folder = cgroup.folders["memory"]
    name = "memory.peak" if cgroup.version == 2 else "memory.max_usage_in_bytes"
    try:
        return int((folder / name).read_text())
    except OSError:
        return None


def forget_group_peak(cgroup: Cgroup) -> None:
    if cgroup.version == 1:
        (cgroup.folders["memory"] / "memory.max_usage_in_bytes").write_text("0")


def processes_peak(pids: Iterable[int]) -> int | None:
    """Bytes; the sum over processes, of which one is the calculator. None when all have ended."""
    peaks = [peak for pid in pids if (peak := _resident_peak(pid)) is not None]
    return sum(peaks) if peaks else None


def forget_processes_peak(pids: Iterable[int]) -> None:
    """Needs the right to trace the process; without it the peak goes on from its beginning."""
    for pid in pids:
        with suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def _resident_peak(pid: int) -> int | None:
    try:
        # The first line is the name, which a process gives itself, of any bytes; the kernel escapes
        # its line feeds alone, and splitlines would let it write a line of its own by others.
        lines = Path(f"/proc/{pid}/status").read_bytes().split(b"\n")
    except OSError:
        return None
    peak_kB = next((line.split()[1] for line in lines if line.startswith(b"VmHWM:")), None)
    return None if peak_kB is None else int(peak_kB) << 10
