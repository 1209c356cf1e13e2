"""The machine that evaluates, for provenance and for ``touchstone check``."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

#: What decides numbers on the trusted side; the calculator's own packages report for themselves.
TRUSTED_PACKAGES = ("touchstone-mlip", "ase", "numpy", "scipy")

_CPU_QUOTA_V2 = Path("/sys/fs/cgroup/cpu.max")
_CPU_QUOTA_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_CPU_PERIOD_V1 = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def n_cores() -> int:
    """Cores that this process may use: its affinity, or a container's share where that is less."""
    n_visible = len(os.sched_getaffinity(0))
    quota = _cpu_quota()
    return n_visible if quota is None else max(1, min(n_visible, int(quota)))


def _cpu_quota() -> float | None:
    try:
        if _CPU_QUOTA_V2.exists():
            quota, period = _CPU_QUOTA_V2.read_text().split()
        else:
            quota, period = _CPU_QUOTA_V1.read_text(), _CPU_PERIOD_V1.read_text()
    except OSError:
        return None
    if quota.strip() in ("max", "-1"):
        return None
    return int(quota) / int(period)


def available_memory() -> int:
    """MiB that could be given to new processes without swapping, as the kernel estimates it."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") // 1024**2


def total_memory_MiB() -> int:  # noqa: N802  (a unit)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024**2


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def gpu_names() -> list[str]:
    """Names of the NVIDIA GPUs that the driver lists; empty without driver or GPU."""
    if shutil.which("nvidia-smi") is None:
        return []
    answer = subprocess.run(
        ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if answer.returncode != 0:
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def package_version(name: str) -> str | None:
    """Version of an installed distribution, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def trusted_versions() -> dict[str, str]:
    """Versions of Python and of the packages that the trusted side computes with."""
    versions = {name: package_version(name) for name in TRUSTED_PACKAGES}
    return {
        "python": platform.python_version(),
        **{name: version for name, version in versions.items() if version is not None},
    }


def hardware(device: str) -> dict[str, Any]:
    """What the numbers and the times were obtained on."""
    described: dict[str, Any] = {
        "cpu": cpu_model(),
        "n_cores": n_cores(),
        "memory_MiB": total_memory_MiB(),
        "kernel": platform.release(),
        "machine": platform.machine(),
    }
    if device.startswith("cuda"):
        described["gpus"] = gpu_names()
    return described
