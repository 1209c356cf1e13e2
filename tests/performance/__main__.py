"""``make bench``: what an evaluation costs beside its bare model calls, and beside a plain loop.

Ratios of times measured in turns in one run, so that they mean the same on any machine.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from evaluator import machine, references
from evaluator.catalog import PROTOCOLS
from evaluator.cli.places import MIRROR_VARIABLE, cache_folder
from evaluator.potentials import resolve
from evaluator.sandbox.base import Sandbox, SandboxPolicy, find_sandbox
from evaluator.standard import standard_tasks
from tests.performance.timers import time_bare_calls, time_plain_ase, time_task
from tests.performance.workloads import Call, Workload, record_calls

VERSION = "0.3.0"
#: Task by slug, and how many of its systems are judged.
TASKS = {"far-from-equilibrium": 100, "mlearn-forces": 16, "eos-wien2k": 16}
#: Above this load average the machine is busy, and a loop of several threads suffers most.
BUSY = 1.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of each round, in the order of the rounds."""

    workload: Workload
    n_calls: int
    n_atoms: float
    task: list[float]
    wall: list[float]
    bare: list[float]
    ase: list[float]

    @property
    def overhead(self) -> list[float]:
        return [task / bare for task, bare in zip(self.task, self.bare, strict=True)]

    @property
    def speedup(self) -> list[float]:
        return [ase / task for ase, task in zip(self.ase, self.task, strict=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.performance", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="repetitions (default: 3)")
    parser.add_argument("--tasks", default=",".join(TASKS), help=f"default: {','.join(TASKS)}")
    parser.add_argument(
        "--ase-threads", type=int, help="threads of the plain loop (default: what torch takes)"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the results page too")
    chosen = parser.parse_args(arguments)
    sandbox = find_sandbox(SandboxPolicy())
    load_before = os.getloadavg()[0]
    if load_before > BUSY:
        print(f"The machine is busy (load {load_before:.1f}): ratios are rough.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="touchstone-bench-") as folder:
        timings = []
        for slug in chosen.tasks.split(","):
            workload = _workload(slug, Path(folder))
            calls = record_calls(workload)
            timings.append(_time(workload, calls, chosen, sandbox))
    text = _table(timings)
    print(text)
    if chosen.write is not None:
        page = _page(text, chosen, load_before)
        chosen.write.write_text(page, encoding="utf-8")
    return 0


def _workload(slug: str, folder: Path) -> Workload:
    task = next(task for task in standard_tasks() if task.slug == slug)
    mirror = os.environ.get(MIRROR_VARIABLE)
    built = references.build(
        task.reference_name, mirror=Path(mirror) if mirror else None, cache=cache_folder()
    )
    potential = resolve(f"chgnet:{VERSION}", folder)
    names = [system.id for system in references.read(built.path)]
    step = max(1, len(names) // TASKS.get(slug, 24))
    is_double = PROTOCOLS[task.spec.protocol].precision == "double"
    return Workload(
        name=slug,
        task=task.spec,
        submission=potential.spec,
        artifact=potential.artifact,
        reference=built.path,
        dtype="float64" if is_double else "float32",
        only=frozenset(names[::step][: TASKS.get(slug, 24)]),
    )


def _time(
    workload: Workload,
    calls: list[Call],
    chosen: argparse.Namespace,
    sandbox: Sandbox,
) -> Timing:
    n_processes = machine.n_cores()
    timing = Timing(
        workload=workload,
        n_calls=len(calls),
        n_atoms=statistics.mean(len(structure.numbers) for structure, _ in calls),
        task=[],
        wall=[],
        bare=[],
        ase=[],
    )
    for _ in tqdm(range(chosen.rounds), desc=workload.name, disable=None, file=sys.stderr):
        timing.bare.append(time_bare_calls(workload, calls, n_processes))
        found = time_task(workload, sandbox, n_processes)
        timing.task.append(found["work"])
        timing.wall.append(found["wall"])
        timing.ase.append(time_plain_ase(workload, calls, VERSION, chosen.ase_threads))
    return timing


def _table(timings: Sequence[Timing]) -> str:
    titles = (
        "task", "systems", "calls", "atoms per call", "precision", "task s", "bare calls s",
        "task / bare", "plain ASE s", "ASE / task", "whole evaluation s",
    )  # fmt: skip
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for t in timings:
        cells = (
            t.workload.name,
            str(len(t.workload.only)),
            str(t.n_calls),
            f"{t.n_atoms:.0f}",
            t.workload.dtype,
            _spread(t.task),
            _spread(t.bare),
            _spread(t.overhead),
            _spread(t.ase),
            _spread(t.speedup),
            _spread(t.wall),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    """Median, and the range over the rounds."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _page(table: str, chosen: argparse.Namespace, load_before: float) -> str:
    n_processes, n_rounds = machine.n_cores(), chosen.rounds
    threads = chosen.ase_threads or "as many as torch takes"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    versions = ", ".join(f"{k} {v}" for k, v in sorted(machine.trusted_versions().items()))
    chgnet = f"chgnet {machine.package_version('chgnet')}, torch {machine.package_version('torch')}"
    return f"""# Speed

What an evaluation of CHGNet {VERSION} costs beside the bare model calls, and beside a plain ASE
loop over the same structures. Ratios are what to look at: the three ways were timed in turns,
{n_rounds} rounds, each cell giving the median and the range. Loading of the model is counted in the
last column only, with the consistency checks.

{table}

* *task*: the evaluation as the service runs it, {n_processes} sandboxed processes of one thread,
  from the first force call to the scores.
* *bare calls*: the same structures in {n_processes} processes of one thread, no sandbox, no wire.
* *plain ASE*: CHGNet's own ASE calculator in a loop, one process (threads: {threads}), in
  float32 whatever the task asks for.

Measured on {today}, {machine.cpu_model()}, {machine.n_cores()} cores; {chgnet}; {versions}.
The load average was {load_before:.2f} before the run and {os.getloadavg()[0]:.2f} after it. On an
idle machine it begins near zero; what is above that is other work, which widens the ranges.

To repeat: `make bench ARGS="--write docs/benchmarks.md"`.
"""


if __name__ == "__main__":
    sys.exit(main())
