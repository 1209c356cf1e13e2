"""``touchstone check``: what this machine can do, and what to do about what it cannot."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.findings import Finding, faults_of, printed
from evaluator.cli.places import add_mirror_argument, cache_folder, mirror_folder
from evaluator.cli.service import URL_VARIABLE, read_login
from evaluator.cli.service_parts import NEEDS, is_set_up, try_service_parts
from evaluator.cli.trial import try_machine
from evaluator.client import Client, ClientError
from evaluator.client.transport import checked_url
from evaluator.contract import DEVICE_PATTERN
from evaluator.exceptions import InfrastructureError, SubmissionError
from evaluator.host import machine
from evaluator.host.device_lock import device_lock
from evaluator.sandbox.find import SandboxPolicy

_TRAINED = {"torch": "torch", "chgnet": "chgnet", "mace-torch": "mace", "matgl": "matgl"}

_TIMEOUT_S = (5.0, 10.0)


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser(
        "check",
        help="say what this machine can do",
        description="Tries the sandbox, and in it a small calculation on the device and each "
        "calculator; and, where the environment has settings of a service, its database, broker "
        "and data folder. Status 30 where something is missing that is needed.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--device",
        metavar="DEVICE",
        help="cpu, cuda or cuda:N (default: TOUCHSTONE_DEVICE, then cpu)",
    )
    parser.add_argument(
        "--part",
        choices=list(NEEDS),
        help="check what this part of a service needs on this machine, whether there are settings "
        "or not",
    )
    parser.add_argument(
        "--quick", action="store_true", help="calculate nothing, import nothing: look alone"
    )
    parser.add_argument(
        "--url",
        metavar="URL",
        help="look at the queue of this service, too, and end with status 30 where it does not "
        f"answer or nobody does its work (default: {URL_VARIABLE}, then what touchstone login has "
        "stored; these are only looked at)",
    )
    add_mirror_argument(parser)
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    device = _device(arguments)
    if not re.fullmatch(DEVICE_PATTERN, device):
        raise SubmissionError(f"device {device!r} must be cpu, cuda or cuda:N")
    if arguments.json:
        findings = list(_findings(arguments))
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        findings = list(printed(_findings(arguments)))
    faults = faults_of(findings)
    if faults:
        print(f"touchstone: faults: {faults}", file=sys.stderr)
    return ExitCode.INFRASTRUCTURE_ERROR if faults else ExitCode.OK


def _device(arguments: argparse.Namespace) -> str:
    return arguments.device or os.environ.get("TOUCHSTONE_DEVICE") or "cpu"


def _findings(arguments: argparse.Namespace) -> Iterator[Finding]:
    yield _machine()
    part = arguments.part or ("worker" if is_set_up() else None)
    if part is None:
        yield from _of_the_author(arguments)
    else:
        yield from findings_of_part(part, device=arguments.device, is_quick=arguments.quick)
    yield from _service(arguments)


def findings_of_part(
    part: str, *, device: str | None = None, is_quick: bool = False
) -> Iterator[Finding]:
    """What a part of the service needs of this machine: worker, web or reaper."""
    parts = try_service_parts(part)
    yield from parts.findings
    if part == "worker":
        yield _lock_folder()
        yield from try_machine(
            parts.policy, device or parts.device, is_worker=True, is_quick=is_quick
        )


def _of_the_author(arguments: argparse.Namespace) -> Iterator[Finding]:
    """Of who evaluates on his own machine, for no service."""
    device = _device(arguments)
    yield from try_machine(SandboxPolicy(), device, is_worker=False, is_quick=arguments.quick)
    yield from (_package(name, module) for name, module in _TRAINED.items())
    yield _gpu()
    mirror = mirror_folder(arguments)
    yield Finding(
        name="data mirror",
        is_well=mirror is not None,
        found=str(mirror) if mirror else "none",
        hint="reference sets that are no part of ASE are downloaded when first asked for",
    )
    yield Finding(name="cache", is_well=True, found=str(cache_folder()))


def _lock_folder() -> Finding:
    """Where workers of this host agree on who may use the device."""
    try:
        with device_lock(is_exclusive=False, while_waiting=_give_up):
            found = "can be taken"
    except _Busy:
        found = "is held by a timed task"
    except InfrastructureError as error:
        return Finding(
            name="device lock", is_well=False, found="none", hint=str(error), is_needed=True
        )
    return Finding(name="device lock", is_well=True, found=found)


class _Busy(Exception):
    """Somebody times on the device: the lock works."""


def _give_up() -> None:
    raise _Busy


def _machine() -> Finding:
    hardware = machine.hardware("cpu")
    description = f"{hardware['cpu']}, {hardware['n_cores']} cores, {hardware['memory_MiB']} MiB"
    return Finding(name="machine", is_well=True, found=description)


def _service(arguments: argparse.Namespace) -> list[Finding]:
    """Of the service that was named or signed in to; nothing where there is none.

    Whoever names one asks whether it works; to be signed in to one asks nothing of this machine.
    """
    is_asked_for = bool(arguments.url)
    url = arguments.url or os.environ.get(URL_VARIABLE) or read_login().url
    if not url:
        return []
    try:
        with Client(checked_url(url), timeout_s=_TIMEOUT_S, max_attempts=1) as client:
            queue = client.queue()
    except ClientError as error:
        return [
            Finding(
                name="service", is_well=False, found=url, hint=str(error), is_needed=is_asked_for
            )
        ]
    n_due = queue.n_queued - queue.n_held
    counts = (
        f"{url}: {queue.n_queued} waiting, {queue.n_running} running, "
        f"{queue.n_workers} workers online"
    )
    is_unmanned = n_due > 0 and queue.n_workers == 0
    hint = "work waits and no worker is online: start one with touchstone worker"
    if queue.n_deaf:
        counts += f", {queue.n_deaf} of them deaf"
        hint = (
            "work waits and a free worker does not hear of it: it starts anew by itself; "
            "if this stays, restart it and look at the broker"
        )
    return [
        Finding(
            name="service",
            is_well=not (is_unmanned or queue.n_deaf),
            found=counts,
            hint=hint,
            is_needed=is_asked_for,
        )
    ]


def _package(name: str, module: str) -> Finding:
    version = machine.package_version(name)
    is_there = version is not None and importlib.util.find_spec(module) is not None
    hint = "pip install 'touchstone-mlip[evaluator]'"
    return Finding(name=name, is_well=is_there, found=version or "not installed", hint=hint)


def _gpu() -> Finding:
    names = machine.gpu_names()
    return Finding(
        name="GPU",
        is_well=bool(names),
        found=", ".join(names) or "none",
        hint="evaluations run on the CPU",
    )
