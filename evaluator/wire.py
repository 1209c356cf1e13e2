"""The wire between the trusted driver and a sandboxed calculator.

Imported on both sides of the wall; numpy, msgpack and the standard library only.

A frame is a fixed prefix (magic, version, kind, length of header, length of payload), a msgpack
header of plain values, and a payload of raw little-endian arrays. Nothing is ever unpickled. The
driver's side of the conversation::

    <- HELLO                            the interpreter is up; no code of the submission has run
    -> LOAD                             kind, path, settings
    <- READY | ERROR
    -> CALC  id, properties, n_atoms    numbers, positions, cells, pbc
             charges, spins             where one of the structures has any
    <- RESULT id, statuses, messages    one slot for every property of every structure
    -> BYE

The payload of a RESULT has a slot for everything that was asked, zero where a structure failed,
so that the driver knows its exact length before it reads the first byte.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

MAGIC = b"TSTN"
VERSION = 1
#: magic, version, kind, reserved (zero), header length, payload length.
PREFIX = struct.Struct("<4sBBHIQ")

MAX_HEADER_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 1 << 30
MAX_STRUCTURES = 1024
MAX_ATOMS = 2_000_000
MAX_MESSAGE_CHARS = 500
#: Said once on standard error, where the driver looks for it.
CHANGED_ATOMS = "touchstone: the calculator changed the atoms that it was given"
#: A finite number beyond this is no energy, force or stress; its square must not overflow.
LARGEST_VALUE = 1e30
#: What is smaller is taken for zero: nothing that is answered may become a subnormal number.
SMALLEST_VALUE = 1e-30

_ATOM_BYTES = 4 + 3 * 8
_STRUCTURE_BYTES = 9 * 8 + 3


class Kind(IntEnum):
    """What a frame is."""

    HELLO = 1
    LOAD = 2
    READY = 3
    CALC = 4
    RESULT = 5
    ERROR = 6
    BYE = 7


class _Word(str, Enum):  # noqa: UP042  (StrEnum is of Python 3.11; runtimes may be older)
    """A choice that is written as its value."""

    def __str__(self) -> str:
        return str(self.value)


class ErrorCategory(_Word):
    """Why a calculator cannot go on. The values are those of ``contract.Verdict``."""

    INVALID_ARTIFACT = "invalid_artifact"
    LOAD_ERROR = "load_error"
    RUNTIME_ERROR = "runtime_error"
    OUT_OF_MEMORY_HOST = "out_of_memory_host"
    OUT_OF_MEMORY_GPU = "out_of_memory_gpu"


class Status(_Word):
    """What became of one structure of a batch."""

    OK = "ok"
    NONFINITE = "nonfinite"  # given by the trusted side alone
    UNSUPPORTED = "unsupported"
    ERROR = "error"


#: What can be asked, in the order of the payload, with the numbers per structure and per atom.
PROPERTY_SIZES: dict[str, tuple[int, int]] = {
    "energy": (1, 0),
    "forces": (0, 3),
    "stress": (6, 0),
    "magmoms": (0, 1),
    "energy_uncertainty": (1, 0),
}
REQUIRED_PROPERTIES = ("energy", "forces")


class WireError(Exception):
    """The other side broke the protocol; the message says how."""


class WireTimeout(Exception):
    """The other side did not speak (or listen) in time."""


class WireClosed(Exception):
    """The other side closed the connection."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """A structure to be judged.

    numbers (n_atoms,), positions (n_atoms, 3) in Å, cell (3, 3) in Å with rows as vectors,
    pbc (3,) bool. The charge is that of the whole structure in units of e, the spin its
    multiplicity 2S + 1.
    """

    numbers: IntArray
    positions: FloatArray
    cell: FloatArray
    pbc: NDArray[np.bool_]
    charge: int = 0
    spin: int = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """A calculator's answer: energy in eV, forces (n_atoms, 3) in eV/Å, stress (6,) in eV/Å³.

    Stress is in ASE's Voigt order xx yy zz yz xz xy and ASE's sign. Optional are stress, magnetic
    moments (n_atoms,) in μ_B, and the energy's uncertainty in eV.
    """

    energy: float
    forces: FloatArray
    stress: FloatArray | None = None
    magmoms: FloatArray | None = None
    energy_uncertainty: float | None = None


@dataclass(frozen=True, kw_only=True)
class StructureFailure:
    """What a calculator answers for a structure that it could not do."""

    status: Status
    message: str


Answer = Prediction | StructureFailure


@dataclass(frozen=True, kw_only=True)
class Info:
    """What a loaded potential says of itself; published as untrusted provenance."""

    name: str
    dtype: str
    device: str
    properties: tuple[str, ...] = ("energy", "forces", "stress")
    #: Chemical symbols the checkpoint can treat; None when it does not tell.
    elements: tuple[str, ...] | None = None
    n_parameters: int | None = None
    cutoff_A: float | None = None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One message: its kind, its header of plain values, its raw arrays."""

    kind: Kind
    header: dict[str, Any]
    payload: bytes | bytearray = b""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A batch as the calculator's side reads it."""

    request_id: int
    properties: tuple[str, ...]
    structures: list[Structure]


