"""CHGNet's equations of state and phonons here and with matcalc: the same crystals, two workflows.

matcalc (github.com/materialsvirtuallab/matcalc) is what many use for such properties. It is no
dependency: without it the section says so. It is handed the very calculator that the evaluation
uses, in the same precision, in one process with several threads of torch (BLAS has one, as here);
its parameters are set to the task's wherever it has them.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from threadpoolctl import threadpool_limits

from evaluator.calculators.base import Adapter
from evaluator.cli.places import MIRROR_VARIABLE, cache_folder
from evaluator.driver.evaluation import evaluate
from evaluator.host import machine
from evaluator.pool.pool import PoolPlan
from evaluator.pool.remote import structure_of
from evaluator.potentials.names import resolve
from evaluator.protocols.base import System
from evaluator.references import sets
from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.find import SandboxPolicy, find_sandbox
from evaluator.standard_tasks.read import standard_task
from tests.performance.workloads import Workload

VERSION = "0.3.0"
_EOS = ("Al", "Cu", "Ni", "Pd", "Ag", "Pt", "Au", "Si", "Ge", "Mo", "W", "K")
_PHONONS = (
    *("NaCl-rocksalt", "KI-rocksalt", "BaSe-rocksalt"),
    *("GaAs-zincblende", "AlP-zincblende", "ZnO-wurtzite"),
)
#: By task: the systems, and the numbers of the record that are compared, with the tolerance of
#: their relative difference in percent.
TASKS: dict[str, tuple[frozenset[str], dict[str, float]]] = {
    "eos-wien2k": (
        frozenset(f"dcdft-{element}" for element in _EOS),
        {"bulk_modulus_GPa": 1.0},
    ),
    "phonons-small": (
        frozenset(f"phonondb-{name}" for name in _PHONONS),
        {"omega_max_THz": 0.5, "omega_mean_THz": 0.5, "heat_capacity_J_K_mol": 0.5},
    ),
}
_SPAWN = multiprocessing.get_context("spawn")
_TIMEOUT_S = 1200

Numbers = dict[str, dict[str, float]]
#: Seconds, numbers by system, and how often the potential was asked.
Run = tuple[float, Numbers, int]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Seconds of each round; numbers by system, of both."""

    slug: str
    ours_s: list[float]
    matcalc_s: list[float]
    ours: Numbers
    matcalc: Numbers
    n_calls: dict[str, int]

    @property
    def ratios(self) -> list[float]:
        return [m / o for m, o in zip(self.matcalc_s, self.ours_s, strict=True)]

    def largest_difference(self, name: str) -> tuple[float, str]:
        """The largest relative difference of a number in percent, and where."""
        return max(
            (100 * abs(self.matcalc[s][name] / self.ours[s][name] - 1), s) for s in self.ours
        )


