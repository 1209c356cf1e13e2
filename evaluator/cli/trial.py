"""The sandbox of this machine, and in it a small calculation on the device and each calculator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import evaluator
from evaluator.calculators.trial import MARK, NO_DEVICE
from evaluator.cli.findings import Finding
from evaluator.exceptions import InfrastructureError
from evaluator.host import machine
from evaluator.runtimes.build import find
from evaluator.runtimes.definitions import known_definitions
from evaluator.runtimes.recipes import variant_for
from evaluator.runtimes.store import Runtime, RuntimeStore
from evaluator.sandbox.base import ProcessRequest, Sandbox, SandboxLevel, SandboxUnavailable
from evaluator.sandbox.find import SandboxPolicy, find_sandbox
from evaluator.sandbox.output import OutputDrain
from evaluator.sandbox.text import clean_line

_MEMORY_MiB = 8192
#: From a cold disk, packages of a few GiB; beside evaluations that keep all cores at work.
_TRIAL_S = 240.0
_DRIVER_S = 60.0
_INSTALL = "pip install 'touchstone-mlip[evaluator]'"


def try_machine(
    policy: SandboxPolicy, device: str, *, is_worker: bool, is_quick: bool = False
) -> Iterator[Finding]:
    """Findings on the sandbox, the driver's place, the device and the calculators.

    A worker needs them all; who evaluates for himself needs a sandbox and the device alone.
    """
    try:
        sandbox = find_sandbox(policy)
    except SandboxUnavailable as error:
        yield Finding(name="sandbox", is_well=False, found="none", hint=str(error), is_needed=True)
        return
    yield _level(sandbox)
    if is_quick or sandbox.level is SandboxLevel.NONE:
        return
    if is_worker:
        yield _driver(sandbox)
    yield from _trial(sandbox, device, is_worker=is_worker)


def _level(sandbox: Sandbox) -> Finding:
    what = "none" if sandbox.level is SandboxLevel.NONE else "bubblewrap"
    return Finding(
        name="sandbox",
        is_well=sandbox.level in (SandboxLevel.CGROUP1, SandboxLevel.CGROUP2),
        found=f"{what}, memory bounded by {sandbox.level}",
        hint="without cgroups memory can be overdrawn for a moment; production refuses it",
    )


def _driver(sandbox: Sandbox) -> Finding:
    """The driver's process is confined in another way than a calculator's."""
    here = Path(evaluator.__file__)
    request = ProcessRequest(
        artifact=here,
        reference=here,
        memory_MiB=_MEMORY_MiB,
        program=("-c", "import evaluator.driver.child; print('inside')"),
        is_trusted=True,
    )
    output, fault = _run(sandbox, request, _DRIVER_S)
    is_well = not fault and "inside" in output
    return Finding(
        name="driver",
        is_well=is_well,
        found="starts in a sandbox of its own" if is_well else "does not start",
        hint=fault or clean_line(output, 300),
        is_needed=True,
    )


def _trial(sandbox: Sandbox, device: str, *, is_worker: bool) -> Iterator[Finding]:
    """The device where torch is, and for a worker each runtime that is built."""
    built = {name: runtime for name, runtime in _built(device).items() if runtime is not None}
    with_torch = next((r for r in built.values() if "torch" in r.packages), None)
    yield from _trial_in(with_torch, sandbox, device, ())
    if not is_worker:
        return
    missing = [name for name in known_definitions() if name not in built]
    if missing:
        yield Finding(
            name="runtimes",
            is_well=True,
            found=f"{', '.join(missing)} not built yet; a worker builds one when it is asked for",
        )
    for runtime in built.values():
        yield from _trial_in(runtime, sandbox, "", runtime.kinds)


def _built(device: str) -> dict[str, Runtime | None]:
    store, definitions = RuntimeStore(), known_definitions().values()
    return {d.name: find(d, store, variant_for(d, device)) for d in definitions}


def _trial_in(
    runtime: Runtime | None, sandbox: Sandbox, device: str, kinds: Sequence[str]
) -> Iterator[Finding]:
    """Compute on a device, unless none is named, and import what some kinds need."""
    request = ProcessRequest(
        artifact=Path(evaluator.__file__),
        runtime=runtime,
        memory_MiB=_MEMORY_MiB,
        device=device or "cpu",
        program=("-m", "evaluator.calculators.trial", device or NO_DEVICE, *kinds),
    )
    output, fault = _run(sandbox, request, _TRIAL_S)
    lines = [
        json.loads(line.removeprefix(MARK)) for line in output.splitlines() if line.startswith(MARK)
    ]
    yield from (_device(device, line) for line in lines if line["name"] == "device")
    yield from _calculators([line for line in lines if line["name"] in kinds])
    if fault:
        after = lines[-1]["name"] if lines else "the start"
        yield Finding(
            name="trial",
            is_well=False,
            found=f"the process in the sandbox ended after {after}",
            hint=fault,
            is_needed=True,
        )


def _device(device: str, line: dict[str, str]) -> Finding:
    error = clean_line(line["error"], 300)
    return Finding(
        name="device",
        is_well=not error,
        found=line["found"] or f"{device} cannot be used: {error}",
        hint=_device_hint(device),
        is_needed=True,
    )


def _device_hint(device: str) -> str:
    """What most often is wrong, by what this host has."""
    if not device.startswith("cuda"):
        return _INSTALL
    gpus = machine.gpu_names()
    torch = machine.package_version("torch") or "none"
    if not gpus:
        return "nvidia-smi lists no GPU: install the driver, or set TOUCHSTONE_DEVICE=cpu"
    if torch.endswith("+cpu"):
        return f"torch {torch} is a build for processors: install a CUDA build of this version"
    return (
        f"{len(gpus)} GPUs are here ({', '.join(gpus)}), torch is {torch}: a device that exists, "
        "a build for this GPU, and a driver new enough for it are needed"
    )


def _calculators(lines: list[dict[str, str]]) -> Iterator[Finding]:
    """One finding of those that are well, and one of each that is not."""
    if well := [line["name"] for line in lines if not line["error"]]:
        yield Finding(name="calculators", is_well=True, found=", ".join(well))
    for line in lines:
        if line["error"]:
            yield Finding(
                name="calculators",
                is_well=False,
                found=f"{line['name']} cannot be imported: {clean_line(line['error'], 300)}",
                hint=f"{_INSTALL}: its submissions would end with an error here",
                is_needed=True,
            )


def _run(sandbox: Sandbox, request: ProcessRequest, limit_s: float) -> tuple[str, str]:
    """What it printed, and why it did not end well; empty where it did."""
    try:
        process = sandbox.start(request)
    except InfrastructureError as error:
        return "", str(error)
    output = OutputDrain(process.stdout, process.stderr)
    try:
        status = process.wait(limit_s)
        has_no_memory = process.ran_out_of_memory()
    finally:
        process.kill()
        process.release()
        output.finish()
    if status == 0:
        return output.stdout, ""
    if has_no_memory:
        return output.stdout, f"it ran out of memory ({request.memory_MiB} MiB)"
    lines = output.stderr.strip().splitlines()
    last = clean_line(lines[-1], 300) if lines else "it said nothing"
    how = f"it still ran after {limit_s:.0f} s" if status is None else f"status {status}"
    return output.stdout, f"{how}: {last}"
