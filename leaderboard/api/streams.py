"""Server-Sent Events of one evaluation: what the event table says, and progress in between.

A connection lasts settings.STREAM_S and then ends; the client comes back by itself with
``Last-Event-ID`` and misses nothing, since every event with an id is a row. Each connection keeps
one thread of its web process busy, so a process takes settings.STREAMS_PER_PROCESS of them, half of
them for one client, and tells the others to poll (503 with Retry-After).
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from uuid import UUID

from django.conf import settings

from leaderboard.models import Evaluation, Event
from leaderboard.models.disclosure import veiled_event

CONTENT_TYPE = "text/event-stream"
_POLL_S = 1.0
#: Proxies close a connection on which nothing comes for long.
_COMMENT_EVERY_S = 15.0

#: By client, how many streams of this process it has.
_taken: Counter[str] = Counter()
_lock = threading.Lock()


def take_place(client: str) -> bool:
    """Whether this process takes one more stream of a client; the stream gives its place back."""
    most = settings.STREAMS_PER_PROCESS
    with _lock:
        if _taken.total() >= most or _taken[client] >= (most + 1) // 2:
            return False
        _taken[client] += 1
    return True


def _give_back(client: str) -> None:
    with _lock:
        _taken[client] -= 1
        if not _taken[client]:
            del _taken[client]


class EventStream:
    """The body of the answer. ``close`` is called by the server however the connection ends."""

    def __init__(
        self, evaluation_id: UUID, after: int, *, shows_details: bool, client: str
    ) -> None:
        self._id, self._after, self._shows_details = evaluation_id, after, shows_details
        self._client = client
        self._is_closed = False
        self._blocks = self._produce()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._blocks)

    def close(self) -> None:
        self._blocks.close()
        if not self._is_closed:
            self._is_closed = True
            _give_back(self._client)

    def _produce(self) -> Generator[bytes, None, None]:
        yield b"retry: 2000\n\n"
        end = time.monotonic() + settings.STREAM_S
        told_at, progress = time.monotonic(), ""
        while True:
            row = Evaluation.objects.only(
                "state", "phase", "progress_done", "progress_total", "progress_calls"
            ).get(pk=self._id)
            blocks = [self._block(event) for event in self._news()]
            now = _progress(row, shows_details=self._shows_details)
            if now != progress and not row.has_ended:
                progress = now
                blocks.append(f"event: progress\ndata: {now}\n\n")
            if blocks:
                told_at = time.monotonic()
                yield "".join(blocks).encode()
            elif time.monotonic() - told_at > _COMMENT_EVERY_S:
                told_at = time.monotonic()
                yield b": still here\n\n"
            # An evaluation that had ended before its events were read has told all of them.
            if row.has_ended or time.monotonic() >= end:
                return
            time.sleep(_POLL_S)

    def _news(self) -> list[Event]:
        events = list(Event.objects.filter(evaluation=self._id, pk__gt=self._after).order_by("pk"))
        if events:
            self._after = events[-1].pk
        return events

    def _block(self, event: Event) -> str:
        shown = event if self._shows_details else veiled_event(event)
        data = json.dumps({"at": shown.at.isoformat(), **shown.data})
        return f"id: {event.pk}\nevent: {event.kind}\ndata: {data}\n\n"


def _progress(row: Evaluation, *, shows_details: bool) -> str:
    progress: dict[str, object] = {"state": row.state, "phase": row.phase}
    if shows_details:
        progress |= {
            "done": row.progress_done,
            "total": row.progress_total,
            "calls": row.progress_calls,
        }
    return json.dumps(progress)
