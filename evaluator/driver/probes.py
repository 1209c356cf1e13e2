"""Probes among the scored calls: is an answer a potential's, or kept for this very structure?

After some scored calls, chosen by a secret of the service, further structures are asked, in random
order: the same one described otherwise (turned, permuted, shifted, by other
edges of the same lattice), and four on a line through it. A potential, conservative or not, gives
the same answer to the first and answers that are continuous along the line. One that recognises a
structure and says what it has learnt by heart does not: where the line meets it there is a step.
The scored structure is the first to be asked: what comes near it betrays the probe, but too late.

The height of the step needs no reference. With E(s) the answer at a distance s on the line,

    E_around(0) = [4 (E(h) + E(-h)) - (E(2h) + E(-2h))] / 6

is what the surroundings say of the structure, exact up to h^4 (Richardson's extrapolation of the
mean of two neighbours), and ``|E_around(0) - E(0)|`` is the step; for forces alike. A potential
that is rough at that scale shows steps wherever it is asked. So where one is seen, a structure
nearby is asked too, which no set holds, and only what is higher than such steps counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from evaluator.arrays import FloatArray
from evaluator.driver.probing import moved, rms, rounded_energy, strained
from evaluator.pool.remote import Ask, Disguise, seed_of
from evaluator.protocols.base import System
from evaluator.wire import Answer, Prediction, Structure, StructureFailure

#: Systems with probes, and the largest numbers of the calls that may be probed (0 is the first).
N_SYSTEMS = 6
_CALLS = (0, 64, 4096)
#: Step of the line in Å for each coordinate (RMS), drawn between these on a logarithmic scale.
STEP_A = (0.006, 0.02)
#: Strain for each Å of the step, in crystals: a cell with one atom has no other line.
STRAIN_PER_A = 0.3
#: How far the nearby structure lies that no set holds, as a point on a line of its own.
NEARBY_A = 0.12

#: A step of this height is no rounding; CHGNet's roughness shows up to a third of it.
STEP_TOLERANCE_MEV_ATOM, STEP_TOLERANCE_EV_A = 1.0, 0.05
#: A nearby step of this height at most excuses the one that is judged: beyond, roughness is put on.
MOST_EXCUSED_MEV_ATOM, MOST_EXCUSED_EV_A = 0.5, 0.05
#: Steps are judged by this many times those nearby.
_TIMES_NEARBY = 3.0
#: A changed description may change an answer by this: what is not invariant has a grade for it.
CHANGE_TOLERANCE_MEV_ATOM, CHANGE_TOLERANCE_EV_A = 10.0, 0.1
#: Nobody is disqualified by fewer structures.
MIN_JUDGED = 3

#: Roundings of the energy that a sum of many terms may be off by.
_N_ROUNDINGS = 12
#: As a share of these, what rounding five energies once does to a step: the weights' sum, halved.
_ONCE_ROUNDED = 4 / 3 / _N_ROUNDINGS
_EPS = {"float64": 2.2e-16, "float32": 1.2e-7}
#: The points of a line that are asked, in steps from the structure.
_PLACES = (-2, -1, 1, 2)
_LATTICE_CHANGES = ((0, 1), (1, 2), (2, 0))


class Gap(NamedTuple):
    """Difference of two answers to one structure: meV/atom, and RMS over components in eV/Å."""

    energy_meV_atom: float
    force_eV_A: float


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One scored structure: how its answer changes with the description, and its step.

    Infinite where the potential answered the structure and not what lies around it.
    """

    changed: Gap
    step: Gap
    #: Of the nearby structure; None where it was not asked for.
    nearby: Gap | None
    #: RMS of the scored forces, eV/Å: errors of large forces are judged by their share.
    force_eV_A: float
    #: Rounding of the energy, meV/atom.
    rounding_meV_atom: float
    #: Asked beside the scored call.
    n_calls: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        """Read what ``to_json`` wrote, whose pairs JSON made lists."""
        gaps = {
            name: None if data[name] is None else Gap(*data[name])
            for name in ("changed", "step", "nearby")
        }
        return cls(**{**data, **gaps})


