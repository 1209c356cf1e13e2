"""The device that is timed: what it is, how it is clocked, whether anybody else is at work on it.

Everything is read, nothing is set: clocks and power limits are published as they were found.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evaluator.exceptions import InfrastructureError
from evaluator.host import machine

#: The longest that is waited on this host, in seconds; without it a task says how long.
IDLE_WAIT_VARIABLE = "TOUCHSTONE_IDLE_WAIT_S"
#: Share of the processor's time, and of the GPU's, that may be busy on an idle device.
CPU_IDLE_SHARE = 0.05
GPU_IDLE_SHARE = 0.02
_SAMPLE_S = 1.0

_GPU_FIELDS = (
    *("name", "uuid", "driver_version", "pstate", "memory.total", "memory.used"),
    *("utilization.gpu", "clocks.sm", "clocks.mem", "clocks.max.sm", "temperature.gpu"),
    *("power.draw", "power.limit", "clocks_throttle_reasons.active"),
)
_GPU_UNITS = {
    "memory": "MiB",
    "clocks": "MHz",
    "temperature": "C",
    "power": "W",
    "utilization": "percent",
}


def hardware_key(device: str, n_threads: int) -> str:
    """What decides a time: the GPU and the host's processor, and how many of its threads."""
    threads = f"{n_threads} thread{'s' if n_threads > 1 else ''} of {machine.cpu_model()}"
    if not device.startswith("cuda"):
        return threads
    return f"{gpu_state(device).get('name', 'unknown GPU')}, {threads}"


def describe(device: str) -> dict[str, Any]:
    """Clocks, governor, load; for a GPU what nvidia-smi tells of it. JSON-ready."""
    described: dict[str, Any] = {
        "cpu": machine.cpu_model(),
        "cpu_clocks_MHz": _cpu_clocks(),
        "cpu_governor": _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    if device.startswith("cuda"):
        described["gpu"] = gpu_state(device)
    return described


def idle_wait_s(wanted_s: float) -> float:
    """The time a task wants to wait for an idle device, or less where this host says so."""
    text = os.environ.get(IDLE_WAIT_VARIABLE, "")
    if not text:
        return wanted_s
    try:
        longest_s = float(text)
    except ValueError:
        longest_s = -1.0
    if not 0.0 <= longest_s <= 3600.0:
        raise InfrastructureError(f"{IDLE_WAIT_VARIABLE}={text!r} must be seconds from 0 to 3600")
    return min(wanted_s, longest_s)


def wait_until_idle(device: str, timeout_s: float, check: Callable[[], None]) -> dict[str, Any]:
    """Wait a bounded time for the device to be idle; say whether it was, and how busy it was last.

    ``check`` is called before each look, at least once a second; what it raises ends the wait.
    """
    started = time.monotonic()
    while True:
        check()
        cpu = cpu_busy_share(_SAMPLE_S)
        gpu = _gpu_busy_share(device)
        is_idle = cpu <= CPU_IDLE_SHARE and (gpu is None or gpu <= GPU_IDLE_SHARE)
        waited_s = time.monotonic() - started
        if is_idle or waited_s >= timeout_s:
            return {
                "is_idle": is_idle,
                "cpu_busy_percent": round(100 * cpu, 1),
                "gpu_busy_percent": None if gpu is None else round(100 * gpu, 1),
                "waited_for_idleness_s": round(waited_s, 1),
            }


def cpu_busy_share(sample_s: float) -> float:
    """Share of the time that our processors were busy during a pause of ours, 0 to 1."""
    before = _cpu_times(Path("/proc/stat").read_text())
    time.sleep(sample_s)
    after = _cpu_times(Path("/proc/stat").read_text())
    idle, total = after[0] - before[0], after[1] - before[1]
    return 1 - idle / total if total > 0 else 0.0


def _cpu_times(stat: str) -> tuple[int, int]:
    """Idle (waiting for a disk included) and all ticks of the processors that we may use."""
    ours = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    idle = total = 0
    for line in stat.splitlines():
        name, *ticks = line.split()
        if name in ours:
            # user nice system idle iowait irq softirq steal; guest time is in user already.
            counts = [int(tick) for tick in ticks[:8]]
            idle += counts[3] + counts[4]
            total += sum(counts)
    return idle, total


def gpu_state(device: str) -> dict[str, Any]:
    """What nvidia-smi tells of the device; empty where it does not answer."""
    index = device.partition(":")[2] or "0"
    try:
        answer = subprocess.run(
            [
                *("nvidia-smi", f"--id={index}", "--format=csv,noheader,nounits"),
                f"--query-gpu={','.join(_GPU_FIELDS)}",
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return read_gpu_state(answer.stdout) if answer.returncode == 0 else {}


def read_gpu_state(line: str) -> dict[str, Any]:
    """A line of nvidia-smi's CSV as fields with units; numbers where they are numbers."""
    state: dict[str, Any] = {}
    for name, text in zip(_GPU_FIELDS, line.strip().split(","), strict=False):
        unit = _GPU_UNITS.get(name.partition(".")[0])
        key = name.replace(".", "_")
        state[f"{key}_{unit}" if unit else key] = _number(text.strip())
    return state


def gpu_memory_used_MiB(device: str) -> float | None:  # noqa: N802  (a unit)
    """Memory taken on the device by all together, as its driver counts it."""
    used = gpu_state(device).get("memory_used_MiB")
    return used if isinstance(used, float) else None


def _gpu_busy_share(device: str) -> float | None:
    """None without a GPU; 1 where the driver does not tell, since nobody may rely on idleness."""
    if not device.startswith("cuda"):
        return None
    share = gpu_state(device).get("utilization_gpu_percent")
    return share / 100 if isinstance(share, float) else 1.0


def _cpu_clocks() -> list[float]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return [float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz")]


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