def deadline_in(seconds: float) -> float:
    """The moment on the monotonic clock that lies so many seconds ahead."""
    return time.monotonic() + seconds


# --- frames ---------------------------------------------------------------------------------


def send_frame(connection: socket.socket, frame: Frame, deadline: float | None = None) -> None:
    """Send one frame whole. Raises WireTimeout, WireClosed."""
    header = msgpack.packb(frame.header)
    prefix = PREFIX.pack(MAGIC, VERSION, frame.kind, 0, len(header), len(frame.payload))
    try:
        for part in (prefix + header, frame.payload):
            connection.settimeout(_remaining(deadline))
            connection.sendall(part)
    except TimeoutError as error:
        raise WireTimeout("the frame could not be sent in time") from error
    except OSError as error:
        raise WireClosed(f"the connection is closed ({error.strerror})") from error


def receive_frame(
    connection: socket.socket,
    expected: Mapping[Kind, int],
    deadline: float | None = None,
) -> Frame:
    """Receive one frame of the expected kinds; each maps to the payload length it must have.

    A negative length allows anything up to MAX_PAYLOAD_BYTES (for the side that trusts). The
    lengths are checked before a byte is read or memory taken for it, and the deadline is for
    the whole frame, so that a slow drip gains no time.

    Raises WireError, WireTimeout, WireClosed.
    """
    prefix = PREFIX.unpack(_receive(connection, PREFIX.size, deadline))
    magic, version, kind, reserved, n_header, n_payload = prefix
    if magic != MAGIC or reserved != 0:
        raise WireError("a frame does not begin as frames do")
    if version != VERSION:
        raise WireError(f"a frame has version {version}, not {VERSION}")
    if kind not in expected:
        wanted = " or ".join(wanted.name for wanted in expected)
        raise WireError(f"a frame of kind {kind} came where {wanted} was due")
    if n_header > MAX_HEADER_BYTES:
        raise WireError(f"a header of {n_header} bytes is longer than {MAX_HEADER_BYTES}")
    length = expected[Kind(kind)]
    if n_payload > MAX_PAYLOAD_BYTES or (length >= 0 and n_payload != length):
        raise WireError(f"a payload of {n_payload} bytes came where {length} were due")
    header = _unpack_header(_receive(connection, n_header, deadline))
    return Frame(kind=Kind(kind), header=header, payload=_receive(connection, n_payload, deadline))


def has_unread_bytes(connection: socket.socket) -> bool:
    """Whether the other side has sent something that nobody asked for."""
    connection.settimeout(0)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    except OSError:
        return False  # closed; the next receive says so


