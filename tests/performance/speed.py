"""What an evaluation costs beside its bare model calls, and beside a plain ASE loop."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from tqdm import tqdm

from evaluator.catalog import PROTOCOLS
from evaluator.cli.places import MIRROR_VARIABLE, cache_folder
from evaluator.hashing import sha256_of
from evaluator.host import machine
from evaluator.potentials.names import resolve
from evaluator.references import sets
from evaluator.sandbox.base import Sandbox
from evaluator.standard_tasks.read import standard_task
from tests.performance.timers import time_bare_calls, time_plain_ase, time_task
from tests.performance.workloads import Call, Workload, record_calls

VERSION = "0.3.0"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A standard task, cut or drawn out so that a round takes seconds."""

    slug: str
    title: str
    #: Systems that are judged, evenly spread over the set; None for all of them.
    n_systems: int | None = None
    #: Copies of the set with displaced atoms, as many as make up so many systems.
    n_copied: int | None = None
    #: Parameters of the task that are changed.
    parameters: tuple[tuple[str, Any], ...] = ()


CASES = (
    Case(slug="far-from-equilibrium", title="energies and forces", n_copied=1000),
    Case(slug="eos-wien2k", title="equations of state", n_systems=16),
    Case(slug="phonons-small", title="phonons", n_systems=6),
    Case(
        slug="md-heating-small",
        title="dynamics, 0.08 ps of each system",
        parameters=(("duration_ps", 0.08),),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of each round, in the order of the rounds."""

    case: Case
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


def section(cases: Sequence[Case], rounds: int, sandbox: Sandbox, ase_threads: int | None) -> str:
    """Time the cases; return the section of the results page."""
    with tempfile.TemporaryDirectory(prefix="touchstone-bench-") as folder:
        timings = []
        for case in cases:
            workload = _workload(case, Path(folder))
            timings.append(_time(case, workload, rounds, sandbox, ase_threads))
            print(_table(timings[-1:]), file=sys.stderr, flush=True)
    n_processes, threads = machine.n_cores(), ase_threads or "as many as torch takes"
    return f"""## Beside bare model calls and a plain ASE loop

CHGNet {VERSION}. Ratios are what to look at: the three ways were timed in turns, {rounds} rounds,
each cell giving the median and the range. Loading of the model is counted in the last column
only, with the consistency checks.

{_table(timings)}

* *task*: the evaluation as the service runs it, {n_processes} sandboxed processes of one thread,
  from the first force call to the scores, intervals and summaries included.
* *bare calls*: the same structures in {n_processes} processes of one thread, no sandbox, no wire,
  no protocol; with the allocator's settings of a sandboxed calculator, which by themselves save a
  tenth and more.
* *plain ASE*: CHGNet's own ASE calculator in a loop over the same structures, one process
  (threads: {threads}), in float32 whatever the task asks for.
* *energies and forces*: the 200 structures of far-from-equilibrium five times, four times with
  atoms displaced at random. *phonons* are relaxations and displaced supercells.
"""


def _workload(case: Case, folder: Path) -> Workload:
    task = standard_task(case.slug)
    mirror = os.environ.get(MIRROR_VARIABLE)
    built = sets.build(
        task.reference_name, mirror=Path(mirror) if mirror else None, cache=cache_folder()
    )
    spec, reference = task.spec, built.path
    if case.n_copied is not None:
        reference = _copied(built.path, case.n_copied, folder / f"{case.slug}.extxyz")
        assert spec.reference is not None
        spec = replace(spec, reference=replace(spec.reference, sha256=sha256_of(reference)))
    spec = replace(spec, parameters={**spec.parameters, **dict(case.parameters)})
    potential = resolve(f"chgnet:{VERSION}", folder)
    names = [system.id for system in sets.read(reference)]
    n_systems = case.n_systems or len(names)
    places = np.linspace(0, len(names) - 1, n_systems).astype(int)
    is_double = PROTOCOLS[spec.protocol].precision == "double"
    return Workload(
        name=case.slug,
        task=spec,
        submission=potential.spec,
        artifact=potential.artifact,
        reference=reference,
        dtype="float64" if is_double else "float32",
        only=frozenset(names[place] for place in places),
    )


def _copied(reference: Path, n: int, path: Path) -> Path:
    """A set of n structures: those of a reference, then copies of them with displaced atoms."""
    frames = ase.io.read(reference, ":")
    rng = np.random.default_rng(0)
    copies = [_copy(frames[i % len(frames)], i, len(frames), rng) for i in range(n)]
    ase.io.write(path, copies, format="extxyz")
    return path


def _copy(frame: Atoms, i: int, n_frames: int, rng: np.random.Generator) -> Atoms:
    copied = frame.copy()
    copied.info["system_id"] = f"{frame.info['system_id']}-{i // n_frames}"
    if i >= n_frames:
        copied.positions += rng.normal(scale=0.02, size=copied.positions.shape)
    # The reference's numbers are no longer right, which timing does not mind.
    copied.calc = SinglePointCalculator(copied, **frame.calc.results)
    return copied


def _time(
    case: Case, workload: Workload, rounds: int, sandbox: Sandbox, ase_threads: int | None
) -> Timing:
    n_processes = machine.n_cores()
    calls: list[Call] = record_calls(workload)
    timing = Timing(
        case=case,
        workload=workload,
        n_calls=len(calls),
        n_atoms=statistics.mean(len(structure.numbers) for structure, _ in calls),
        task=[],
        wall=[],
        bare=[],
        ase=[],
    )
    for _ in tqdm(range(rounds), desc=case.title, disable=None, file=sys.stderr):
        timing.bare.append(time_bare_calls(workload, calls, n_processes))
        found = time_task(workload, sandbox, n_processes)
        timing.task.append(found["work"])
        timing.wall.append(found["wall"])
        timing.ase.append(time_plain_ase(workload, calls, VERSION, ase_threads))
    return timing


def _table(timings: Sequence[Timing]) -> str:
    titles = (
        "", "task", "systems", "calls", "atoms per call", "precision", "task s", "bare calls s",
        "task / bare", "plain ASE s", "ASE / task", "whole evaluation s",
    )  # fmt: skip
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for t in timings:
        cells = (
            t.case.title,
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
