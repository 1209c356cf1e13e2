"""Rows in PostgreSQL's binary format: long values are twice as long as text, and slow to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet


def binary_rows(rows: QuerySet[Any, Any], types: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of a ``values_list``, one query. ``types`` name PostgreSQL's types of its columns;
    a column that is called "bytea" comes as the bytes that the server keeps of it.
    """
    try:
        query, parameters = rows.query.sql_with_params()
    except EmptyResultSet:  # "in" an empty list: no row can match
        return
    with connection.cursor() as cursor:
        selected = cursor.mogrify(query, parameters)
        with cursor.copy(f"COPY ({selected}) TO STDOUT (FORMAT BINARY)") as copied:
            copied.set_types(types)
            yield from copied.rows()


def binary_value(rows: QuerySet[Any, Any]) -> bytes | None:
    """Of the one row and the one ``bytea`` column of a ``values_list``; None without a row."""
    values = [value for (value,) in binary_rows(rows, ["bytea"])]
    return values[0] if values else None