class Probes:
    """Which calls of an evaluation are probed."""

    def __init__(self, systems: Sequence[System], *, seed: int, dtype: str) -> None:
        rng = np.random.default_rng(seed)
        n = min(N_SYSTEMS, len(systems))
        chosen = rng.choice(len(systems), size=n, replace=False) if n else ()
        #: By system: the numbers of its calls that are probed, and its own random numbers.
        self._plans = {
            systems[int(i)].id: (_call_numbers(rng), seed_of(seed, systems[int(i)].id))
            for i in chosen
        }
        self._eps = _EPS.get(dtype, _EPS["float32"])

    def around(self, system: System, ask: Ask, findings: list[Finding]) -> Ask:
        """``ask`` for one system, with probes around the calls that were chosen.

        What is found is added to ``findings``.
        """
        if system.id not in self._plans:
            return ask
        numbers, seed = self._plans[system.id]
        rng, n_asked = np.random.default_rng(seed), -1

        def asked(structure: Structure, properties: Sequence[str]) -> Answer:
            nonlocal n_asked
            n_asked += 1
            if n_asked not in numbers:
                return ask(structure, properties)
            probe = _Probe(structure, ask, rng, self._eps)
            answer = probe.run(properties)
            if (finding := probe.finding()) is not None:
                findings.append(finding)
            return answer

        return asked


def figures(findings: Sequence[Finding]) -> dict[str, Any]:
    """What is published, names with units; empty where nothing was probed."""
    if not findings:
        return {}
    changed_meV_atom = max(f.changed.energy_meV_atom for f in findings)
    changed_eV_A = max(f.changed.force_eV_A / max(1.0, f.force_eV_A) for f in findings)
    return {
        "n_probed": len(findings),
        "n_probe_calls": sum(f.n_calls for f in findings),
        "redescribed_energy_error_meV_atom_max": _finite(changed_meV_atom),
        "redescribed_force_error_eV_A_max": _finite(changed_eV_A),
        "step_energy_meV_atom_median": _median(f.step.energy_meV_atom for f in findings),
        "step_force_eV_A_median": _median(f.step.force_eV_A for f in findings),
        "n_steps": (n_steps := _n_steps(findings)),
        "step_share_percent": 100 * n_steps / len(findings),
        "n_changed": sum(_has_changed(f) for f in findings),
    }


def disqualification(findings: Sequence[Finding]) -> str:
    """Say why the answers cannot be scored; empty where they can.

    More than half of the probed structures must be amiss, and at least ``MIN_JUDGED``.
    """
    n = len(findings)
    n_steps = _n_steps(findings)
    n_changed = sum(_has_changed(f) for f in findings)
    if n_changed >= MIN_JUDGED and 2 * n_changed > n:
        return (
            f"On {n_changed} of {n} structures the answer changed by more than "
            f"{CHANGE_TOLERANCE_MEV_ATOM:g} meV/atom or {CHANGE_TOLERANCE_EV_A:g} eV/Å when the "
            "same structure was asked again, turned, shifted and with its atoms in another order. "
            "Answers that depend on how a structure is described are not scored."
        )
    if n_steps >= MIN_JUDGED and 2 * n_steps > n:
        return (
            f"On {n_steps} of {n} structures the answer is not the one to which the answers at "
            "structures a hundredth of an ångström away lead. A potential has no such steps; a "
            "table of known structures has. Such answers are not scored."
        )
    return ""


