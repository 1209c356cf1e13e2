"""Links and cells of the leaderboard's page."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from leaderboard.web.boards.query import COLUMNS, NAME, RANK, BoardQuery

register = template.Library()

_ASCENDING = SafeString(' aria-sort="ascending"')
_DESCENDING = SafeString(' aria-sort="descending"')


@register.simple_tag
def board_link(query: BoardQuery, **changes: str) -> str:
    """The page with something else changed; an empty value takes it out."""
    return query.address(**changes)


@register.simple_tag
def sort_link(query: BoardQuery, name: str) -> str:
    """Sorted by this; the other way round where it is sorted by this already."""
    is_again = query.sort == name and not query.is_reversed
    sort = f"-{name}" if is_again else name
    return query.address(sort="" if sort == RANK else sort)


@register.simple_tag
def board_sort(query: BoardQuery, name: str) -> str:
    if query.sort != name:
        return ""
    counts_up = name == NAME or name in COLUMNS
    return _ASCENDING if counts_up != query.is_reversed else _DESCENDING


@register.simple_tag
def page_link(query: BoardQuery, page: int, step: int) -> str:
    return query.address(page="" if page + step == 1 else str(page + step))


@register.simple_tag
def download_link(query: BoardQuery, slug: str, number_: int, kind: str) -> str:
    """Link to the API with the page's rows, weights and moment."""
    rest = query.api_query()
    kept = f"&{rest}" if rest else ""
    form = "" if kind == "json" else f"&format={kind}"
    return f"/api/v1/leaderboards/{slug}/?version={number_}{form}{kept}"
