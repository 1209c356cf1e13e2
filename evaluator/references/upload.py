"""Checks a reference set that an administrator uploads, and writes its canonical file.

``python -m evaluator.references.upload FILE --out CANONICAL.extxyz [--energy-unit eV/atom ...]``
prints a JSON object, ``{"ok": true, "summary": {...}}`` or ``{"ok": false, "reason": "..."}``. It
bounds its own memory, time and output before it opens the file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.units import GPa

from evaluator.catalog import PROTOCOLS
from evaluator.contract import ScoredMetric, SystemStatus, TaskSpec
from evaluator.exceptions import SubmissionError
from evaluator.metrics.energies import composition_fractions, composition_shift
from evaluator.protocols.base import System, UnsuitableReference
from evaluator.protocols.energy_forces import EnergyForcesProtocol
from evaluator.references import sets
from evaluator.references.checks import ReferenceSummary, summarise
from evaluator.references.convention_options import add_convention_arguments, convention_of
from evaluator.references.conventions import VIRIAL, Convention, describe
from evaluator.references.differences import derivative_doubts
from evaluator.references.formats import ReadFile, read_file
from evaluator.references.lookalikes import offered_names, unused_lookalikes
from evaluator.references.magnitudes import magnitude_doubts
from evaluator.references.records import finite_numbers
from evaluator.references.sizes import energy_doubts
from evaluator.references.unread import unread_doubts, unread_notes
from evaluator.scoring import score

_PROPERTIES = ("energy", "forces", "stress")
#: Two structures whose lengths differ by less are the same.
_SAME_WITHIN_A = 1e-3
#: An element of fewer structures is named as thinly covered.
_THIN_COVERAGE = 3
_MAX_NAMED = 3
_MAX_UNUSUAL = 5


def check_upload(path: Path, out: Path, convention: Convention) -> dict[str, Any]:
    """Read what was uploaded, write the canonical file to ``out``, and say what it holds.

    Returns
    -------
    JSON-ready: sha256, size_bytes, the fields of ``ReferenceSummary``, ``common`` (properties of
    every structure), ``ranges`` (smallest and largest, units in the names), ``dummy`` (errors of a
    potential that knows mean energies alone, by metric key), further ``problems``, which somebody
    must look at, ``notes``, which say how the file was read and what it is no use for, and
    ``offers`` (names of values that may be the energy, forces or stress, by quantity).

    Raises
    ------
    SubmissionError
        For a file that cannot be read as a reference set, with the structure's number or name.
    """
    file = read_file(path, convention)
    canonical = sets.canonical_bytes(file.frames)
    try:
        systems = sets.read_content(canonical, out.name)
    except UnsuitableReference as error:
        raise SubmissionError(str(error)) from error
    summary = summarise(systems, convention)
    doubts, notes = unused_lookalikes(file.records, convention)
    doubts += unread_doubts(file.records, convention)
    notes += unread_notes(file.records, convention)
    of_sizes = energy_doubts(file.frames, convention.energy_unit)
    of_derivatives = derivative_doubts(file, convention)
    doubts += [*_virials(file, convention), *of_sizes, *of_derivatives]
    if not of_sizes:  # else the larger fault is known
        is_judged = bool(of_derivatives)
        doubts += magnitude_doubts(file.frames, convention, forces_are_judged=is_judged)
    problems = (*doubts, *summary.problems, *_duplicates(systems))
    problems += (*_gaps(summary), *_impossible_spins(systems))
    notes += [*file.notes, *_absent(summary), *_thin_elements(summary), *_charged(systems)]
    common = [name for name, n in summary.properties.items() if n == len(systems)]
    described = {
        **asdict(replace(summary, problems=problems)),
        "sha256": hashlib.sha256(canonical).hexdigest(),
        "size_bytes": len(canonical),
        "largest_n_atoms": max(len(system.atoms) for system in systems),
        "common": common,
        "notes": [*_as_read(file, convention), *notes, *_unusual(file)],
        "offers": offered_names(file.records, convention),
        "ranges": _ranges(systems),
        "dummy": dummy_values(systems),
    }
    out.write_bytes(canonical)  # the last step: what is refused leaves nothing behind
    return described


def dummy_values(systems: Sequence[System]) -> dict[str, float]:
    """What the protocol of energies and forces finds for mean energies and zero forces, by metric.

    An anchor for a task's ``bad``: whoever is no better has learnt nothing of the set.
    """
    values: dict[str, float] = {}
    protocol, described = EnergyForcesProtocol(), PROTOCOLS["energy_forces"]
    parameters = {p.name: p.default for p in described.parameters}
    calculator = _Dummy(systems)
    outcomes = [protocol.simulate(system, calculator, parameters) for system in systems]
    samples, _ = protocol.samples(systems, outcomes, parameters)
    for key in described.metrics:
        if key not in samples:
            continue
        metric = ScoredMetric(key=key, good=0.0, bad=1.0, worst=1e12)
        task = TaskSpec(
            slug="dummy",
            version=1,
            protocol=protocol.name,
            protocol_version=described.version,
            parameters=parameters,
            metrics=(metric,),
        )
        records, _ = score(task, [SystemStatus.OK] * len(systems), samples, n_replicates=1)
        value = records[0].value
        if value is not None and np.isfinite(value) and records[0].n_failed == 0:
            values[key] = float(f"{value:.3g}")
    return values


class _Dummy(Calculator):
    """Energies by element that fit the set best; no forces, no stress."""

    implemented_properties = list(_PROPERTIES)

    def __init__(self, systems: Sequence[System]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        known = [s for s in systems if "energy" in s.reference]
        self._by_symbol: dict[str, float] = {}
        if known:
            fractions, elements = composition_fractions([s.atoms.numbers for s in known])
            per_atom = np.array([s.reference["energy"] / len(s.atoms) for s in known])
            shift = composition_shift(per_atom, fractions)
            self._by_symbol = dict(zip(elements, map(float, shift), strict=True))

    def calculate(
        self,
        atoms: Any = None,  # noqa: ANN401  (ASE's signature)
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        symbols = atoms.get_chemical_symbols()
        self.results = {
            "energy": sum(self._by_symbol.get(symbol, 0.0) for symbol in symbols),
            "forces": np.zeros((len(symbols), 3)),
            "stress": np.zeros(6),
        }


def _ranges(systems: Sequence[System]) -> dict[str, list[float]]:
    """Smallest and largest of what a reader can judge at a glance."""
    values: dict[str, list[float]] = {"energy_eV_per_atom": [], "force_eV_A": [], "stress_GPa": []}
    for system in systems:
        reference = system.reference
        if "energy" in reference:
            values["energy_eV_per_atom"].append(reference["energy"] / len(system.atoms))
        if "forces" in reference:
            lengths = np.linalg.norm(reference["forces"], axis=1)
            values["force_eV_A"] += [float(lengths.min()), float(lengths.max())]
        if "stress" in reference:
            stress = reference["stress"] / GPa
            values["stress_GPa"] += [float(stress.min()), float(stress.max())]
    return {name: [min(some), max(some)] for name, some in values.items() if some}


def _duplicates(systems: Sequence[System]) -> list[str]:
    seen: dict[bytes, str] = {}
    pairs = []
    for system in systems:
        atoms = system.atoms
        lengths = np.vstack([atoms.cell.array, atoms.positions]) / _SAME_WITHIN_A
        rounded = np.rint(lengths) + 0.0  # no zero is negative
        state = repr(sorted(atoms.info.items())).encode()  # an ion is another structure
        key = atoms.numbers.tobytes() + atoms.pbc.tobytes() + rounded.tobytes() + state
        first = seen.setdefault(key, system.id)
        if first != system.id:
            pairs.append(f"{first} and {system.id}")
    if not pairs:
        return []
    more = f" and {len(pairs) - _MAX_NAMED} more pairs" if len(pairs) > _MAX_NAMED else ""
    return [f"The same structure twice: {', '.join(pairs[:_MAX_NAMED])}{more}."]


def _gaps(summary: ReferenceSummary) -> list[str]:
    """Energies and forces that some structures lack serve no task."""
    return [
        f"{n_with} of {summary.n_systems} structures have {name}: a task that judges it needs all."
        for name in ("energy", "forces")
        if 0 < (n_with := summary.properties.get(name, 0)) < summary.n_systems
    ]


def _absent(summary: ReferenceSummary) -> list[str]:
    """What the set is no use for, which is no fault of it."""
    sentences = [
        f"No structure has {name}: no task can judge it."
        for name in _PROPERTIES
        if not summary.properties.get(name)
    ]
    n_with = summary.properties.get("stress", 0)
    if 0 < n_with < summary.n_systems:
        sentences.append(
            f"{n_with} of {summary.n_systems} structures have stress: a task that judges it leaves "
            "the others out."
        )
    return sentences


def _charged(systems: Sequence[System]) -> list[str]:
    """Many potentials read neither charge nor spin: whoever stores such a set should know."""
    named = [system for system in systems if system.atoms.info]
    if not named:
        return []
    sentence = (
        f"{len(named)} structures carry a charge or a spin ({_examples(named)}): calculators "
        "find them as charge and spin (the multiplicity 2S + 1) in atoms.info. One that reads "
        "neither computes every structure as neutral, and its evaluation says so."
    )
    return [sentence]


def _impossible_spins(systems: Sequence[System]) -> list[str]:
    odd = [system for system in systems if _is_impossible(system)]
    if not odd:
        return []
    sentence = (
        f"The spin of {len(odd)} molecules does not go with their number of electrons "
        f"({_examples(odd)}): it is read as the multiplicity 2S + 1. Where it counts unpaired "
        "electrons, name it n_unpaired."
    )
    return [sentence]


def _is_impossible(system: System) -> bool:
    """Whether a molecule's multiplicity and number of electrons are both odd or both even."""
    atoms, spin = system.atoms, system.reference.get("spin")
    if atoms.pbc.any() or not isinstance(spin, float):
        return False
    n_electrons = int(atoms.numbers.sum()) - system.reference.get("charge", 0)
    return bool((n_electrons + spin) % 2 == 0)


