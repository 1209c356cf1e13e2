"""What a check of this machine has found, a line for each thing looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing looked at. ``is_needed``: without it this machine cannot do what it was asked."""

    name: str
    is_well: bool
    found: str
    hint: str = ""
    is_needed: bool = False

    @property
    def is_fault(self) -> bool:
        return self.is_needed and not self.is_well


def faults_of(findings: Sequence[Finding]) -> str:
    """Names of what is missing that is needed; empty where nothing is."""
    return ", ".join(finding.name for finding in findings if finding.is_fault)


def printed(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Print each when it is known, since some take seconds."""
    for finding in findings:
        mark = "ok" if finding.is_well else "!!" if finding.is_needed else "--"
        print(f"{mark}  {finding.name:<12} {finding.found}", flush=True)
        if finding.hint and not finding.is_well:
            print(f"    {'':<12} {finding.hint}", flush=True)
        yield finding