def _remaining(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise WireTimeout("the time is up")
    return remaining


def _receive(connection: socket.socket, length: int, deadline: float | None) -> bytearray:
    buffer = bytearray(length)
    view = memoryview(buffer)
    try:
        while view:
            connection.settimeout(_remaining(deadline))
            n_read = connection.recv_into(view, min(len(view), 1 << 20))
            if n_read == 0:
                raise WireClosed("the connection was closed")
            view = view[n_read:]
    except TimeoutError as error:
        raise WireTimeout("no answer came in time") from error
    except OSError as error:
        raise WireClosed(f"the connection is closed ({error.strerror})") from error
    return buffer


def _refuse_extension(code: int, data: bytes) -> Any:  # noqa: ANN401
    raise ValueError(f"extension type {code} is not allowed")


def _unpack_header(data: bytearray) -> dict[str, Any]:
    try:
        header = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            ext_hook=_refuse_extension,
            max_str_len=16 * MAX_MESSAGE_CHARS,
            max_bin_len=0,
            max_ext_len=0,
            max_array_len=MAX_STRUCTURES,
            max_map_len=256,
        )
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise WireError(f"a header cannot be read ({error})") from error
    if not isinstance(header, dict):
        raise WireError("a header is no map")
    return header


def take(header: Mapping[str, Any], **types: type | tuple[type, ...]) -> list[Any]:
    """The header's values in the order named; its keys must be exactly these, of these types.

    A bool is no int here. Raises WireError.
    """
    if set(header) != set(types):
        raise WireError(f"a header's fields are not {', '.join(types)}")
    for name, kind in types.items():
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if type(header[name]) not in kinds:
            raise WireError(f"the field {name} of a header has the wrong type")
    return [header[name] for name in types]


# --- batches --------------------------------------------------------------------------------


def ordered_properties(properties: Sequence[str]) -> tuple[str, ...]:
    """Energy, forces and whatever else is asked, in the payload's order. Raises ValueError."""
    wanted = {*REQUIRED_PROPERTIES, *properties}
    unknown = wanted - set(PROPERTY_SIZES)
    if unknown:
        raise ValueError(f"unknown properties: {', '.join(sorted(unknown))}")
    return tuple(name for name in PROPERTY_SIZES if name in wanted)


def calc_frame(
    request_id: int, structures: Sequence[Structure], properties: Sequence[str]
) -> Frame:
    """The frame that asks for a batch. Raises ValueError where it is too large or malformed."""
    counts = [len(structure.numbers) for structure in structures]
    if not 0 < len(counts) <= MAX_STRUCTURES or sum(counts) > MAX_ATOMS or min(counts) < 1:
        raise ValueError(
            f"a batch holds 1 to {MAX_STRUCTURES} structures of at least one atom, and at most "
            f"{MAX_ATOMS} atoms; this one has {len(counts)} and {sum(counts)}"
        )
    for n_atoms, structure in zip(counts, structures, strict=True):
        shapes = (structure.positions.shape, structure.cell.shape, structure.pbc.shape)
        if shapes != ((n_atoms, 3), (3, 3), (3,)):
            raise ValueError(f"a structure of {n_atoms} atoms has arrays of shapes {shapes}")
    payload = b"".join(
        [
            *(np.asarray(s.numbers, dtype="<i4").tobytes() for s in structures),
            *(np.asarray(s.positions, dtype="<f8").tobytes() for s in structures),
            *(np.asarray(s.cell, dtype="<f8").tobytes() for s in structures),
            *(np.asarray(s.pbc, dtype="u1").tobytes() for s in structures),
        ]
    )
    header = {
        "id": request_id,
        "properties": list(ordered_properties(properties)),
        "n_atoms": counts,
    }
    if any((structure.charge, structure.spin) != (0, 1) for structure in structures):
        header["charges"] = [structure.charge for structure in structures]
        header["spins"] = [structure.spin for structure in structures]
    return Frame(kind=Kind.CALC, header=header, payload=payload)