def _examples(systems: Sequence[System]) -> str:
    return ", ".join(system.id for system in systems[:_MAX_NAMED])


def _virials(file: ReadFile, convention: Convention) -> list[str]:
    name = convention.stress_name
    if "virial" not in name.lower() or convention.stress_unit == VIRIAL:
        return []
    if all(record.values.get(name) is None for record in file.records):
        return []
    sentence = (
        f"{name} is read as a stress in {convention.stress_unit}; where it is "
        f"a virial, choose the unit {VIRIAL}: stress is minus virial over volume."
    )
    return [sentence]


def _as_read(file: ReadFile, convention: Convention) -> list[str]:
    """What was taken for energy, forces and stress, with unit, order and sign."""
    values = [record.values.get(convention.stress_name) for record in file.records]
    sizes = {n.size for n in map(finite_numbers, values) if n is not None}
    sentences = describe(convention, sizes.pop() if len(sizes) == 1 else None)
    return [
        f"{quantity.capitalize()}: {sentences[quantity]}."
        for quantity in _PROPERTIES
        if any(quantity in frame.calc.results for frame in file.frames)
    ]


def _unusual(file: ReadFile) -> list[str]:
    """Each thing that was read in an unusual way, with the places of the first few."""
    places: dict[str, list[str]] = {}
    for record in file.records:
        for note in record.notes:
            places.setdefault(note, []).append(record.place)
    sentences = [
        f"{'; '.join(where[:_MAX_NAMED])}"
        f"{f' and {len(where) - _MAX_NAMED} more' if len(where) > _MAX_NAMED else ''}: {note}"
        for note, where in places.items()
    ]
    rest = len(sentences) - _MAX_UNUSUAL
    return [*sentences[:_MAX_UNUSUAL], *([f"And {rest} more of the kind."] if rest > 0 else [])]


def _thin_elements(summary: ReferenceSummary) -> list[str]:
    thin = [f"{e} ({n})" for e, n in summary.elements.items() if n < _THIN_COVERAGE]
    if not thin or summary.n_systems <= _THIN_COVERAGE:
        return []
    return [f"Elements of fewer than {_THIN_COVERAGE} structures: {', '.join(thin)}."]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    _bound(memory_MiB=options.memory_mib, cpu_s=options.cpu_s)
    try:
        answer: Mapping[str, Any] = {
            "ok": True,
            "summary": check_upload(options.file, options.out, convention_of(options)),
        }
    except SubmissionError as error:
        answer = {"ok": False, "reason": str(error)}
    except MemoryError:
        answer = {"ok": False, "reason": f"It takes more than {options.memory_mib} MiB to read."}
    json.dump(answer, sys.stdout)
    return 0 if answer["ok"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    add_convention_arguments(parser)
    parser.add_argument("--memory-mib", type=int, default=4096)
    parser.add_argument("--cpu-s", type=int, default=3600)
    return parser


def _bound(*, memory_MiB: int, cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_MiB << 20, memory_MiB << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory_MiB << 20, memory_MiB << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.exit(main())
