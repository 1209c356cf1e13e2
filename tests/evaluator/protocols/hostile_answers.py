"""Answers that the wire lets through and no potential gives, for every protocol: a bounded fuzz.

By hand, so many cases with so many seconds of the processor each:
``python -m tests.evaluator.protocols.hostile_answers 3000 8``. Each case has a process of its own,
which is killed when its time is over; the whole ends after as many minutes as a fourth number says.
"""

from __future__ import annotations

import collections
import os
import pickle
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, fcc100
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from evaluator import wire
from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.catalog import check_parameters
from evaluator.driver.breakdowns import is_of_the_numbers
from evaluator.plain import plain
from evaluator.pool.remote import Disguise, RemoteCalculator
from evaluator.protocols import PROTOCOLS
from evaluator.protocols.base import Outcome, System, SystemFailure
from evaluator.sandbox.answers import read_result
from evaluator.wire import Answer, Frame, Kind, Prediction, Request, Structure

Array = NDArray[np.float64]
#: Components of an answer: their number and the number of the call, to values.
Pattern = Callable[[np.random.Generator, int, int], Array]

SCALES = (5e-324, 1e-312, 1e-300, 1e-31, 1e-30, 1e-16, 1e-6, 1e-2, 1.0, 1e2, 1e6, 1e16, 1e29, 1e300)


def _zero(rng: np.random.Generator, n: int, call: int) -> Array:
    return np.zeros(n)


def _negative_zero(rng: np.random.Generator, n: int, call: int) -> Array:
    return np.full(n, -0.0)


def _normal(rng: np.random.Generator, n: int, call: int) -> Array:
    return rng.normal(size=n)


def _constant(rng: np.random.Generator, n: int, call: int) -> Array:
    return np.ones(n)


def _alternating(rng: np.random.Generator, n: int, call: int) -> Array:
    return np.where(np.arange(n) % 2, 1.0, -1.0)


def _alternating_by_call(rng: np.random.Generator, n: int, call: int) -> Array:
    return np.full(n, (-1.0) ** call)


def _rising(rng: np.random.Generator, n: int, call: int) -> Array:
    return np.full(n, float(call))


def _doubling(rng: np.random.Generator, n: int, call: int) -> Array:
    return np.full(n, 2.0 ** min(call, 90))


def _mixed(rng: np.random.Generator, n: int, call: int) -> Array:
    return rng.choice([-1.0, 1.0], size=n) * 10 ** rng.uniform(-320, 30, size=n)


def _one_huge(rng: np.random.Generator, n: int, call: int) -> Array:
    values = rng.normal(size=n) * 1e-6
    values[rng.integers(n)] = 1e20
    return values


def _nan_now_and_then(rng: np.random.Generator, n: int, call: int) -> Array:
    values = rng.normal(size=n)
    if call % 7 == 6:
        values[rng.integers(n)] = np.nan
    return values


