"""``make bench``: how fast evaluations are, in ratios that mean the same on any machine.

Each section times different ways to the same numbers in turns, in one run, and returns its part of
the results page.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from evaluator.host import machine
from evaluator.sandbox.find import SandboxPolicy, find_sandbox
from tests.performance import matcalc_comparison, site, speed

SECTIONS = ("speed", "matcalc", "site")
#: Above this load average the machine is busy, and a loop of several threads suffers most.
BUSY = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    slugs = [case.slug for case in speed.CASES]
    parser = argparse.ArgumentParser(prog="python -m tests.performance", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="repetitions (default: 2)")
    parser.add_argument("--sections", default=",".join(SECTIONS), help="default: %(default)s")
    parser.add_argument("--tasks", default=",".join(slugs), help="default: %(default)s")
    parser.add_argument(
        "--ase-threads", type=int, help="threads of the plain loop (default: what torch takes)"
    )
    parser.add_argument("--potentials", type=int, default=1000, help="of the site's board")
    parser.add_argument("--site-tasks", type=int, default=30, help="of the site's board")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the results page too")
    chosen = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", "Converting a tensor with requires_grad=True to a scalar")

    load_before, started = os.getloadavg()[0], time.monotonic()
    if load_before > BUSY:
        print(f"The machine is busy (load {load_before:.1f}): ratios are rough.", file=sys.stderr)
    sections = chosen.sections.split(",")
    # Without the evaluations' sections no sandbox is needed.
    sandbox = find_sandbox(SandboxPolicy()) if {"speed", "matcalc"} & set(sections) else None
    parts = []
    if sandbox is not None and "speed" in sections:
        cases = [case for case in speed.CASES if case.slug in chosen.tasks.split(",")]
        parts.append(speed.section(cases, chosen.rounds, sandbox, chosen.ase_threads))
        print(parts[-1], flush=True)
    if sandbox is not None and "matcalc" in sections:
        parts.append(matcalc_comparison.section(chosen.rounds, sandbox))
        print(parts[-1], flush=True)
    if "site" in sections:
        parts.append(site.section(chosen.potentials, chosen.site_tasks))
        print(parts[-1], flush=True)
    if chosen.write is not None:
        chose = "" if chosen.sections == ",".join(SECTIONS) else f"--sections {chosen.sections} "
        command = f'make bench ARGS="{chose}--write {chosen.write}"'
        page = _page(parts, load_before, (time.monotonic() - started) / 60, command)
        chosen.write.write_text(page, encoding="utf-8")
    return 0


def _page(parts: Sequence[str], load_before: float, minutes: float, command: str) -> str:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    versions = ", ".join(f"{k} {v}" for k, v in sorted(machine.trusted_versions().items()))
    chgnet = f"chgnet {machine.package_version('chgnet')}, torch {machine.package_version('torch')}"
    sections = "\n\n".join(part.strip() for part in parts)
    load_after = os.getloadavg()[0]
    return f"""# Speed

Measured on {today}, {machine.cpu_model()}, {machine.n_cores()} cores, in {minutes:.0f} minutes;
{chgnet}; {versions}.
The load average was {load_before:.2f} before the run and {load_after:.2f} after it.
On an idle machine it begins near zero; what is above that is other work, which widens the ranges.

To repeat: `{command}`.

{sections}
"""


if __name__ == "__main__":
    sys.exit(main())