def read_calc(frame: Frame) -> Request:
    """The batch of a CALC frame. Raises WireError."""
    # Neutral batches say nothing of charges, so that they read as they always did.
    electronic = {name: frame.header.get(name) for name in ("charges", "spins")}
    header = {name: value for name, value in frame.header.items() if name not in electronic}
    request_id, properties, counts = take(header, id=int, properties=list, n_atoms=list)
    n_atoms, n = sum(counts), len(counts)
    charges = _whole_numbers(electronic["charges"], n, default=0)
    spins = _whole_numbers(electronic["spins"], n, default=1)
    if len(frame.payload) != n_atoms * _ATOM_BYTES + n * _STRUCTURE_BYTES:
        raise WireError("the payload of a CALC frame does not fit its header")
    split = np.cumsum(counts)[:-1]
    offsets = np.cumsum([0, 4 * n_atoms, 24 * n_atoms, 72 * n])
    view = frame.payload
    numbers = np.frombuffer(view, "<i4", n_atoms, int(offsets[0])).astype(np.int32)
    positions = np.frombuffer(view, "<f8", 3 * n_atoms, int(offsets[1])).astype(np.float64)
    cells = np.frombuffer(view, "<f8", 9 * n, int(offsets[2])).astype(np.float64)
    pbc = np.frombuffer(view, "u1", 3 * n, int(offsets[3])).astype(np.bool_)
    structures = [
        Structure(numbers=z, positions=r, cell=h, pbc=p, charge=charge, spin=spin)
        for z, r, h, p, charge, spin in zip(
            np.split(numbers, split),
            np.split(positions.reshape(n_atoms, 3), split),
            cells.reshape(n, 3, 3),
            pbc.reshape(n, 3),
            charges,
            spins,
            strict=True,
        )
    ]
    return Request(request_id=request_id, properties=tuple(properties), structures=structures)


def _whole_numbers(values: Any, n: int, *, default: int) -> list[int]:  # noqa: ANN401
    """One whole number for each structure; the default where none were sent. Raises WireError."""
    if values is None:
        return [default] * n
    if type(values) is not list or len(values) != n or any(type(v) is not int for v in values):
        raise WireError("charges and spins are one whole number for each structure")
    return values


def result_length(counts: Sequence[int], properties: Sequence[str]) -> int:
    """Bytes of the payload that answers a batch with these numbers of atoms."""
    sizes = [PROPERTY_SIZES[name] for name in properties]
    n_atoms, n = sum(counts), len(counts)
    return 8 * sum(per_structure * n + per_atom * n_atoms for per_structure, per_atom in sizes)


def result_frame(request: Request, answers: Sequence[Answer]) -> Frame:
    """The frame that answers a batch. Raises ValueError where an answer has a wrong shape."""
    parts: list[bytes] = []
    present = [0] * len(answers)
    for bit, name in enumerate(request.properties):
        for i, (structure, answer) in enumerate(zip(request.structures, answers, strict=True)):
            per_structure, per_atom = PROPERTY_SIZES[name]
            size = per_structure + per_atom * len(structure.numbers)
            value = getattr(answer, name, None)
            if value is None:
                parts.append(bytes(8 * size))
                continue
            array = np.asarray(value, dtype="<f8")
            if array.shape != property_shape(name, len(structure.numbers)):
                raise ValueError(f"{name} has the shape {array.shape}")
            present[i] |= 1 << bit
            parts.append(array.tobytes())
    failures = [answer if isinstance(answer, StructureFailure) else None for answer in answers]
    n_chars = min(MAX_MESSAGE_CHARS, 200_000 // len(answers))
    header = {
        "id": request.request_id,
        "status": [str(failure.status) if failure else str(Status.OK) for failure in failures],
        "messages": [failure.message[:n_chars] if failure else "" for failure in failures],
        "present": present,
    }
    return Frame(kind=Kind.RESULT, header=header, payload=b"".join(parts))


def property_shape(name: str, n_atoms: int) -> tuple[int, ...]:
    """The shape of a property of a structure with so many atoms."""
    per_structure, per_atom = PROPERTY_SIZES[name]
    if per_atom:
        return (n_atoms,) if per_atom == 1 else (n_atoms, per_atom)
    return () if per_structure == 1 else (per_structure,)
