"""Links and cells of the leaderboard's page."""

from __future__ import annotations

from django import template

from leaderboard.web.boards.query import BoardQuery, board_sort, sort_link

register = template.Library()
register.simple_tag(sort_link)
register.simple_tag(board_sort)


@register.simple_tag
def board_link(query: BoardQuery, **changes: str) -> str:
    """The page with something else changed; an empty value takes it out."""
    return query.address(**changes)


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
