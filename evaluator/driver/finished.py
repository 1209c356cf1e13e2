"""Finished systems, kept so that a later attempt at the same evaluation does not repeat them.

A finished system travels as one uncompressed zip archive: ``system.json``, an ``.npy`` for each
array, and the output files. Nothing in it is ever unpickled.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from evaluator.arrays import FloatArray
from evaluator.contract import SystemStatus
from evaluator.driver.probes import Finding
from evaluator.plain import plain
from evaluator.protocols.base import Outcome
from evaluator.wire import Status

_FORMAT = 1
_HEADER = "system.json"


class UnreadableSystem(ValueError):
    """Bytes that are no finished system, or one of another release's format."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedSystem:
    """All that an evaluation keeps of one system, exact to the last bit."""

    system_id: str
    #: OK or FAILED; an unsupported system costs nothing and is not kept.
    status: SystemStatus
    message: str
    answer_status: Status | None
    outcome: Outcome | None
    n_calls: int
    wall_time_s: float
    #: What the numbers depend on, hashed (see provenance.conditions); others may not be mixed in.
    conditions: str
    #: Time spent simulating, in all attempts, when this system had finished.
    elapsed_s: float
    #: How calls were served (SERVING of the pool's plan), so that the next attempt does the same.
    serving: dict[str, int]
    #: Which attempt found it, in words; given by whoever kept it, told in the provenance.
    origin: str = ""
    #: What the probes around its calls showed.
    findings: tuple[Finding, ...] = ()

    def to_bytes(self) -> bytes:
        """Raises ValueError for an array of objects."""
        arrays = self.outcome.arrays if self.outcome else {}
        files = self.outcome.files if self.outcome else {}
        header = {
            "format": _FORMAT,
            "system_id": self.system_id,
            "status": self.status,
            "message": self.message,
            "answer_status": self.answer_status,
            "n_calls": self.n_calls,
            "wall_time_s": self.wall_time_s,
            "conditions": self.conditions,
            "elapsed_s": self.elapsed_s,
            "serving": self.serving,
            "findings": [finding.to_json() for finding in self.findings],
            "values": self.outcome.values if self.outcome else None,
            "arrays": list(arrays),
            "files": list(files),
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            # NaN and infinities are written as such: Python reads them back.
            archive.writestr(_HEADER, json.dumps(header))
            for i, array in enumerate(arrays.values()):
                archive.writestr(f"array-{i}.npy", _npy(array))
            for i, content in enumerate(files.values()):
                archive.writestr(f"file-{i}", content)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, origin: str = "") -> Self:
        """Raises UnreadableSystem."""
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                header = json.loads(archive.read(_HEADER))
                if header.pop("format") != _FORMAT:
                    raise UnreadableSystem("written in another release's format")
                outcome = _outcome(header, archive)
            return cls(
                outcome=outcome,
                origin=origin,
                status=SystemStatus(header.pop("status")),
                answer_status=_status(header.pop("answer_status")),
                findings=tuple(map(Finding.from_json, header.pop("findings", ()))),
                **header,
            )
        except UnreadableSystem:
            raise
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError, EOFError) as error:
            raise UnreadableSystem(f"{type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class StoredSystem:
    """A finished system as bytes, for those who keep it and need not look inside."""

    system_id: str
    content: bytes
    origin: str

    def to_bytes(self) -> bytes:
        return self.content

    def read(self) -> FinishedSystem:
        """Raises UnreadableSystem."""
        return FinishedSystem.from_bytes(self.content, self.origin)


def normal(outcome: Outcome) -> Outcome:
    """The outcome as it will come back from storage: JSON's types, contiguous arrays.

    Every outcome passes through here, kept or not, so that a resumed evaluation and one that was
    never interrupted add up the same numbers in the same order.
    """
    return Outcome(
        values=plain(outcome.values, keep_nonfinite=True),
        arrays={name: _numbers(name, array) for name, array in outcome.arrays.items()},
        files=dict(outcome.files),
    )


def _numbers(name: str, array: Any) -> FloatArray:  # noqa: ANN401  (whatever a protocol made)
    copy = np.array(array, order="C")
    if copy.dtype.hasobject:
        raise TypeError(f"{name}: an outcome's arrays hold numbers, not {copy.dtype}")
    return copy


def _npy(array: FloatArray) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _outcome(header: dict[str, Any], archive: zipfile.ZipFile) -> Outcome | None:
    values: Mapping[str, Any] | None = header.pop("values")
    array_names, file_names = header.pop("arrays"), header.pop("files")
    if values is None:
        return None
    return Outcome(
        values=dict(values),
        arrays={
            name: np.lib.format.read_array(
                io.BytesIO(archive.read(f"array-{i}.npy")), allow_pickle=False
            )
            for i, name in enumerate(array_names)
        },
        files={name: archive.read(f"file-{i}") for i, name in enumerate(file_names)},
    )


def _status(value: str | None) -> Status | None:
    return None if value is None else Status(value)
