"""What stands in /proc in the place of files that tell of the host.

A process namespace hides other processes; it does not hide the kernel's command line, the load, who
holds locks, or counters that every sandbox of the host moves and reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from evaluator.sandbox.image import empty_folder

#: Covered by nothing. Most say what runs on the host; ``locks`` and the counters could also carry
#: words from one sandbox to another.
_EMPTY_FILES = (
    *("buddyinfo", "cgroups", "cmdline", "config.gz", "consoles", "crypto", "devices", "diskstats"),
    *(
        "dma",
        "execdomains",
        "fb",
        "interrupts",
        "iomem",
        "ioports",
        "kallsyms",
        "key-users",
        "keys",
    ),
    *("kpagecgroup", "kpagecount", "kpageflags", "latency_stats", "locks", "mdstat", "misc"),
    *("modules", "mtrr", "pagetypeinfo", "partitions", "sched_debug", "schedstat", "slabinfo"),
    *("softirqs", "swaps", "timer_list", "uptime", "vmallocinfo", "vmstat", "zoneinfo"),
)
_EMPTY_FOLDERS = (
    *("acpi", "asound", "bus", "driver", "dynamic_debug", "fs", "irq", "mpt", "pressure", "scsi"),
    *("sys", "sysvipc", "tty"),
)


def proc_files(memory_MiB: int, cores: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Path and text of the files that are covered."""
    for name in _EMPTY_FILES:
        if (path := Path("/proc", name)).is_file():
            yield str(path), ""
    yield "/proc/loadavg", "0.00 0.00 0.00 1/1 1\n"
    yield "/proc/meminfo", _meminfo(memory_MiB)
    yield "/proc/stat", _stat(len(cores))
    yield "/proc/cpuinfo", _cpuinfo(Path("/proc/cpuinfo").read_text(), len(cores))


def proc_folders() -> Iterator[str]:
    """Options that cover folders."""
    for name in _EMPTY_FOLDERS:
        if Path("/proc", name).is_dir():
            yield from empty_folder(f"/proc/{name}")


def _meminfo(memory_MiB: int) -> str:
    """The process's own bound, whatever else the host has and others take."""
    names = ("MemTotal", "MemFree", "MemAvailable")
    fixed = ("Buffers", "Cached", "SwapTotal", "SwapFree", "Active", "Inactive", "Shmem", "Slab")
    amounts_kB = {**dict.fromkeys(names, memory_MiB << 10), **dict.fromkeys(fixed, 0)}
    return "".join(f"{name + ':':<16}{amount:>8} kB\n" for name, amount in amounts_kB.items())


def _stat(n_cores: int) -> str:
    """As many processors as may be used, none of which has done anything yet."""
    rest = " 0" * 10
    lines = [f"cpu {rest}", *(f"cpu{number}{rest}" for number in range(n_cores))]
    return "\n".join([*lines, "btime 0", "processes 1", "procs_running 1", ""])


def _cpuinfo(text: str, n_cores: int) -> str:
    """The first processors without their clocks, which rise and fall with the work of others."""
    blocks = [block for block in text.split("\n\n") if block.startswith("processor")]
    kept = [
        "\n".join(
            line
            for line in block.splitlines()
            if not line.lower().startswith(("cpu mhz", "bogomips", "clock"))
        )
        for block in blocks[:n_cores]
    ]
    return "\n\n".join(kept) + "\n\n"
