"""What passes between the worker and the driver's process: framed msgpack, never a pickle.

From the driver: ``lock``, ``progress``, ``file``, ``finished``, and last ``report`` or ``fault``.
From the worker: ``kept`` for each system that need not be simulated again, ``start``, then
``locked``, ``stop``. A message is a name and a map.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Any

import msgpack

_LENGTH = struct.Struct(">Q")
#: A finished system, or a report with the records of all systems.
MAX_MESSAGE_BYTES = 256 << 20
#: Of a finished system, which passes here with its name and origin.
MAX_SYSTEM_BYTES = MAX_MESSAGE_BYTES - (1 << 20)


class MessageError(Exception):
    """The other side sent what is no message."""


class Channel:
    """One end. Messages may be sent from any thread, and are received by one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, name: str, **content: Any) -> None:  # noqa: ANN401  (msgpack's types)
        """Raises OSError where the other side is gone."""
        body = msgpack.packb([name, content])
        with self._lock:
            self._connection.sendall(_LENGTH.pack(len(body)))
            self._connection.sendall(body)

    def receive(self) -> tuple[str, dict[str, Any]] | None:
        """The next message; None at the end. Raises MessageError."""
        prefix = self._read(_LENGTH.size)
        if prefix is None:
            return None
        (length,) = _LENGTH.unpack(prefix)
        if length > MAX_MESSAGE_BYTES:
            raise MessageError(f"a message of {length} bytes")
        body = self._read(length)
        if body is None:
            return None
        try:
            name, content = msgpack.unpackb(body, strict_map_key=True)
        except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
            raise MessageError(f"a message cannot be read ({type(error).__name__})") from error
        if not isinstance(name, str) or not isinstance(content, dict):
            raise MessageError("a message is no name with a map")
        return name, content

    def give_up_after(self, timeout_s: float) -> None:
        """Let ``send`` raise BlockingIOError where the other side reads nothing for so long."""
        seconds = int(timeout_s)
        timeval = struct.pack("@ll", seconds, int((timeout_s - seconds) * 1e6))
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)

    def hang_up(self) -> None:
        """End the conversation for both sides, also for a thread that waits in ``receive``."""
        with suppress(OSError):  # the other side has
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()

    def _read(self, n_bytes: int) -> bytes | None:
        parts = []
        while n_bytes:
            try:
                part = self._connection.recv(min(n_bytes, 1 << 20))
            except OSError:
                return None
            if not part:
                return None
            parts.append(part)
            n_bytes -= len(part)
        return b"".join(parts)
