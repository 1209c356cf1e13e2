"""Parameters of an address: the good ones are kept, each bad one is told in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.http import QueryDict

_MAX_TEXT = 100
_MAX_COMPLAINTS = 5
_Value = TypeVar("_Value")


class QueryReader:
    """Takes parameters out of a query string and notes what is wrong with them."""

    def __init__(self, query: QueryDict) -> None:
        self._query = query
        self.complaints: list[str] = []
        self.given: dict[str, str] = {}

    def read(self, name: str, convert: Callable[[str], _Value], default: _Value) -> _Value:
        text = self._query.get(name, "").strip()
        if not text:
            return default
        try:
            if "\0" in text:
                raise ValueError("must not hold the character of code zero.")
            value = convert(text)
        except ValueError as error:
            self.complaints.append(f"{name}={text[:40]!r}: {error}")
            return default
        self.given[name] = _written(value, text)
        return value

    def few_complaints(self) -> list[str]:
        more = len(self.complaints) - _MAX_COMPLAINTS
        rest = [f"And {more} more."] if more > 0 else []
        return self.complaints[:_MAX_COMPLAINTS] + rest


def short_text(text: str) -> str:
    if len(text) > _MAX_TEXT:
        raise ValueError(f"must not be longer than {_MAX_TEXT} characters.")
    return text


def _written(value: object, text: str) -> str:
    """Write a value as the API reads it: Si,O and 5000000, whatever the reader typed."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, int):
        return str(value)
    return ",".join(value) if isinstance(value, tuple) else text