class AdapterCalculator(Calculator):
    """The evaluation's own adapter as an ASE calculator, without sandbox or wire."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, adapter: Adapter) -> None:
        super().__init__()
        self._adapter = adapter
        self.n_calls = 0

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] | None = None,
        system_changes: Any = all_changes,
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        assert atoms is not None
        self.n_calls += 1
        (answer,) = self._adapter.compute([structure_of(atoms)], ("energy", "forces", "stress"))
        self.results = {
            "energy": answer.energy,
            "free_energy": answer.energy,
            "forces": answer.forces,
            "stress": np.asarray(answer.stress),
        }


def why_not() -> str:
    """Why the comparison cannot be made here; empty where it can."""
    missing = [name for name in ("matcalc", "sklearn") if importlib.util.find_spec(name) is None]
    return f"not measured: {', '.join(missing)} is not installed" if missing else ""


def compare(slug: str, rounds: int, sandbox: Sandbox, n_threads: int) -> Comparison:
    """Both ways in turns, ``rounds`` times; matcalc with so many threads of torch.

    Raises RuntimeError when an evaluation fails.
    """
    names, _ = TASKS[slug]
    with tempfile.TemporaryDirectory(prefix="touchstone-bench-") as folder:
        workload = _workload(slug, names, Path(folder))
        found = Comparison(slug=slug, ours_s=[], matcalc_s=[], ours={}, matcalc={}, n_calls={})
        for _ in range(rounds):
            for name, seconds, numbers, run in (
                ("ours", found.ours_s, found.ours, lambda: _ours(workload, sandbox)),
                (
                    "matcalc",
                    found.matcalc_s,
                    found.matcalc,
                    lambda: _elsewhere(workload, n_threads),
                ),
            ):
                spent, got, found.n_calls[name] = run()
                seconds.append(spent)
                numbers.update(got)
    return found


def section(rounds: int, sandbox: Sandbox, n_threads: int | None = None) -> str:
    """A section of the results page, in Markdown; matcalc has a thread for each core by default."""
    head = f"## Beside matcalc\n\n{' '.join(str(__doc__).split())}\n\n"
    if reason := why_not():
        return f"{head}({reason}.)\n"
    threads = n_threads or machine.n_cores()
    found = [compare(slug, rounds, sandbox, threads) for slug in TASKS]
    version = f"matcalc {machine.package_version('matcalc')}, threads of torch: {threads}"
    return f"{head}{_table(found)}\n\n{version}. {_NOTES}\n"


_NOTES = (
    "Loading is in neither time. The evaluation's time includes its sandbox, scoring, and for "
    "phonons the bands for plots. matcalc relaxes cell and positions first and at each volume of "
    "an equation of state, where the task only scales; it fits once around the relaxed volume, "
    "where the task fits again until the window is centred on its own minimum; "
    "with phonons it also makes a mesh of its own with eigenvectors, which cannot be turned off. "
    "Its force constants are symmetrised before they are compared, as the task does. Differences "
    "are the largest over the systems."
)


def _table(comparisons: Sequence[Comparison]) -> str:
    titles = (
        "task",
        "systems",
        "evaluation s",
        "matcalc s",
        "matcalc / evaluation",
        "calls (evaluation, matcalc)",
        "largest difference, % (tolerance)",
    )
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for found in comparisons:
        names, tolerances = TASKS[found.slug]
        cells = (
            found.slug,
            str(len(names)),
            _spread(found.ours_s),
            _spread(found.matcalc_s),
            _spread(found.ratios),
            f"{found.n_calls['ours']}, {found.n_calls['matcalc']}",
            "; ".join(_difference(found, name, limit) for name, limit in tolerances.items()),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _difference(found: Comparison, name: str, limit: float) -> str:
    difference, where = found.largest_difference(name)
    return f"{name} {difference:.2g} in {where.split('-')[1]} ({limit:g})"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _workload(slug: str, names: frozenset[str], folder: Path) -> Workload:
    task = standard_task(slug)
    mirror = os.environ.get(MIRROR_VARIABLE)
    built = sets.build(
        task.reference_name, mirror=Path(mirror) if mirror else None, cache=cache_folder()
    )
    potential = resolve(f"chgnet:{VERSION}", folder)
    spec = potential.spec
    if slug.startswith("eos"):
        # Curvatures of energies in single precision differ by more than the workflows do.
        spec = dataclasses.replace(spec, settings=dict(spec.settings) | {"dtype": "float64"})
    return Workload(
        name=slug,
        task=task.spec,
        submission=spec,
        artifact=potential.artifact,
        reference=built.path,
        dtype="float64",
        only=names,
    )


def _ours(workload: Workload, sandbox: Sandbox) -> Run:
    n = machine.n_cores()
    report = evaluate(
        workload.task,
        workload.submission,
        workload.artifact,
        workload.reference,
        sandbox=sandbox,
        plan=PoolPlan(n_processes=n, n_systems=2 * n, origin="given"),
        only=workload.only,
    )
    if report.verdict != "ok" or report.n_failed:
        raise RuntimeError(f"{workload.name}: {report.verdict}: {report.message}")
    timings = report.provenance["timings"]
    _, tolerances = TASKS[workload.name]
    numbers = {
        record.system_id: {name: float(record.values[name]) for name in tolerances}
        for record in report.systems
        if record.system_id in workload.only
    }
    n_calls = sum(record.n_calls for record in report.systems)
    return timings["simulating_s"] + timings["scoring_s"], numbers, n_calls


def _elsewhere(workload: Workload, n_threads: int) -> Run:
    """matcalc in a fresh process, so that neither way finds the other's threads or caches."""
    with _SPAWN.Pool(1) as pool:
        return pool.apply_async(_matcalc, (workload, n_threads)).get(timeout=_TIMEOUT_S)


