"""Drains what a calculator writes to its standard output and error.

Threads read both pipes to their end, so that a calculator never blocks on a full pipe, and keep
the beginning and the end of each, so that a flood fills no memory of ours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import BinaryIO

from evaluator.sandbox.text import clean_text

#: Kept of each stream: the beginning, where a load complains, and the end, where a crash does.
HEAD_BYTES = 16 * 1024
TAIL_BYTES = 48 * 1024
#: A calculator that writes more than this to one stream is ended. Progress bars stay far below.
MAX_FLOOD_BYTES = 16 * 1024 * 1024


class OutputDrain:
    """Reads two pipes in the background; calls ``on_flood`` once if either is flooded."""

    def __init__(self, stdout: BinaryIO, stderr: BinaryIO, on_flood: Callable[[], None]) -> None:
        self._stdout = _Stream(stdout, on_flood)
        self._stderr = _Stream(stderr, on_flood)

    @property
    def stdout(self) -> str:
        return self._stdout.text()

    @property
    def stderr(self) -> str:
        return self._stderr.text()

    @property
    def is_flood(self) -> bool:
        return self._stdout.is_flood or self._stderr.is_flood

    def finish(self) -> None:
        """After the process has ended: read the rest."""
        self._stdout.finish()
        self._stderr.finish()


class _Stream:
    def __init__(self, pipe: BinaryIO, on_flood: Callable[[], None]) -> None:
        self._pipe, self._on_flood = pipe, on_flood
        self._lock = threading.Lock()
        self._head, self._tail = bytearray(), bytearray()
        self._n_bytes = 0
        self.is_flood = False
        self._thread = threading.Thread(target=self._drain, name="output-drain", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        while chunk := self._pipe.read1(65_536):  # type: ignore[attr-defined]
            with self._lock:
                self._keep(chunk)
            if self._n_bytes > MAX_FLOOD_BYTES and not self.is_flood:
                self.is_flood = True
                self._on_flood()
        self._pipe.close()

    def _keep(self, chunk: bytes) -> None:
        self._n_bytes += len(chunk)
        room = HEAD_BYTES - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        del self._tail[:-TAIL_BYTES]

    def text(self) -> str:
        with self._lock:
            head, tail = bytes(self._head), bytes(self._tail)
            n_left_out = self._n_bytes - len(head) - len(tail)
        if n_left_out == 0:
            return clean_text((head + tail).decode(errors="replace"))
        texts = [clean_text(part.decode(errors="replace")) for part in (head, tail)]
        return f"\n[... {n_left_out} bytes left out ...]\n".join(texts)

    def finish(self) -> None:
        self._thread.join(5.0)
