"""The loop that runs inside the sandbox: ``python -m evaluator.calculators.server FD``.

It answers the driver over an inherited socket. Standard output and error are pipes of their own,
so that whatever a submission prints cannot reach the wire.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from evaluator import wire
from evaluator.calculators.base import (
    Adapter,
    InvalidArtifact,
    LoadError,
    LoadRequest,
    UnsupportedStructure,
)
from evaluator.calculators.leaving import (
    LEAVING,
    NO_NETWORK,
    how_it_left,
    place_of,
    wants_network,
    words_of,
    write_to_stderr,
)
from evaluator.calculators.memory import (
    empty_cache,
    is_gpu_out_of_memory,
    is_host_out_of_memory,
    is_out_of_memory,
)
from evaluator.calculators.registry import make_adapter
from evaluator.wire import (
    Answer,
    ErrorCategory,
    Frame,
    Kind,
    Prediction,
    Request,
    Status,
    Structure,
    StructureFailure,
)

#: Kinds and places of errors that were printed: a process serves one potential.
_PRINTED: set[tuple[str, str]] = set()


def main(arguments: Sequence[str]) -> int:
    """Serve one driver until it says goodbye or goes away; the argument is the socket's number."""
    connection = socket.socket(fileno=int(arguments[0]))
    connection.set_inheritable(False)
    try:
        wire.send_frame(connection, Frame(kind=Kind.HELLO, header={"version": wire.VERSION}))
        adapter = _load(connection)
        if adapter is not None:
            _serve(connection, adapter)
    except wire.WireClosed:
        pass  # the driver is gone; nobody is left to be told
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    # Threads that a submission left behind must not keep the process.
    os._exit(0)


def _load(connection: socket.socket) -> Adapter | None:
    header = wire.receive_frame(connection, {Kind.LOAD: 0}).header
    kind, artifact, settings, dtype, device, n_threads = wire.take(
        header, kind=str, artifact=str, settings=dict, dtype=str, device=str, n_threads=int
    )
    request = LoadRequest(
        artifact=Path(artifact),
        settings=settings,
        dtype=dtype,
        device=device,
        n_threads=n_threads,
    )
    try:
        adapter = make_adapter(kind)
        _set_threads(n_threads)
        info = adapter.load(request)
    except LEAVING as error:
        _send_error(connection, _category(error, while_loading=True), error)
        return None
    fields = {**asdict(info), "properties": list(info.properties)}
    fields["elements"] = None if info.elements is None else list(info.elements)
    wire.send_frame(connection, Frame(kind=Kind.READY, header=fields))
    return adapter


def _set_threads(n_threads: int) -> None:
    """Hold torch to its threads, where an adapter has imported it; others read the environment."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(n_threads)


def _serve(connection: socket.socket, adapter: Adapter) -> None:
    while True:
        frame = wire.receive_frame(connection, {Kind.CALC: -1, Kind.BYE: 0})
        if frame.kind is Kind.BYE:
            return
        request = wire.read_calc(frame)
        try:
            reply = wire.result_frame(request, _answers(adapter, request))
        except LEAVING as error:
            _send_error(connection, _category(error, while_loading=False), error)
            return
        wire.send_frame(connection, reply)


def _answers(adapter: Adapter, request: Request) -> list[Answer]:
    answers: list[Answer] = []
    for batch in _batches(adapter, request.structures):
        answers += _compute(adapter, batch, request.properties)
    return answers


def _batches(adapter: Adapter, structures: Sequence[Structure]) -> Iterator[list[Structure]]:
    """Runs of neighbouring structures that the adapter takes in one pass."""
    batch: list[Structure] = []
    n_atoms = 0
    for structure in structures:
        n = len(structure.numbers)
        is_full = len(batch) >= adapter.max_batch_structures
        if batch and (is_full or n_atoms + n > adapter.max_batch_atoms):
            yield batch
            batch, n_atoms = [], 0
        batch.append(structure)
        n_atoms += n
    if batch:
        yield batch


def _compute(adapter: Adapter, batch: list[Structure], properties: Sequence[str]) -> list[Answer]:
    """Answer a batch; halve it where memory runs out or one of its structures fails."""
    try:
        predictions = adapter.compute(batch, properties)
        if len(predictions) != len(batch):
            raise RuntimeError(f"{len(predictions)} answers came for {len(batch)} structures")
        return [_checked(p, s) for p, s in zip(predictions, batch, strict=True)]
    except UnsupportedStructure as error:
        failure = StructureFailure(status=Status.UNSUPPORTED, message=_text(error))
    except LEAVING as error:
        out_of_memory = is_out_of_memory(error)
        if out_of_memory and len(batch) == 1:
            raise
        if out_of_memory:
            empty_cache()
            adapter.max_batch_structures = max(1, len(batch) // 2)
        else:
            _print_traceback(error)
        failure = StructureFailure(status=Status.ERROR, message=_text(error))
    if len(batch) == 1:
        return [failure]
    middle = len(batch) // 2
    first = _compute(adapter, batch[:middle], properties)
    return first + _compute(adapter, batch[middle:], properties)


def _print_traceback(error: BaseException) -> None:
    """Whole the first time; of what fails alike at many structures, a line each after that."""
    key = type(error).__name__, place_of(error)
    if key in _PRINTED:
        write_to_stderr(f"{_text(error)[:200]} (in {key[1]}, as before)\n")
        return
    _PRINTED.add(key)
    write_to_stderr("".join(traceback.format_exception(error)))


def _checked(prediction: Prediction, structure: Structure) -> Answer:
    """The prediction, or a failure where an array of it has a wrong shape."""
    for name in wire.PROPERTY_SIZES:
        value = getattr(prediction, name)
        wanted = wire.property_shape(name, len(structure.numbers))
        shape = getattr(value, "shape", ())
        if value is not None and shape != wanted:
            message = f"The calculator's {name} has the shape {shape}, not {wanted}."
            return StructureFailure(status=Status.ERROR, message=message)
    return prediction


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it was raised from: adapters wrap what they catch."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _category(error: BaseException, *, while_loading: bool) -> ErrorCategory:
    causes = list(_causes(error))
    if any(is_gpu_out_of_memory(cause) for cause in causes):
        return ErrorCategory.OUT_OF_MEMORY_GPU
    if any(is_host_out_of_memory(cause) for cause in causes):
        return ErrorCategory.OUT_OF_MEMORY_HOST
    if isinstance(error, InvalidArtifact):
        return ErrorCategory.INVALID_ARTIFACT
    if while_loading:
        return ErrorCategory.LOAD_ERROR
    return ErrorCategory.RUNTIME_ERROR


def _text(error: BaseException) -> str:
    """The error's own words, with its type unless the words are an adapter's sentence."""
    words = words_of(error)[: wire.MAX_MESSAGE_CHARS]
    if isinstance(error, LoadError | UnsupportedStructure):
        return words
    if isinstance(error, SystemExit):
        return f"the calculator {how_it_left(error)}"
    if wants_network(error):
        return f"{NO_NETWORK} ({type(error).__name__}: {words})"
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _send_error(connection: socket.socket, category: ErrorCategory, error: BaseException) -> None:
    if not isinstance(error, LoadError):
        write_to_stderr("".join(traceback.format_exception(error)))
    header = {"category": str(category), "message": _text(error)}
    wire.send_frame(connection, Frame(kind=Kind.ERROR, header=header))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
