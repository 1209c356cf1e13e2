"""An evaluation's summary, made ready for a page: single numbers, groups of them, and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leaderboard.charts.families import DRAWN_ONLY

#: Longer tables are for the API.
MAX_ROWS = 120


@dataclass(frozen=True, kw_only=True)
class Table:
    name: str
    columns: list[str]
    #: One row each, in the order of ``columns``.
    rows: list[list[Any]]
    n_left_out: int = 0


@dataclass(frozen=True, kw_only=True)
class Summary:
    facts: dict[str, Any] = field(default_factory=dict)
    #: Numbers that belong together, by what they are of.
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)


def summary_parts(protocol: str, summary: Mapping[str, Any]) -> Summary:
    """Sort a summary's entries by their shape; what a chart shows in full is left to it."""
    parts = Summary()
    for name, value in summary.items():
        if name not in DRAWN_ONLY.get(protocol, ()):
            _add(parts, name, value)
    return parts


def _add(parts: Summary, name: str, value: Any) -> None:  # noqa: ANN401  (any JSON value)
    if _is_rows(value):
        parts.tables.append(_table(name, value))
    elif isinstance(value, Mapping) and value and _is_rows(list(value.values())):
        rows = [{"of": key, **item} for key, item in value.items()]
        parts.tables.append(_table(name, rows))
    elif isinstance(value, Mapping):
        inner = {k: v for k, v in value.items() if not _is_rows(v)}
        if inner:
            parts.groups[name] = inner
        for key in value.keys() - inner.keys():
            _add(parts, f"{name}: {key}", value[key])
    else:
        parts.facts[name] = value


def _is_rows(value: Any) -> bool:  # noqa: ANN401  (any JSON value)
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, Mapping) and _is_flat(item) for item in value)
    )


def _is_flat(row: Mapping[str, Any]) -> bool:
    return not any(isinstance(item, Mapping) for item in row.values())


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return Table(
        name=name,
        columns=columns,
        rows=[[row.get(column) for column in columns] for row in rows[:MAX_ROWS]],
        n_left_out=max(0, len(rows) - MAX_ROWS),
    )
