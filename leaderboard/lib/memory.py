"""What a process keeps in memory of what it computed last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

from cachetools import LRUCache

_Value = TypeVar("_Value")
_NOTHING = object()


class Remembered:
    """The values that were used last, for the threads of a process."""

    def __init__(self, size: int) -> None:
        self._values: LRUCache[Hashable, Any] = LRUCache(size)
        self._lock = threading.Lock()  # a cache of cachetools wants one where threads share it

    def get(self, key: Hashable) -> Any:  # noqa: ANN401  (whatever was put there)
        with self._lock:
            return self._values.get(key)

    def put(self, key: Hashable, value: _Value) -> _Value:
        with self._lock:
            self._values[key] = value
        return value

    def value(self, key: Hashable, compute: Callable[[], _Value]) -> _Value:
        """Give what is there, or compute it and put it there."""
        with self._lock:
            value = self._values.get(key, _NOTHING)
        return self.put(key, compute()) if value is _NOTHING else cast(_Value, value)

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


_of_process: list[Remembered] = []


def of_process(size: int) -> Remembered:
    """What a module keeps as long as the process lives."""
    _of_process.append(Remembered(size))
    return _of_process[-1]


def forget() -> None:
    """Begin as a new process does."""
    for kept in _of_process:
        kept.clear()
