"""``touchstone check``: what this machine can do, and what to do about what it cannot."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
from dataclasses import asdict, dataclass
from typing import Any

from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.places import add_mirror_argument, cache_folder, mirror_folder
from evaluator.cli.service import URL_VARIABLE, read_login
from evaluator.client import Client, ClientError
from evaluator.client.transport import checked_url
from evaluator.host import machine
from evaluator.sandbox.base import SandboxLevel, SandboxUnavailable
from evaluator.sandbox.find import find_sandbox

_TRAINED = {"torch": "torch", "chgnet": "chgnet", "mace-torch": "mace", "matgl": "matgl"}

_TIMEOUT_S = (5.0, 10.0)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at. ``is_needed``: without it no submission can be evaluated here."""

    name: str
    is_well: bool
    found: str
    hint: str = ""
    is_needed: bool = False


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser("check", help="say what this machine can do")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--url",
        metavar="URL",
        help=f"look at the queue of this service, too (default: {URL_VARIABLE}, then what "
        "touchstone login has stored)",
    )
    add_mirror_argument(parser)
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    mirror = mirror_folder(arguments)
    findings = [
        _machine(),
        _sandbox(),
        *(_package(name, module) for name, module in _TRAINED.items()),
        _gpu(),
        Finding(
            name="data mirror",
            is_well=mirror is not None,
            found=str(mirror) if mirror else "none",
            hint="reference sets that are no part of ASE are downloaded when first asked for",
        ),
        Finding(name="cache", is_well=True, found=str(cache_folder())),
        *_service(arguments),
    ]
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _print(findings)
    lacks = any(finding.is_needed and not finding.is_well for finding in findings)
    return ExitCode.INFRASTRUCTURE_ERROR if lacks else ExitCode.OK


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        mark = "ok" if finding.is_well else "--"
        print(f"{mark}  {finding.name:<12} {finding.found}")
        if finding.hint and not finding.is_well:
            print(f"    {'':<12} {finding.hint}")


def _machine() -> Finding:
    hardware = machine.hardware("cpu")
    description = f"{hardware['cpu']}, {hardware['n_cores']} cores, {hardware['memory_MiB']} MiB"
    return Finding(name="machine", is_well=True, found=description)


def _sandbox() -> Finding:
    try:
        level = find_sandbox().level
    except SandboxUnavailable as error:
        return Finding(name="sandbox", is_well=False, found="none", hint=str(error), is_needed=True)
    return Finding(
        name="sandbox",
        is_well=level is not SandboxLevel.RLIMIT,
        found=f"bubblewrap, memory bounded by {level}",
        hint="without cgroups memory can be overdrawn for a moment; production refuses it",
    )


def _service(arguments: argparse.Namespace) -> list[Finding]:
    """Of the service that was named or signed in to; nothing where there is none."""
    url = arguments.url or os.environ.get(URL_VARIABLE) or read_login().url
    if not url:
        return []
    try:
        with Client(checked_url(url), timeout_s=_TIMEOUT_S, max_attempts=1) as client:
            queue = client.queue()
    except ClientError as error:
        return [Finding(name="service", is_well=False, found=url, hint=str(error))]
    n_due = queue.n_queued - queue.n_held
    counts = (
        f"{url}: {queue.n_queued} waiting, {queue.n_running} running, "
        f"{queue.n_workers} workers online"
    )
    if queue.n_deaf:
        return [
            Finding(
                name="service",
                is_well=False,
                found=f"{counts}, {queue.n_deaf} of them deaf",
                hint="work waits and a free worker does not hear of it: it starts anew by itself; "
                "if this stays, restart it and look at the broker",
                is_needed=True,
            )
        ]
    is_unmanned = n_due > 0 and queue.n_workers == 0
    hint = "work waits and no worker is online: start one with touchstone worker"
    return [Finding(name="service", is_well=not is_unmanned, found=counts, hint=hint)]


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
