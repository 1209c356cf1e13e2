"""Settings, database, broker and data folder of the service that this machine is set up for.

They are tried by ``leaderboard/self_check.py`` in a process of its own, since nothing here may
import Django.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from evaluator.cli.findings import Finding
from evaluator.sandbox.find import SandboxPolicy
from evaluator.sandbox.text import clean_line

#: What each part of the service cannot do without. The web server and the reaper wait for a
#: broker that is away; a worker hears of nothing without one.
NEEDS = {
    "worker": {"settings", "database", "broker", "data folder"},
    "web": {"settings", "database", "data folder", "static files"},
    "reaper": {"settings", "database", "data folder"},
}
_MODULES = {"celery": "celery", "django": "Django", "leaderboard": "the web service"}
#: Any of these set, this machine belongs to a service. DATABASE_URL may be another program's.
SERVICE_VARIABLES = ("TOUCHSTONE_SECRET_KEY", "TOUCHSTONE_HOSTS", "TOUCHSTONE_DEVELOPMENT")
_LIMIT_S = 90


@dataclass(frozen=True)
class ServiceParts:
    """What was found, and the values of those settings that the checks of a worker follow."""

    findings: list[Finding]
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def device(self) -> str:
        return str(self.values.get("device") or os.environ.get("TOUCHSTONE_DEVICE") or "cpu")

    @property
    def policy(self) -> SandboxPolicy:
        """Production's, where the settings cannot be read."""
        return SandboxPolicy(
            require_cgroup=bool(self.values.get("require_cgroup", True)),
            allow_unsandboxed_built_in=bool(self.values.get("allow_unsandboxed_built_in", False)),
        )


def is_set_up() -> bool:
    """Whether this shell has settings of a service at all."""
    return any(os.environ.get(name) for name in SERVICE_VARIABLES)


def try_service_parts(part: str) -> ServiceParts:
    """Try what ``part`` needs; what it does not need is told and is no fault."""
    missing = [
        what for module, what in _MODULES.items() if importlib.util.find_spec(module) is None
    ]
    if missing:
        return _failed(
            f"{', '.join(missing)} not installed", "pip install 'touchstone-mlip[web,evaluator]'"
        )
    lines, ending = _self_check()
    needs = NEEDS[part]
    findings = [
        Finding(is_needed=line["part"]["name"] in needs, **line["part"])
        for line in lines
        if "part" in line and (part == "web" or line["part"]["name"] != "static files")
    ]
    if ending:
        tried = [line["trying"] for line in lines if "trying" in line]
        findings.append(
            Finding(
                name=tried[-1] if tried else "settings",
                is_well=False,
                found="cannot be tried",
                hint=ending,
                is_needed=True,
            )
        )
    values = [line["values"] for line in lines if "values" in line]
    return ServiceParts(findings, values[0] if values else {})


def _self_check() -> tuple[list[dict[str, Any]], str]:
    """The lines that came, and why they ended before all was tried; empty where they did not."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "leaderboard.self_check"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        ending = ""
        try:
            output, errors = process.communicate(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            ending = f"no answer within {_LIMIT_S} s: is a disk or a network away?"
    if process.returncode and not ending:
        last = errors.strip().splitlines()[-1:] or ["it said nothing"]
        ending = f"status {process.returncode}: {clean_line(last[0], 300)}"
    return list(_own_lines(output)), ending


def _own_lines(output: str) -> Iterator[dict[str, Any]]:
    """Leave out what a library prints beside them, and half a line of a process that was ended."""
    for line in output.splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content


def _failed(found: str, hint: str) -> ServiceParts:
    return ServiceParts(
        [Finding(name="settings", is_well=False, found=found, hint=hint, is_needed=True)]
    )
