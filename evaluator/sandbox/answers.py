"""Reads what a sandboxed calculator says, believing none of it. Trusted side only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluator import wire
from evaluator.sandbox.text import clean_line
from evaluator.wire import (
    Answer,
    FloatArray,
    Frame,
    Info,
    Prediction,
    Status,
    StructureFailure,
    WireError,
)

_MAX_VERSIONS = 64
_N_ELEMENTS = 118


def read_error(frame: Frame) -> tuple[wire.ErrorCategory, str]:
    """Category and cleaned message of an ERROR frame. Raises WireError."""
    category, message = wire.take(frame.header, category=str, message=str)
    try:
        return wire.ErrorCategory(category), clean_line(message, wire.MAX_MESSAGE_CHARS)
    except ValueError as error:
        raise WireError("an error has an unknown category") from error


def read_ready(frame: Frame) -> Info:
    """What a loaded potential says of itself, with types and lengths checked. Raises WireError."""
    name, dtype, device, properties, elements, n_parameters, cutoff_A, versions = wire.take(
        frame.header,
        name=str,
        dtype=str,
        device=str,
        properties=list,
        elements=(list, type(None)),
        n_parameters=(int, type(None)),
        cutoff_A=(float, int, type(None)),
        versions=dict,
    )
    if not set(_texts(properties, len(wire.PROPERTY_SIZES))) <= set(wire.PROPERTY_SIZES):
        raise WireError("READY names properties that do not exist")
    if elements is not None and any(len(e) > 3 for e in _texts(elements, _N_ELEMENTS)):
        raise WireError("READY names elements that do not exist")
    if n_parameters is not None and not 0 <= n_parameters < 2**53:
        raise WireError("READY has an impossible number of parameters")
    if cutoff_A is not None and not (math.isfinite(cutoff_A) and 0 <= cutoff_A < 1e6):
        raise WireError("READY has an impossible cutoff")
    _texts([*versions, *versions.values()], 2 * _MAX_VERSIONS)
    return Info(
        name=clean_line(name, 200),
        dtype=clean_line(dtype, 40),
        device=clean_line(device, 100),
        properties=tuple(properties),
        elements=None if elements is None else tuple(clean_line(e, 3) for e in elements),
        n_parameters=n_parameters,
        cutoff_A=None if cutoff_A is None else float(cutoff_A),
        versions={clean_line(k, 100): clean_line(v, 100) for k, v in versions.items()},
    )


def _texts(values: Sequence[Any], n_max: int) -> Sequence[str]:
    if len(values) > n_max or not all(type(value) is str for value in values):
        raise WireError("READY has a list that is too long or holds something else than text")
    return values


def read_result(
    frame: Frame, request_id: int, counts: Sequence[int], properties: Sequence[str]
) -> list[Answer]:
    """The answers of a RESULT to the batch with these numbers of atoms. Raises WireError.

    A structure whose numbers are not finite becomes a StructureFailure; so does one without
    energy or forces.
    """
    answered_id, statuses, messages, present = wire.take(
        frame.header, id=int, status=list, messages=list, present=list
    )
    if answered_id != request_id:
        raise WireError("a result answers a question that was not the one asked")
    if not len(statuses) == len(messages) == len(present) == len(counts):
        raise WireError("a result does not have one entry for each structure")
    slots = _slots(frame.payload, counts, properties)
    return [
        _answer(status, message, mask, arrays)
        for status, message, mask, arrays in zip(statuses, messages, present, slots, strict=True)
    ]


def _slots(
    payload: bytes | bytearray, counts: Sequence[int], properties: Sequence[str]
) -> list[dict[str, FloatArray]]:
    """Make for each structure its array of every property, in the machine's own byte order."""
    values = np.frombuffer(payload, "<f8").astype(np.float64)
    # What is so small is no energy, force or stress; squares and products of it would leave the
    # normal numbers, which numerical libraries do not all survive. NaN compares false and stays.
    values[np.abs(values) < wire.SMALLEST_VALUE] = 0.0
    slots: list[dict[str, FloatArray]] = [{} for _ in counts]
    start = 0
    for name in properties:
        for slot, n_atoms in zip(slots, counts, strict=True):
            shape = wire.property_shape(name, n_atoms)
            stop = start + math.prod(shape)
            slot[name] = values[start:stop].reshape(shape)
            start = stop
    return slots


def _answer(status: Any, message: Any, mask: Any, arrays: dict[str, FloatArray]) -> Answer:  # noqa: ANN401
    if type(status) is not str or type(message) is not str or type(mask) is not int:
        raise WireError("a result's entry has the wrong type")
    if status in (Status.UNSUPPORTED, Status.ERROR):
        text = clean_line(message, wire.MAX_MESSAGE_CHARS)
        return StructureFailure(status=Status(status), message=text)
    if status != Status.OK:
        raise WireError("a result has an unknown status")
    given = {name: array for bit, (name, array) in enumerate(arrays.items()) if mask & (1 << bit)}
    for name in wire.REQUIRED_PROPERTIES:
        if name not in given:
            return StructureFailure(status=Status.ERROR, message=f"The calculator gave no {name}.")
    for name, array in given.items():
        if not bool(np.all(np.abs(array) <= wire.LARGEST_VALUE)):  # false for NaN, too
            return StructureFailure(
                status=Status.NONFINITE,
                message=f"The calculator's {name} is not finite (NaN, infinite or above "
                f"{wire.LARGEST_VALUE:g}).",
            )
    return _prediction(given)


def _prediction(given: dict[str, FloatArray]) -> Prediction:
    uncertainty = given.get("energy_uncertainty")
    return Prediction(
        energy=float(given["energy"]),
        forces=given["forces"],
        stress=given.get("stress"),
        magmoms=given.get("magmoms"),
        energy_uncertainty=None if uncertainty is None else float(uncertainty),
    )
