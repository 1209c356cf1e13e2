"""Reference sets: where their files come from, how they are built, read and checked.

The canonical form of every set is one extxyz file, known by its sha256. Each frame carries
``system_id`` and ``family``, reference values (numbers and arrays of them) as info, and energy (eV,
total), forces (eV/Å) and stress (eV/Å³, ASE's sign) as extxyz results. Atoms may be marked as
``migrating``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlsplit

import ase.io
import numpy as np
import pooch
import requests
from ase import Atoms

from evaluator.exceptions import InfrastructureError, SubmissionError
from evaluator.hashing import sha256_of
from evaluator.protocols.base import System, UnsuitableReference
from evaluator.references.builders import BUILDERS
from evaluator.references.checks import ReferenceSummary, summarise
from evaluator.references.electronic_states import is_electronic_number

Progress = Callable[[int, int], None]

_RESULTS = ("energy", "forces", "stress")
_NAMES = ("system_id", "family", "cluster")
#: True or false for each atom.
_MARKS = ("migrating",)


class UnknownReference(SubmissionError):
    """No reference set of that name is registered."""


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """A file as its authors publish it. ``path`` is its place in a local mirror folder."""

    path: str
    url: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class KnownReference:
    """An entry of ``reference_sets.toml``."""

    name: str
    version: str
    title: str
    description: str
    level_of_theory: str
    licence: str
    citation: str
    url: str
    builder: str
    #: Of the canonical extxyz file.
    sha256: str
    public: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    files: tuple[RawFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BuiltReference:
    """A canonical file on disk, and what it holds."""

    known: KnownReference
    path: Path
    sha256: str
    n_systems: int
    elements: tuple[str, ...]
    properties: tuple[str, ...]
    #: What the builder has to say: how many frames were left out, and why.
    metadata: dict[str, Any]


def known_references() -> dict[str, KnownReference]:
    """All registered sets by name."""
    text = (
        resources.files("evaluator.references")
        .joinpath("reference_sets.toml")
        .read_text(encoding="utf-8")
    )
    entries = [
        KnownReference(**{**entry, "files": tuple(RawFile(**f) for f in entry.pop("files", ()))})
        for entry in tomllib.loads(text)["set"]
    ]
    return {entry.name: entry for entry in entries}


def build(
    name: str, *, mirror: Path | None = None, cache: Path, progress: Progress | None = None
) -> BuiltReference:
    """Make the canonical file of a registered set: ``cache``/name-version.extxyz.

    Raw files come from the mirror folder where one is given, else by download; their sha256 and
    that of the result are checked. A mirror may hold ``path`` compressed, as ``path``.gz: builders
    of such sets read both (``published.read_json``).

    Raises
    ------
    UnknownReference
        For a name that is not registered.
    InfrastructureError
        When a file cannot be had or is not the one that was registered.
    """
    entries = known_references()
    if name not in entries:
        raise UnknownReference(
            f"There is no reference set {name!r}; known are {', '.join(entries)}."
        )
    known = entries[name]
    report = progress or (lambda done, total: None)
    raw = []
    for i, file in enumerate(known.files):
        report(i, len(known.files) + 1)
        raw.append(_fetch(file, mirror, cache))
    report(len(known.files), len(known.files) + 1)
    frames, metadata = BUILDERS[known.builder](raw, known.options)
    path = _store(known, canonical_bytes(frames), cache)
    report(len(known.files) + 1, len(known.files) + 1)
    systems = [_system(atoms, i) for i, atoms in enumerate(frames)]
    return BuiltReference(
        known=known,
        path=path,
        sha256=known.sha256,
        n_systems=len(frames),
        elements=tuple(sorted({s for atoms in frames for s in atoms.get_chemical_symbols()})),
        properties=tuple(sorted({name for system in systems for name in system.reference})),
        metadata=metadata,
    )


def _fetch(file: RawFile, mirror: Path | None, cache: Path) -> Path:
    if mirror is not None and (mirror / file.path).is_file():
        path = mirror / file.path
        actual = sha256_of(path)
        if actual != file.sha256:
            raise InfrastructureError(
                f"{file.path} in the local mirror has sha256 {actual}, not {file.sha256} as "
                "registered."
            )
        return path
    if mirror is not None and (compressed := mirror / f"{file.path}.gz").is_file():
        actual = hashlib.sha256(gzip.decompress(compressed.read_bytes())).hexdigest()
        if actual != file.sha256:
            raise InfrastructureError(
                f"{file.path}.gz in the local mirror holds what has sha256 {actual}, not "
                f"{file.sha256} as registered."
            )
        return compressed
    target = cache / "raw" / file.path
    try:
        pooch.retrieve(
            file.url,
            known_hash=f"sha256:{file.sha256}",
            fname=target.name,
            path=target.parent,
            progressbar=False,
        )
    except ValueError as error:  # pooch's complaint about a hash
        raise InfrastructureError(
            f"{file.url} is not the file that is registered: {error}"
        ) from error
    except OSError as error:  # requests' errors are OSErrors
        where = "" if mirror is None else f" (and the mirror folder has no {file.path})"
        reason = _why_no_download(file.url, error)
        raise InfrastructureError(f"{file.url} cannot be downloaded: {reason}{where}") from error
    return target


def _why_no_download(url: str, error: OSError) -> str:
    """What a person can mend, not what each layer of the network said on the way."""
    if isinstance(error, requests.ConnectionError):
        return f"{urlsplit(url).hostname} cannot be reached from here"
    return str(error)


def canonical_bytes(frames: Sequence[Atoms]) -> bytes:
    """The canonical file of these structures."""
    text = io.StringIO()
    ase.io.write(text, frames, format="extxyz")
    return text.getvalue().encode()


def _store(known: KnownReference, content: bytes, cache: Path) -> Path:
    """Write the canonical file whole or not at all, and check its hash."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{known.name}-{known.version}.extxyz"
    actual = hashlib.sha256(content).hexdigest()
    if actual != known.sha256:
        raise InfrastructureError(
            f"{known.name} came out with sha256 {actual}, not {known.sha256} as registered: "
            "another version of ASE writes or ships other numbers."
        )
    with NamedTemporaryFile(dir=cache, prefix=path.name, delete=False) as partial:
        partial.write(content)
    Path(partial.name).replace(path)
    return path