PATTERNS: tuple[Pattern, ...] = (
    *(_zero, _negative_zero, _normal, _constant, _alternating, _alternating_by_call),
    *(_rising, _doubling, _mixed, _one_huge, _nan_now_and_then),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One protocol on one system, with an answerer that follows from a number."""

    protocol: str
    seed: int

    def run(self) -> str:
        """How it ended: an outcome, a failure, or numbers that broke it off. Else it raises."""
        system, parameters = SYSTEMS[self.protocol]
        protocol = PROTOCOLS[self.protocol]
        settings = check_parameters(DESCRIPTIONS[self.protocol].parameters, dict(parameters))
        calculator = RemoteCalculator(
            HostileAnswers(self.seed), ("energy", "forces", "stress"), Disguise.from_seed(self.seed)
        )
        try:
            outcome: Outcome | None = protocol.simulate(system, calculator, settings)
        except SystemFailure:
            outcome = None
        except BaseException as error:
            if not is_of_the_numbers(error):
                raise
            return f"broken off ({type(error).__name__})"
        try:
            protocol.samples([system], [outcome], settings)
            plain(protocol.summary([system], [outcome], settings))
        except BaseException as error:
            if not is_of_the_numbers(error):
                raise
            return f"not scored ({type(error).__name__})"
        return "failed" if outcome is None else "judged"


class HostileAnswers:
    """Answers structures by patterns of its own for energy, forces and stress, over the wire."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self._rng = np.random.default_rng([seed, 2])
        self._patterns = [PATTERNS[rng.integers(len(PATTERNS))] for _ in range(3)]
        self._scales = [SCALES[rng.integers(len(SCALES))] for _ in range(3)]
        self._n_calls = 0

    def __call__(self, structure: Structure, properties: Sequence[str]) -> Answer:
        ordered = wire.ordered_properties(properties)
        request = Request(request_id=7, properties=ordered, structures=[structure])
        n_atoms = len(structure.numbers)
        energy, forces, stress = (
            scale * pattern(self._rng, n, self._n_calls)
            for pattern, scale, n in zip(
                self._patterns, self._scales, (1, 3 * n_atoms, 6), strict=True
            )
        )
        self._n_calls += 1
        prediction = Prediction(
            energy=float(energy[0]),
            forces=forces.reshape(n_atoms, 3),
            stress=stress if "stress" in ordered else None,
        )
        frame = wire.result_frame(request, [prediction])
        received = Frame(kind=Kind.RESULT, header=frame.header, payload=frame.payload)
        return read_result(received, 7, [n_atoms], ordered)[0]


def _labelled(atoms: Atoms) -> System:
    reference = {
        "energy": -3.0,
        "forces": np.zeros((len(atoms), 3)),
        "stress": np.zeros(6),
    }
    return System(id="fuzz", atoms=atoms, reference=reference, family="fuzz")


def _rattled(symbol: str) -> Atoms:
    atoms = bulk(symbol, cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def _slab() -> Atoms:
    slab = fcc100("Cu", (1, 1, 4), vacuum=5.0)
    slab.pbc = True
    return slab


SYSTEMS: Mapping[str, tuple[System, Mapping[str, Any]]] = {
    "equation_of_state": (
        System(
            id="fuzz",
            atoms=bulk("Al"),
            reference={
                "volume_per_atom_A3": 16.5,
                "bulk_modulus_GPa": 78.0,
                "bulk_modulus_derivative": 4.6,
            },
        ),
        {},
    ),
    "energy_forces": (_labelled(_rattled("Cu")), {}),
    "mixing_energy": (
        System(
            id="fuzz",
            atoms=bulk("MoTa", "cesiumchloride", a=3.2),
            reference={"mixing_energy_meV_atom": -100.0},
        ),
        {},
    ),
    "interaction_energy": (
        System(
            id="fuzz",
            atoms=Atoms("He2", [[0, 0, 0], [0, 0, 3]]),
            reference={"interaction_energy_kcal_mol": -0.02, "n_first_atoms": 1.0},
        ),
        {},
    ),
    "elastic": (
        System(
            id="fuzz",
            atoms=bulk("Si"),
            reference={"bulk_modulus_vrh_GPa": 90.0, "shear_modulus_vrh_GPa": 60.0},
        ),
        {"max_relaxation_steps": 20},
    ),
    "vacancy_formation": (
        System(id="fuzz", atoms=bulk("Cu"), reference={"vacancy_formation_eV": 1.0}),
        {"max_relaxation_steps": 20, "supercell_length_A": 4.0},
    ),
    "surface_energy": (
        System(
            id="fuzz",
            atoms=_slab(),
            reference={
                "surface_energy_eV_A2": 0.09,
                "bulk_cell_A": bulk("Cu").cell.array,
                "bulk_scaled_positions": np.zeros((1, 3)),
                "bulk_numbers": 29.0,
            },
        ),
        {"geometry": "relaxed", "max_relaxation_steps": 40},
    ),
    "phonons": (
        System(
            id="fuzz",
            atoms=bulk("MgO", "rocksalt", a=4.2),
            reference={"omega_max_THz": 20.0, "omega_min_THz": 0.0},
        ),
        {"mesh": 4, "supercell_length_A": 6.0},
    ),
    "md_stability": (
        System(id="fuzz-r0", atoms=bulk("Cu", cubic=True)),
        {"ensemble": "npt_hold", "duration_ps": 0.2, "timestep_fs": 2.0, "n_relax_steps": 20},
    ),
}


def cases(first: int, n: int) -> Iterator[Case]:
    names = sorted(SYSTEMS)
    for seed in range(first, first + n):
        yield Case(protocol=names[seed % len(names)], seed=seed)


# --- by hand --------------------------------------------------------------------------------


def _in_a_process(case: Case, seconds: float) -> tuple[str, float]:
    """How a case ended, and the processor's time that it took."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        # The time of the processor: the machine may have others to serve.
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        warnings.simplefilter("ignore", RuntimeWarning)  # numbers that overflow are looked at
        try:
            with threadpool_limits(limits=1):  # as the driver does
                word = case.run()
        except BaseException as error:  # noqa: BLE001  (told by the parent)
            word = f"BUG {type(error).__name__}: {str(error)[:150]}"
        os.write(writer, pickle.dumps(word))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    word = pickle.loads(content) if content else f"killed (status {status})"
    return word, usage.ru_utime + usage.ru_stime


def main() -> None:
    n, seconds = int(sys.argv[1]), float(sys.argv[2])
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    ends: collections.Counter[tuple[str, str]] = collections.Counter()
    times: dict[str, list[float]] = collections.defaultdict(list)
    most_s = 60 * float(sys.argv[4]) if len(sys.argv) > 4 else float("inf")
    started = time.monotonic()
    for case in cases(first, n):
        if time.monotonic() - started > most_s:
            break
        word, cpu_s = _in_a_process(case, seconds)
        ends[case.protocol, word] += 1
        times[case.protocol].append(cpu_s)
        if cpu_s > seconds / 4 or word.startswith(("BUG", "killed")):
            print(f"{case.protocol} {case.seed}: {word}, {cpu_s:.1f} s", flush=True)
    print(f"{sum(ends.values())} cases in {time.monotonic() - started:.0f} s")
    for (protocol, word), count in sorted(ends.items()):
        print(f"{count:6} {protocol:20} {word}")
    for protocol, values in sorted(times.items()):
        print(f"{protocol:20} median {np.median(values):.2f} s, longest {max(values):.2f} s")


if __name__ == "__main__":
    main()
