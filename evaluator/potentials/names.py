"""Potentials by their names on a command line: ``chgnet:0.3.0``, ``ase:lj``, ``mace:my.model``.

This is the trusted side: an artifact's bytes are found, packed or written here, and never loaded.
A name reads ``KIND:WHAT[,key=value...]``, where WHAT is a shipped potential or a path and the
keys are settings of the kind, as the catalog lists them.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ase.data import covalent_radii

from evaluator.catalog import CALCULATOR_KINDS, Parameter, ParameterError, check_parameters
from evaluator.catalog.elements import SYMBOLS
from evaluator.contract import SubmissionSpec
from evaluator.exceptions import SubmissionError
from evaluator.hashing import sha256_of
from evaluator.json_artifacts import MOST_BYTES, fault_of, is_json_kind
from evaluator.paths import user_path
from evaluator.potentials.known import (
    BASELINES,
    CHGNETS,
    LJ_ELEMENTS,
    MIRRORED,
    MPTRJ_ELEMENTS,
    SEMI_EMPIRICAL,
    KnownPotential,
    LJ_EPSILON_eV,
)
from evaluator.potentials.known_in_runtimes import IN_RUNTIMES
from evaluator.runtimes.definitions import serving
from evaluator.runtimes.recipes import Recipe
from evaluator.runtimes.store import Runtime, RuntimeStore

__all__ = [
    "KnownPotential",
    "ResolvedPotential",
    "UnknownPotential",
    "kind_of_weights",
    "known_potentials",
    "resolve",
    "shipped_references",
]


class UnknownPotential(SubmissionError, ValueError):
    """The name leads to no artifact; one sentence says why and what to write instead."""


@dataclass(frozen=True, kw_only=True)
class ResolvedPotential:
    """A submission as the driver takes it, and where its artifact lies."""

    spec: SubmissionSpec
    artifact: Path


def resolve(text: str, work_dir: Path) -> ResolvedPotential:
    """Find or write the artifact that a name stands for.

    What has to be written (a baseline's JSON, the zip of a model's folder) goes into ``work_dir``,
    with the same bytes each time. Raises UnknownPotential.
    """
    kind, colon, rest = text.partition(":")
    if kind not in CALCULATOR_KINDS or not colon:
        raise UnknownPotential(
            f"{text!r} is no potential; write KIND:WHAT, where KIND is one of "
            f"{', '.join(CALCULATOR_KINDS)}{_did_you_mean(text)}"
        )
    what, settings = _parse(kind, rest)
    if not what:
        raise UnknownPotential(f"{text!r} names no file; {_examples(kind)}")
    artifact, elements, is_shipped = _find(kind, what, work_dir)
    _check_file(kind, artifact, what)
    spec = SubmissionSpec(
        name=f"{kind}:{what if is_shipped else artifact.name}",
        calculator_kind=kind,
        artifact_sha256=sha256_of(artifact),
        artifact_filename=artifact.name,
        settings=settings,
        supported_elements=elements,
    )
    return ResolvedPotential(spec=spec, artifact=artifact)


def _check_file(kind: str, artifact: Path, what: str) -> None:
    """Raise UnknownPotential for what is wrong as far as that can be known without loading it."""
    try:
        with artifact.open("rb") as file:
            head = file.read(MOST_BYTES + 1 if is_json_kind(kind) else 1)
    except OSError as error:
        raise UnknownPotential(f"{what} cannot be read: {error.strerror}") from error
    if not head:
        raise UnknownPotential(f"{what} is empty")
    if fault := fault_of(kind, head, SYMBOLS):
        raise UnknownPotential(f"{what}: {fault}")


def known_potentials(mirror: Path | None = None) -> tuple[KnownPotential, ...]:
    """The shipped potentials and baselines, and those whose weights lie in a local mirror.

    Of those whose weights come with the packages of a runtime, the runtimes that are built.
    """
    return tuple(known for known in to_be_had(mirror) if _is_at_hand(known))


def to_be_had(mirror: Path | None = None) -> tuple[KnownPotential, ...]:
    """All that can be had here, some of them once a runtime is built (``kind_of_weights``)."""
    mirrored = [
        replace(potential, reference=f"{_kind_of(potential)}:{mirror / path}")
        for path, potential in MIRRORED.items()
        if mirror is not None and _is_model(mirror / path)
    ]
    in_runtimes = (weights.known for weights in IN_RUNTIMES)
    return (*CHGNETS, *in_runtimes, *mirrored, *SEMI_EMPIRICAL, *BASELINES)


def _is_at_hand(known: KnownPotential) -> bool:
    kind = _kind_of(known) if known in SEMI_EMPIRICAL else kind_of_weights(known.reference)
    return kind is None or _runtime_of(kind) is not None


def shipped_references() -> list[str]:
    """Names of all potentials that come with the project or in the packages of its runtimes."""
    return [potential.reference for potential in _SHIPPED]


def kind_of_weights(text: str) -> str | None:
    """The kind whose runtime brings the weights that a name stands for; None for other names."""
    name = text.partition(",")[0]
    if name in _IN_RUNTIMES:
        return _kind_of(_IN_RUNTIMES[name].known)
    is_chgnet = name in {potential.reference for potential in CHGNETS}
    return "chgnet" if is_chgnet and not any(_chgnet_folders()) else None


def _kind_of(known: KnownPotential) -> str:
    return known.reference.partition(":")[0]


def _is_model(path: Path) -> bool:
    return path.is_file() or (path / _MODEL_FILES[0]).is_file()


def _parse(kind: str, rest: str) -> tuple[str, dict[str, Any]]:
    """Split WHAT from its settings and check those against the catalog."""
    what, *pairs = re.split(r",(?=\w+=)", rest)
    parameters = {parameter.name: parameter for parameter in CALCULATOR_KINDS[kind].settings}
    given: dict[str, object] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key in given:
            raise UnknownPotential(f"the setting {key} is given twice")
        given[key] = _typed(parameters.get(key), value)
    try:
        return what, dict(check_parameters(tuple(parameters.values()), given))
    except ParameterError as error:
        raise UnknownPotential(f"settings of {kind}: {error}") from error


def _typed(parameter: Parameter | None, value: str) -> object:
    """A setting's text in its kind; what does not fit is left for the catalog to refuse."""
    if parameter is None or parameter.kind is str:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _find(kind: str, what: str, work_dir: Path) -> tuple[Path, tuple[str, ...] | None, bool]:
    """The artifact, the elements that a shipped potential declares, and whether it is shipped."""
    name = f"{kind}:{what}"
    if kind == "chgnet" and what in _CHGNET_FOLDERS:
        return _chgnet_checkpoint(what), MPTRJ_ELEMENTS, True
    if name in _IN_RUNTIMES:
        known, files = _IN_RUNTIMES[name].known, _IN_RUNTIMES[name].files
        return _out_of_runtime(kind, name, files, work_dir), known.supported_elements, True
    if name in _WRITTEN:
        artifact = work_dir / f"{name.replace(':', '-')}.json"
        work_dir.mkdir(parents=True, exist_ok=True)
        text = json.dumps(_WRITTEN[name](), indent=1, sort_keys=True) + "\n"
        artifact.write_text(text, encoding="utf-8")
        return artifact, _elements_of(name), True
    path = user_path(what)
    if kind in ("matgl", "diep") and path.is_dir():
        return _zip_of_model(path, work_dir, _label(kind)), None, False
    if not path.is_file():
        problem = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise UnknownPotential(f"{what} {problem}; {_examples(kind)}{_did_you_mean(name)}")
    return path.resolve(), None, False