def _matcalc(workload: Workload, n_threads: int) -> Run:
    os.environ["HF_HUB_OFFLINE"] = "1"  # it asks there for a list of potentials
    with threadpool_limits(1, user_api="blas"):
        return _timed_matcalc(workload, n_threads)


def _timed_matcalc(workload: Workload, n_threads: int) -> Run:
    calculator = AdapterCalculator(workload.load(n_threads=n_threads))
    systems = [s for s in sets.read(workload.reference) if s.id in workload.only]
    warm = systems[0].atoms.copy()
    warm.calc = calculator
    warm.get_potential_energy()
    run: Callable[[System, Calculator, Mapping[str, Any]], dict[str, float]]
    run = _matcalc_eos if workload.name.startswith("eos") else _matcalc_phonons
    run(systems[0], calculator, workload.task.parameters)  # what it imports late is not timed
    calculator.n_calls, started = 0, time.monotonic()
    numbers = {s.id: run(s, calculator, workload.task.parameters) for s in systems}
    return time.monotonic() - started, numbers, calculator.n_calls


def _matcalc_eos(
    system: System, calculator: Calculator, parameters: Mapping[str, Any]
) -> dict[str, float]:
    from matcalc import EOSCalc

    # Its strain is that of an edge; the task's range is one of volume.
    strain = (1 + parameters["volume_range_percent"] / 100) ** (1 / 3) - 1
    eos = EOSCalc(
        calculator,
        optimizer="BFGS",
        fmax=0.005,
        n_points=parameters["n_volumes"],
        max_abs_strain=strain,
        relax_calc_kwargs={"fix_symmetry": True},
    )
    return {"bulk_modulus_GPa": float(eos.calc(system.atoms.copy())["bulk_modulus_bm"])}


def _matcalc_phonons(
    system: System, calculator: Calculator, parameters: Mapping[str, Any]
) -> dict[str, float]:
    from matcalc import PhononCalc

    from evaluator.protocols.phonons.protocol import mode_numbers

    known = system.reference
    calculation = PhononCalc(
        calculator,
        atom_disp=parameters["displacement_A"],
        supercell_matrix=np.rint(known["supercell_matrix"]).astype(int),
        fmax=parameters["fmax_eV_A"],
        max_steps=parameters["max_relaxation_steps"],
        optimizer="BFGS",
        relax_calc_kwargs={"fix_symmetry": True, "symprec": parameters["symprec_A"]},
        symprec=parameters["symprec_A"],
        t_min=300,
        t_max=300,
        write_phonon=False,
    )
    phonon = calculation.calc(system.atoms.copy())["phonon"]
    phonon.symmetrize_force_constants()
    phonon.run_qpoints(known["qpoints"])
    frequencies = np.sort(np.asarray(phonon.qpoints.frequencies, dtype=float), axis=1)
    return mode_numbers(frequencies, known["qpoint_weights"], 0.0)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.performance.matcalc_comparison")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions (default: 3)")
    parser.add_argument("--threads", type=int, help="of torch in matcalc (default: one per core)")
    chosen = parser.parse_args(arguments)
    print(section(chosen.rounds, find_sandbox(SandboxPolicy()), chosen.threads))
    return 0


if __name__ == "__main__":
    sys.exit(main())
