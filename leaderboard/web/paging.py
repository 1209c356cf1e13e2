"""Long tables in pages; which one stands in the address, as on the leaderboard."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

from django.http import QueryDict

ALL = "all"
ROWS = 50
_Row = TypeVar("_Row")


def page_number(text: str) -> int | None:
    """From one, None for all rows; ValueError says what is wrong."""
    if text == ALL:
        return None
    if not text.isdecimal() or not 1 <= int(text[:9]) <= 10**6:
        raise ValueError("must be a whole number from 1, or all.")
    return int(text[:9])


@dataclass(frozen=True, kw_only=True)
class Page(Generic[_Row]):
    rows: Sequence[_Row]
    #: Of all pages.
    n_rows: int
    #: From one; None for all rows.
    number: int | None
    n_pages: int
    #: Addresses; empty where there is no such page.
    previous: str = ""
    next: str = ""
    everything: str = ""
    in_pages: str = ""
    #: What was wrong with the address, one sentence.
    complaint: str = ""


def page_of(
    rows: Sequence[_Row],
    query: QueryDict,
    kept: Iterable[str] = (),
    *,
    most: int = 2000,
    fragment: str = "",
) -> Page[_Row]:
    """The page that is asked for, the nearest one where there are not so many; with all rows asked
    for, so many at ``most``. ``kept`` are the names of the query that other pages keep.
    """
    complaint, number = "", 1
    text = query.get("page", "").strip()
    try:
        asked = page_number(text) if text else 1
    except ValueError as error:
        complaint, asked = f"page={text[:40]!r}: {error}", 1
    pairs = [(name, value) for name in kept for value in query.getlist(name) if value]

    def address(page: str) -> str:
        found = urlencode([*pairs, *([("page", page)] if page else [])])
        return f"?{found}{fragment}"

    n_pages = max(1, math.ceil(len(rows) / ROWS))
    if asked is None:
        return Page(
            rows=rows[:most],
            n_rows=len(rows),
            number=None,
            n_pages=n_pages,
            in_pages=address(""),
        )
    number = min(asked, n_pages)
    return Page(
        rows=rows[ROWS * (number - 1) : ROWS * number],
        n_rows=len(rows),
        number=number,
        n_pages=n_pages,
        previous=address("" if number == 2 else str(number - 1)) if number > 1 else "",
        next=address(str(number + 1)) if number < n_pages else "",
        everything=address(ALL) if n_pages > 1 else "",
        complaint=complaint,
    )