def _did_you_mean(name: str) -> str:
    """A question with the shipped potential or the kind that is spelled alike; else nothing."""
    kind, _, what = name.partition(":")
    shipped = [potential.reference for potential in _SHIPPED]
    kinds = [f"{other}:{what}" for other in difflib.get_close_matches(kind, CALCULATOR_KINDS, n=1)]
    near = difflib.get_close_matches(name, shipped, n=1, cutoff=0.8)
    near = near or [other for other in shipped if other.endswith(f":{name}")]
    near = near or [other for other in kinds if other != name and what]
    return f". Did you mean {near[0]}?" if near else ""


def _examples(kind: str) -> str:
    known = [p.reference for p in _SHIPPED if _kind_of(p) == kind]
    shipped = f"shipped are {', '.join(known)}; else " if known else ""
    return f"{shipped}give the path of {CALCULATOR_KINDS[kind].artifact}"


# What chgnet's wheel carries, found without importing it.

_CHGNET_FOLDERS = ("0.3.0", "0.2.0", "r2scan")


def _chgnet_checkpoint(name: str) -> Path:
    checkpoints = [
        path
        for folder in _chgnet_folders()
        for path in sorted(Path(folder, "pretrained", name).glob("*.pth.tar"))
    ]
    if not checkpoints:
        raise UnknownPotential(
            f"the checkpoint chgnet:{name} comes with the packages of the runtime chgnet, which is "
            "not built here: touchstone runtime build chgnet; or give the path of a checkpoint"
        )
    return checkpoints[0]