class _Probe:
    """One scored call, and what is asked after it."""

    def __init__(
        self, structure: Structure, ask: Ask, rng: np.random.Generator, eps: float
    ) -> None:
        self.structure, self.ask, self.rng, self.eps = structure, ask, rng, eps
        self.step_A = float(np.exp(rng.uniform(*np.log(STEP_A))))
        self.n_calls = 0
        self.scored: Answer | None = None
        self.changed = Gap(math.inf, math.inf)
        self.step: Gap | None = None
        self.nearby: Gap | None = None

    def run(self, properties: Sequence[str]) -> Answer:
        """Ask everything; return the scored answer."""
        self.scored = scored = self.ask(self.structure, properties)
        if isinstance(scored, StructureFailure):
            return scored
        again, undo = redescribed(self.structure, self.rng)
        line = line_through(self.structure, self.rng)
        answers = self._ask_all([("again", again), *self._along(line)], properties)
        repeated = answers["again"]
        if isinstance(repeated, Prediction):
            self.changed = _gap(undo(repeated), scored)
        self.step = _step(scored, answers)
        if not self._is_small(self.step):
            self.nearby = self._step_nearby(properties)
        return scored

    def finding(self) -> Finding | None:
        """What was found; None where the scored structure itself was not answered."""
        if not isinstance(self.scored, Prediction) or self.step is None:
            return None
        return Finding(
            changed=self.changed,
            step=self.step,
            nearby=self.nearby,
            force_eV_A=rms(self.scored.forces),
            rounding_meV_atom=self._rounding(),
            n_calls=self.n_calls,
        )

    def _along(self, line: Callable[[float], Structure]) -> list[tuple[object, Structure]]:
        return [(n, line(n * self.step_A)) for n in _PLACES]

    def _ask_all(
        self, questions: Sequence[tuple[object, Structure]], properties: Sequence[str]
    ) -> dict[object, Answer]:
        answers: dict[object, Answer] = {}
        for i in self.rng.permutation(len(questions)):
            name, structure = questions[int(i)]
            answers[name] = self.ask(structure, properties)
            self.n_calls += 1
        return answers

    def _step_nearby(self, properties: Sequence[str]) -> Gap | None:
        centre = line_through(self.structure, self.rng)(NEARBY_A)
        line = line_through(centre, self.rng)
        answers = self._ask_all([("scored", centre), *self._along(line)], properties)
        scored = answers["scored"]
        return _step(scored, answers) if isinstance(scored, Prediction) else None

    def _rounding(self) -> float:
        """Give a dozen roundings of the energy in meV/atom; all-electron energies are large."""
        assert isinstance(self.scored, Prediction)  # noqa: S101  (asked for by finding alone)
        energy_eV_atom = rounded_energy(self.scored.energy, self.structure.numbers)
        return 1e3 * _N_ROUNDINGS * self.eps * energy_eV_atom

    def _is_small(self, step: Gap) -> bool:
        return step.energy_meV_atom <= STEP_TOLERANCE_MEV_ATOM and (
            step.force_eV_A <= STEP_TOLERANCE_EV_A
        )


def _has_changed(finding: Finding) -> bool:
    changed = finding.changed
    return changed.energy_meV_atom > CHANGE_TOLERANCE_MEV_ATOM + finding.rounding_meV_atom or (
        changed.force_eV_A > CHANGE_TOLERANCE_EV_A * max(1.0, finding.force_eV_A)
    )


def _n_steps(findings: Sequence[Finding]) -> int:
    """How many stand out, by more than the roundings that show near the others as well.

    Rounding spares no structure: where energies are smooth elsewhere, it explains no more of a step
    than numbers that are rounded once, each by half of a spacing at most.
    """
    nearby_meV_atom = [f.nearby.energy_meV_atom for f in findings if f.nearby is not None]
    seen_meV_atom = _median(filter(math.isfinite, nearby_meV_atom)) or 0.0
    return sum(_has_step(f, _TIMES_NEARBY * seen_meV_atom) for f in findings)


