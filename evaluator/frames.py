"""How far answers on the frames of a reference set lie from it: kept, small, so that submissions
can be compared with each other frame by frame.

Predicted minus reference is all that is kept: of two submissions' errors the reference cancels, and
neither forces nor a reference can be read off them. Energies are in meV/atom after whatever shift
the task makes, forces in eV/Å, in single precision; NaN where a system has failed. The layout
follows from the set alone: forces of frames in the order of a hash of their names, until there are
``MAX_ATOMS``; the energies of all.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluator.arrays import FloatArray
from evaluator.contract import FrameErrorsRecord

#: Whose forces are kept of one evaluation: a quarter of a megabyte.
MAX_ATOMS = 20_000
#: Of one set.
MAX_SYSTEMS = 100_000
_KEPT = np.dtype("<f4")


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameErrors:
    """Of one evaluation, in the order of the set's systems."""

    #: Shape (n_systems,); NaN where failed, or where the task has no energies.
    energies_meV_atom: FloatArray
    #: Of the atoms that are judged, each (n_atoms, 3); NaN where failed.
    forces_eV_A: Sequence[FloatArray]


def force_errors(predicted: FloatArray | None, reference: FloatArray) -> FloatArray:
    """Difference of the two; NaN where there is no answer. Shape (n_atoms, 3)."""
    if predicted is None:
        return np.full(reference.shape, np.nan)
    return np.asarray(predicted - reference, dtype=float)


def packed(errors: FrameErrors, names: Sequence[str]) -> FrameErrorsRecord | None:
    """Pack them, of systems of these names; None where there is nothing to compare."""
    n_atoms = _kept_atoms([len(forces) for forces in errors.forces_eV_A], names)
    if len(names) > MAX_SYSTEMS:
        return None
    chosen = [f[:n].ravel() for f, n in zip(errors.forces_eV_A, n_atoms, strict=True)]
    values = np.concatenate([errors.energies_meV_atom, *chosen])
    if not np.isfinite(values).any():
        return None
    with np.errstate(over="ignore"):
        single = values.astype(_KEPT)
    single[~np.isfinite(single)] = np.nan
    # The first bytes of neighbouring numbers are alike, the last ones are noise.
    content = zlib.compress(single.view(np.uint8).reshape(-1, _KEPT.itemsize).T.tobytes(), 6)
    return FrameErrorsRecord(n_atoms=n_atoms, packed=base64.b64encode(content).decode())


def content_of(record: FrameErrorsRecord) -> bytes:
    """The compressed bytes, checked. Raises ValueError for what ``packed`` has not made."""
    try:
        content = base64.b64decode(record.packed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("frame errors are no base64") from error
    unpacked(content, record.n_atoms)
    return content


def unpacked(content: bytes | memoryview, n_atoms: Sequence[int]) -> NDArray[np.float32]:
    """Energies of all systems, then the forces' components; raises ValueError.

    Nothing beyond the length that the layout says is ever unpacked.
    """
    atoms = np.asarray(n_atoms, dtype=np.int64)
    if len(atoms) > MAX_SYSTEMS or (atoms < 0).any() or atoms.sum() > MAX_ATOMS:
        raise ValueError("frame errors of more than may be kept")
    n_bytes = _KEPT.itemsize * (len(atoms) + 3 * int(atoms.sum()))
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(content, n_bytes + 1)
    except zlib.error as error:
        raise ValueError("frame errors cannot be unpacked") from error
    if len(raw) != n_bytes or not inflate.eof:
        raise ValueError("frame errors of another length than their systems have")
    planes = np.frombuffer(raw, np.uint8).reshape(_KEPT.itemsize, -1)
    return np.ascontiguousarray(planes.T).view(_KEPT).ravel().astype(np.float32)


def _kept_atoms(n_atoms: Sequence[int], names: Sequence[str]) -> tuple[int, ...]:
    """Atoms of each system that is kept, 0 of the others: whole frames, while there is room."""
    kept, n_left = [0] * len(n_atoms), MAX_ATOMS
    for i in sorted(range(len(names)), key=lambda i: _luck(names[i])):
        if n_atoms[i] <= n_left:
            kept[i] = n_atoms[i]
            n_left -= n_atoms[i]
    return tuple(kept)


def _luck(name: str) -> str:
    return hashlib.sha256(f"frame/{name}".encode()).hexdigest()