#: What ASE raises on files that are none of ours.
_UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def read(path: Path) -> list[System]:
    """Read a canonical file.

    Raises UnsuitableReference, naming the structure, when it is no extxyz file, a name is missing
    or doubled, or a number is not finite.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnsuitableReference(f"{path.name} cannot be read as extxyz: {error}") from error
    return read_content(content, path.name)


def read_content(content: bytes, file_name: str) -> list[System]:
    """Read what a canonical file holds, as ``read`` does."""
    try:
        text = io.StringIO(content.decode(), newline=None).read()
        frames = ase.io.read(io.StringIO(text), ":", format="extxyz")
    except (*_UNREADABLE, OSError, StopIteration) as error:  # ASE raises its XYZError as OSError
        raise UnsuitableReference(f"{file_name} cannot be read as extxyz: {error}") from error
    _check_that_no_frame_is_lost(file_name, text, len(frames))
    systems = [_system(atoms, i) for i, atoms in enumerate(frames)]
    if not systems:
        raise UnsuitableReference(f"{file_name} holds no structure.")
    seen: set[str] = set()
    for system in systems:
        if system.id in seen:
            raise UnsuitableReference(f"Two structures are named {system.id}.")
        seen.add(system.id)
    return systems


def _check_that_no_frame_is_lost(name: str, text: str, n_read: int) -> None:
    """Refuse a file of which ASE read a part: it stops without a word at a blank line."""
    lines = text.split("\n")
    at, n_frames, first_blank = 0, 0, None
    while at < len(lines):
        count = lines[at].strip()
        if not count:
            first_blank = first_blank or at + 1
            at += 1
        elif not count.isdecimal():
            raise UnsuitableReference(
                f"{name}, line {at + 1}: a number of atoms belongs here, not {count[:40]!r}."
            )
        else:
            at += int(count) + 2
            n_frames += 1
    if n_frames != n_read:
        raise UnsuitableReference(
            f"{name} holds {n_frames} structures, of which {n_read} could be read: remove the "
            f"blank line {first_blank}."
        )


def _electronic_state(info: Mapping[str, Any]) -> dict[str, int]:
    """Charge and spin multiplicity, where the structure has any: calculators are told both."""
    values = {name: info.get(name, default) for name, default in (("charge", 0), ("spin", 1))}
    # Sets that were stored before these names had a meaning may hold anything under them.
    if not all(is_electronic_number(value) for value in values.values()):
        return {}
    if values == {"charge": 0, "spin": 1}:
        return {}
    return {"charge": int(values["charge"]), "spin": max(1, int(values["spin"]))}


def check_reference(path: Path) -> ReferenceSummary:
    """Read a file as ``read`` does, and say what it holds and what looks wrong in it."""
    return summarise(read(path))


def _system(atoms: Atoms, index: int) -> System:
    name = atoms.info.get("system_id")
    if isinstance(name, bool | float | np.bool_) or not str(name or "").strip():
        # extxyz reads F, T and 1.5 as values, so that such a name would come back as another.
        raise UnsuitableReference(f"Structure {index} needs a text as system_id, not {name!r}.")
    reference: dict[str, Any] = {
        key: float(value)
        for key, value in atoms.info.items()
        if key not in _NAMES and isinstance(value, int | float | np.number)
    }
    reference |= {
        key: value.astype(float)
        for key, value in atoms.info.items()
        if key not in _NAMES and isinstance(value, np.ndarray) and value.dtype.kind in "iuf"
    }
    results = atoms.calc.results if atoms.calc is not None else {}
    try:
        reference |= {key: np.array(results[key], float) for key in _RESULTS if key in results}
    except _UNREADABLE as error:
        raise UnsuitableReference(f"{name}: energy, forces and stress are numbers.") from error
    for key in _MARKS:
        if key not in atoms.arrays:
            continue
        if atoms.arrays[key].dtype.kind != "b":
            raise UnsuitableReference(f"{name}: {key} must be true or false for each atom.")
        reference[key] = np.array(atoms.arrays[key])
    for key, value in reference.items():
        if not np.isfinite(value).all():
            raise UnsuitableReference(f"{name}: the reference {key} is not a finite number.")
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise UnsuitableReference(f"{name}: positions and cell must be finite numbers.")
    if len(atoms) == 0 or (atoms.numbers < 1).any():
        raise UnsuitableReference(f"{name}: every atom needs an element, and there must be one.")
    if "energy" in reference:
        if np.ndim(reference["energy"]):
            raise UnsuitableReference(f"{name}: the energy is one number.")
        reference["energy"] = float(reference["energy"])
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    bare.info = _electronic_state(atoms.info)
    return System(
        id=str(name),
        atoms=bare,
        reference=reference,
        family=str(atoms.info.get("family", "")),
        cluster=str(atoms.info.get("cluster", "")),
    )