def _chgnet_folders() -> Iterator[str | Path]:
    """Where the package chgnet lies: in this environment, or in its runtime."""
    spec = importlib.util.find_spec("chgnet")
    yield from (spec and spec.submodule_search_locations) or ()
    if spec is None and (runtime := _runtime_of("chgnet")) is not None:
        yield runtime.site_packages / "chgnet"


# What a runtime's packages carry, found without importing them.

_IN_RUNTIMES = {weights.known.reference.partition(",")[0]: weights for weights in IN_RUNTIMES}


def _runtime_of(kind: str) -> Runtime | None:
    """A runtime that is built here with the packages that serve a kind today."""
    definition = serving(kind)
    built = RuntimeStore().built(definition.name)
    if not built:
        return None
    environment = Recipe.of(definition).environment
    return next((r for r in built if r.environment == environment), None)


def _out_of_runtime(kind: str, name: str, files: Sequence[str], work_dir: Path) -> Path:
    """The file itself, or the zip of a model's folder. Raises UnknownPotential."""
    runtime = _runtime_of(kind)
    if runtime is None:
        raise UnknownPotential(
            f"the weights of {name} come with the packages of the runtime {serving(kind).name}, "
            f"which is not built here: touchstone runtime build {serving(kind).name}"
        )
    paths = [runtime.site_packages / file for file in files]
    return paths[0] if len(paths) == 1 else _zip_of_model(paths[0].parent, work_dir, _label(kind))


# A model's folder, packed the same way each time.

_MODEL_FILES = ("model.json", "model.pt", "state.pt")


def _label(kind: str) -> str:
    """The family's name without what its label adds in brackets."""
    return CALCULATOR_KINDS[kind].label.partition(" (")[0]


def _zip_of_model(folder: Path, work_dir: Path, what: str) -> Path:
    missing = [name for name in _MODEL_FILES if not (folder / name).is_file()]
    if missing:
        raise UnknownPotential(f"{folder} is no {what} model: it lacks {', '.join(missing)}")
    work_dir.mkdir(parents=True, exist_ok=True)
    artifact = work_dir / f"{folder.resolve().name}.zip"
    with zipfile.ZipFile(artifact, "w", zipfile.ZIP_STORED) as archive:
        for name in _MODEL_FILES:
            # A fixed date, or the same folder would have another sha256 every time.
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, (folder / name).read_bytes())
    return artifact


# Baselines: a few numbers each.


def _lj_from_covalent_radii() -> dict[str, Any]:
    """A Lennard-Jones minimum at twice the covalent radius, one well depth for all."""
    sigma = {
        symbol: round(float(2 * radius / 2 ** (1 / 6)), 6)
        for symbol, radius in zip(LJ_ELEMENTS, covalent_radii[1:], strict=False)
    }
    return {
        "calculator": "lj",
        "sigma_A": sigma,
        "epsilon_eV": LJ_EPSILON_eV,
        "smooth": True,
    }


_WRITTEN: Mapping[str, Callable[[], dict[str, Any]]] = {
    "ase:emt": lambda: {"calculator": "emt"},
    "ase:lj": _lj_from_covalent_radii,
    "ase:tersoff-si": lambda: {"calculator": "tersoff", "element": "Si"},
    "dummy:zero": lambda: {"default_eV": 0.0},
    "xtb:gfn2": lambda: {"method": "GFN2-xTB"},
}
_SHIPPED = (*CHGNETS, *(weights.known for weights in IN_RUNTIMES), *SEMI_EMPIRICAL, *BASELINES)


def _elements_of(reference: str) -> tuple[str, ...] | None:
    return next(p.supported_elements for p in _SHIPPED if p.reference == reference)
