"""Drains what a calculator writes to its standard output and error.

Threads read both pipes to their end, so that a calculator never blocks on a full pipe, and keep
the beginning and the end of each: however much it writes, and whatever bytes, it takes no more of
our memory and ends nothing. What comes faster than any log is read at a bounded rate, so that a
flood takes its own time and not that of the evaluation.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from typing import BinaryIO

from evaluator.sandbox.text import clean_text

#: Kept of each stream: the beginning, where a load complains, and the end, where a crash does.
HEAD_BYTES = 16 * 1024
TAIL_BYTES = 48 * 1024
#: Beyond this the rate is bounded. Progress bars stay far below.
FREE_BYTES = 16 << 20
MAX_BYTES_PER_S = 256 << 20
#: Read at once, and the size of the pipe where the kernel gives it: few turns, few locks.
_CHUNK_BYTES = 1 << 20


class OutputDrain:
    """Reads two pipes in the background."""

    def __init__(self, stdout: BinaryIO, stderr: BinaryIO) -> None:
        self._stdout, self._stderr = _Stream(stdout), _Stream(stderr)

    @property
    def stdout(self) -> str:
        return self._stdout.text()

    @property
    def stderr(self) -> str:
        return self._stderr.text()

    def finish(self) -> None:
        """After the process has ended: read the rest."""
        self._stdout.finish()
        self._stderr.finish()


class _Stream:
    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self._head, self._tail = bytearray(), bytearray()
        self._n_bytes = 0
        _enlarge(pipe)
        self._thread = threading.Thread(target=self._drain, name="output-drain", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        # One buffer for all that comes: a flood must not make the memory's allocator work, too.
        buffer = bytearray(_CHUNK_BYTES)
        view = memoryview(buffer)
        while n_read := os.readv(self._pipe.fileno(), [buffer]):
            with self._lock:
                self._keep(view[:n_read])
            if self._n_bytes > FREE_BYTES:
                time.sleep(n_read / MAX_BYTES_PER_S)
        self._pipe.close()

    def _keep(self, chunk: memoryview) -> None:
        self._n_bytes += len(chunk)
        room = HEAD_BYTES - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:][-TAIL_BYTES:]
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


def _enlarge(pipe: BinaryIO) -> None:
    # What a user may take is bounded; a smaller pipe serves as well, in more turns.
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _CHUNK_BYTES)