def _has_step(finding: Finding, most_rounding_meV_atom: float) -> bool:
    step, nearby = finding.step, finding.nearby or Gap(0.0, 0.0)
    once = _ONCE_ROUNDED * finding.rounding_meV_atom
    rounding = min(finding.rounding_meV_atom, max(once, most_rounding_meV_atom))
    energy = STEP_TOLERANCE_MEV_ATOM + rounding
    force = STEP_TOLERANCE_EV_A * max(1.0, finding.force_eV_A)
    energy += _TIMES_NEARBY * min(nearby.energy_meV_atom, MOST_EXCUSED_MEV_ATOM)
    force += _TIMES_NEARBY * min(nearby.force_eV_A, MOST_EXCUSED_EV_A)
    return step.energy_meV_atom > energy or step.force_eV_A > force


def _call_numbers(rng: np.random.Generator) -> frozenset[int]:
    """The first call, and one of each later stretch, on a logarithmic scale."""
    later = [
        int(np.exp(rng.uniform(np.log(1 + start), np.log(1 + end))))
        for start, end in pairwise(_CALLS)
    ]
    return frozenset((0, *later))


def _gap(answer: Prediction, other: Prediction) -> Gap:
    return Gap(
        1e3 * abs(answer.energy - other.energy) / len(other.forces),
        rms(answer.forces - other.forces),
    )


def _step(scored: Prediction, answers: dict[object, Answer]) -> Gap:
    """Height of the step at the structure; infinite where a neighbour was not answered."""
    around = {n: answers[n] for n in _PLACES}
    predictions = {n: a for n, a in around.items() if isinstance(a, Prediction)}
    if len(predictions) < len(around):
        return Gap(math.inf, math.inf)

    def expected(value: Callable[[Prediction], Any]) -> Any:  # noqa: ANN401  (number or array)
        near = value(predictions[1]) + value(predictions[-1])
        far = value(predictions[2]) + value(predictions[-2])
        return (4 * near - far) / 6

    surroundings = Prediction(
        energy=float(expected(lambda p: p.energy)), forces=expected(lambda p: p.forces)
    )
    return _gap(surroundings, scored)


def line_through(structure: Structure, rng: np.random.Generator) -> Callable[[float], Structure]:
    """Structures on a random line through one: at a distance in Å (RMS of a coordinate).

    In a crystal the cell is strained along with the atoms, not alike in all directions.
    """
    direction = rng.normal(size=structure.positions.shape)
    strain = rng.normal(size=(3, 3))
    strain = (strain + strain.T) / 2 if structure.pbc.all() else np.zeros((3, 3))

    def at(distance_A: float) -> Structure:
        on_line = moved(structure, direction, distance_A)
        return strained(on_line, strain, distance_A * STRAIN_PER_A)

    return at


def redescribed(
    structure: Structure, rng: np.random.Generator
) -> tuple[Structure, Callable[[Prediction], Prediction]]:
    """The same structure in other words, and what turns its answer back.

    Turned, permuted and shifted; in a crystal also with another choice of the lattice's edges and
    with atoms moved by whole edges.
    """
    disguise = Disguise.drawn(rng)
    cell, positions = structure.cell, structure.positions
    if structure.pbc.all():
        cell = _other_edges(cell, rng)
        positions = positions + rng.integers(-1, 2, size=positions.shape) @ cell
    shift = rng.uniform(-3.0, 3.0, size=3)
    other = replace(structure, positions=positions + shift, cell=cell)
    return disguise.apply(other), disguise.invert


def _other_edges(cell: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The same lattice by other edges: one is added to another, once.

    The pair whose sum is the shortest is taken, so that cells do not become needles.
    """
    sign = rng.choice((-1.0, 1.0))
    lengths = [np.linalg.norm(cell[i] + sign * cell[j]) for i, j in _LATTICE_CHANGES]
    i, j = _LATTICE_CHANGES[int(np.argmin(lengths))]
    changed = cell.copy()
    changed[i] += sign * changed[j]
    return changed


def _median(values: Iterable[float]) -> float | None:
    """None of nothing, and where it is not finite."""
    numbers = list(values)
    return _finite(float(np.median(numbers))) if numbers else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
