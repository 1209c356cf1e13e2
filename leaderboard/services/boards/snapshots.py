"""What is computed once and read many times: boards, and what is found out about them.

A value is packed into one row of PostgreSQL with a stamp of all that it was made of, and kept as it
is in each process. Every reader compares the stamp with the present one, so no process ever gives
what is out of date, and none computes what another has computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from django.db import connection, transaction
from django.utils import timezone

from leaderboard import models
from leaderboard.lib.memory import Remembered
from leaderboard.services.boards.packing import packed, unpacked

_Value = TypeVar("_Value")

#: Of what is packed. Another one has rows of its own: no release reads those of another.
_FORMAT = 3
#: What nobody has made anew for so long is of a board that is gone, or is computed once more.
_KEPT_FOR = timedelta(days=30)


def _as_it_is(value: Any) -> Any:  # noqa: ANN401  (whatever can be packed)
    return value


@dataclass(frozen=True, kw_only=True)
class Snapshot(Generic[_Value]):
    """A value that is good while its stamp is the present one."""

    #: Names it among all of them.
    key: str
    #: What this process keeps of its kind.
    memory: Remembered
    #: Tells what it would be made of now; the same always means the same value.
    stamp: Callable[[], str]
    #: Computes it for a stamp that was read before: from rows that are never older.
    compute: Callable[[str], _Value]
    #: The value in what ``packing`` takes, and back, for its stamp.
    to_plain: Callable[[_Value], Any] = _as_it_is
    from_plain: Callable[[str, Any], _Value] = lambda _, plain: plain

    def value(self) -> _Value:
        """Ask for the stamp alone where this process knows the value, for it where another does."""
        stamp = self.stamp()
        known: tuple[str, _Value] | None = self.memory.get(self.key)
        if known is None or known[0] != stamp:
            known = self._stored(stamp) or self._computed_alone()
            self.memory.put(self.key, known)
        return known[1]

    def store(self, stamp: str, value: _Value) -> None:
        row = models.Snapshot(key=self._name, stamp=stamp, content=packed(self.to_plain(value)))
        fields = ("stamp", "content", "made_at")
        models.Snapshot.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["key"], update_fields=fields
        )
        self.memory.put(self.key, (stamp, value))

    def last(self) -> _Value | None:
        """Give what is stored, of whatever stamp; for values that others are found from."""
        row = self._read("SELECT stamp, content FROM leaderboard_snapshot WHERE key = %s")
        return None if row is None else self._unpacked(*row)[1]

    @property
    def _name(self) -> str:
        return f"{_FORMAT}: {self.key}"

    def _stored(self, stamp: str) -> tuple[str, _Value] | None:
        query = "SELECT stamp, content FROM leaderboard_snapshot WHERE key = %s AND stamp = %s"
        row = self._read(query, stamp)
        return None if row is None else self._unpacked(*row)

    def _unpacked(self, stamp: str, content: bytes) -> tuple[str, _Value]:
        return stamp, self.from_plain(stamp, unpacked(content))

    def _read(self, query: str, *stamp: str) -> tuple[str, bytes] | None:
        """Copy the row as it is kept: as text, megabytes take six times as long."""
        with connection.cursor() as cursor:
            selected = cursor.mogrify(query, [self._name, *stamp])
            with cursor.copy(f"COPY ({selected}) TO STDOUT (FORMAT BINARY)") as copied:
                copied.set_types(["varchar", "bytea"])
                rows = list(copied.rows())
        return (rows[0][0], rows[0][1]) if rows else None

    def _computed_alone(self) -> tuple[str, _Value]:
        """Compute and store it, while other processes that need it wait for the result."""
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [self._name]
                )
            stamp = self.stamp()
            stored = self._stored(stamp)
            if stored is not None:
                return stored
            value = self.compute(stamp)
            self.store(stamp, value)
        return stamp, value


def forget_old_snapshots() -> int:
    old = models.Snapshot.objects.filter(made_at__lt=timezone.now() - _KEPT_FOR)
    return int(old.delete()[0])
