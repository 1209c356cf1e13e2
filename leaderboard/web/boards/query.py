"""What a reader asked of a board, read from the address; all of it is in the address.

Parameters of rows are named as in the API, so that a page's address tells how to download the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.safestring import SafeString

from leaderboard.exceptions import SubmissionError
from leaderboard.lib.moments import past_moment
from leaderboard.services.boards.chemistry import Chemistry, read_chemistry
from leaderboard.services.boards.filters import (
    BoardFilter,
    read_count,
    read_elements,
    read_yes_or_no,
)
from leaderboard.services.boards.rules import WEIGHT_PREFIX, weights_from_query
from leaderboard.web.paging import page_number
from leaderboard.web.query_reader import QueryReader, short_text

#: Columns that tell about a potential, in their order.
COLUMNS = {
    "architecture": "Architecture",
    "parameters": "Parameters",
    "training": "Training sets",
    "theory": "Level of theory",
    "licence": "Licence",
    "speed": "Speed",
    "memory": "Memory",
    "date": "Published",
}
SHOWN_AT_FIRST = ("architecture", "parameters", "theory", "licence")
#: Texts that rows are filtered by; the longest ones that are read.
TEXTS = ("text", "level_of_theory", "training_set", "licence", "architecture", "team", "hardware")
RANK, NAME = "rank", "name"

_FIRST: int | None = 1
_ASCENDING = SafeString(' aria-sort="ascending"')
_DESCENDING = SafeString(' aria-sort="descending"')
_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True)
class BoardQuery:
    #: One sentence for each parameter that was bad, and was left out.
    complaints: list[str] = field(default_factory=list)
    #: Parameters that are good, as they stand in an address.
    given: dict[str, str] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    category: str = ""
    #: Systems that everybody is judged on; None for all of them.
    chemistry: Chemistry | None = None
    wanted: BoardFilter = field(default_factory=BoardFilter)
    shown: Sequence[str] = SHOWN_AT_FIRST
    sort: str = RANK
    is_reversed: bool = False
    as_of: datetime | None = None
    since: datetime | None = None
    #: Number of the page, from one; None for all rows.
    page: int | None = 1

    @property
    def is_filtered(self) -> bool:
        return self.wanted != BoardFilter()

    @property
    def own_address(self) -> str:
        """The page as it is, without what could not be read."""
        return _address(self.given)

    def address(self, **changes: str) -> str:
        """The page with something else changed; an empty value takes a parameter out.

        Other rows or another order begin on the first page again.
        """
        parameters = {name: text for name, text in self.given.items() if name != "page"}
        return _address(parameters | changes)

    def within(self, task_slugs: Iterable[str], categories: Mapping[str, float]) -> BoardQuery:
        """The query of a board that lacks some tasks: what was asked of them is told or left out.

        Weights of categories that are gone go without a word: the form sends those of all.
        """
        if not categories:
            return replace(self, weights={}, category="", sort=RANK)
        complaints, category, sort = list(self.complaints), self.category, self.sort
        weights = {name: w for name, w in self.weights.items() if name in categories}
        if category and category not in categories:
            complaints.append(f"category={category!r}: none of its tasks is judged here.")
            category = ""
        if not any({**categories, **weights}.values()):
            complaints.append("Of the tasks that are judged here none has a weight above zero.")
            weights = {}
        if sort not in {RANK, NAME, *COLUMNS, *task_slugs}:
            sort = RANK
        return replace(self, complaints=complaints, category=category, sort=sort, weights=weights)

    def api_query(self) -> str:
        """What asks the API for these rows and weights, for downloads."""
        names = {*TEXTS, *_FILTERS, "category", "as_of", "chemistry"}
        return urlencode(
            [(n, t) for n, t in self.given.items() if n in names or n.startswith(WEIGHT_PREFIX)]
        )


def sort_link(query: BoardQuery, name: str) -> str:
    """Sorted by this; the other way round where it is sorted by this already."""
    is_again = query.sort == name and not query.is_reversed
    sort = f"-{name}" if is_again else name
    return query.address(sort="" if sort == RANK else sort)


def board_sort(query: BoardQuery, name: str) -> str:
    if query.sort != name:
        return ""
    counts_up = name == NAME or name in COLUMNS
    return _ASCENDING if counts_up != query.is_reversed else _DESCENDING


def read_board_query(
    query: QueryDict, task_slugs: Iterable[str], categories: Mapping[str, float]
) -> BoardQuery:
    """Every bad parameter is told and left out; unknown ones belong to somebody else.

    ``categories`` are those of the board, with their own weights.
    """
    reader = QueryReader(query)
    weights = _weights(query, reader, categories)
    wanted = BoardFilter(
        elements=reader.read("elements", read_elements, ()),
        open_weights=reader.read("open_weights", read_yes_or_no, None),
        conservative=reader.read("conservative", read_yes_or_no, None),
        min_parameters=reader.read("min_parameters", read_count, None),
        max_parameters=reader.read("max_parameters", read_count, None),
        **{name: reader.read(name, short_text, "") for name in TEXTS},
    )
    sort = reader.read("sort", _one_of({RANK, NAME, *COLUMNS, *task_slugs}), RANK)
    as_of = reader.read("as_of", past_moment, None)
    since = reader.read("since", past_moment, None)
    if since and as_of and since > as_of:
        reader.complaints.append("since: must not be later than as_of.")
        since = None
    return BoardQuery(
        weights=weights,
        category=reader.read("category", _one_of(set(categories)), ""),
        chemistry=reader.read("chemistry", read_chemistry, None),
        wanted=wanted,
        shown=_shown(query, reader),
        sort=sort.removeprefix("-"),
        is_reversed=sort.startswith("-"),
        as_of=as_of,
        since=since,
        page=reader.read("page", page_number, _FIRST),
        given=reader.given,
        complaints=reader.few_complaints(),
    )


def _weights(
    query: QueryDict, reader: QueryReader, categories: Mapping[str, float]
) -> dict[str, float]:
    named = {n: t for n, t in query.dict().items() if str(n).startswith(WEIGHT_PREFIX)}
    try:
        weights = weights_from_query({str(n): str(t) for n, t in named.items()})
        if unknown := sorted(set(weights) - set(categories)):
            raise SubmissionError(
                f"There is no category {unknown[0][:64]!r}; there are {', '.join(categories)}."
            )
        if categories and not any({**categories, **weights}.values()):
            raise SubmissionError("At least one category must have a weight above zero.")
    except SubmissionError as error:
        reader.complaints += list(error.errors.values()) or [str(error)]
        return {}
    weights = {name: w for name, w in weights.items() if w != categories[name]}
    reader.given |= {f"{WEIGHT_PREFIX}{name}": f"{weight:g}" for name, weight in weights.items()}
    return weights


def _shown(query: QueryDict, reader: QueryReader) -> Sequence[str]:
    """Empty ``show`` alone hides all; none at all shows the usual ones."""
    if "show" not in query:
        return SHOWN_AT_FIRST
    asked = set(query.getlist("show")[: 4 * len(COLUMNS)])
    if unknown := sorted(asked - {"", "none", *COLUMNS}):
        reader.complaints.append(
            f"show={unknown[0][:40]!r}: must be one of {', '.join(COLUMNS)}, or none."
        )
        return SHOWN_AT_FIRST
    shown = [name for name in COLUMNS if name in asked]
    if shown == list(SHOWN_AT_FIRST):
        return SHOWN_AT_FIRST
    reader.given["show"] = ",".join(shown) or "none"
    return shown


def _address(given: Mapping[str, str]) -> str:
    pairs = [(name, text) for name, text in given.items() if text and name != "show"]
    if "show" in given:
        pairs += [("show", name) for name in given["show"].split(",")]
    return "?" + urlencode(pairs)


def _one_of(known: set[str]) -> Callable[[str], str]:
    def chosen(text: str) -> str:
        if text.removeprefix("-") not in known:
            raise ValueError("there is no such thing on this board.")
        return text

    return chosen


_FILTERS = ("elements", "open_weights", "conservative", "min_parameters", "max_parameters")
