"""Pictures that chats and other sites show beside a shared link (Open Graph).

They are the same for everybody, drawn once for each change of what they show, and answered with 304
to who has them. Who makes the service draw too many at once is asked to wait.
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils.cache import get_conditional_response, patch_cache_control
from django.views.decorators.http import require_safe

from leaderboard.charts.card_files import drawn, kept
from leaderboard.charts.cards import Card
from leaderboard.services.accounts.throttles import address_of, hit
from leaderboard.web.errors import too_many
from leaderboard.web.pictures import facts

_MAX_AGE_S = 300


@require_safe
def site(request: HttpRequest) -> HttpResponse:
    return _answer(request, "site", facts.SITE)


@require_safe
def potential(request: HttpRequest, slug: str) -> HttpResponse:
    return _found(request, f"potential {slug}", lambda: facts.potential_card(slug))


@require_safe
def task(request: HttpRequest, slug: str, number: int | None = None) -> HttpResponse:
    return _found(request, f"task {slug} {number or ''}", lambda: facts.task_card(slug, number))


@require_safe
def benchmark(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    return _found(request, f"board {slug} {number}", lambda: facts.board_card(slug, number))


def _found(request: HttpRequest, page: str, card: Callable[[], Card]) -> HttpResponse:
    """No page for what is not there: nobody reads it, and it looks for what may have been meant."""
    try:
        return _answer(request, page, card())
    except Http404:
        return HttpResponseNotFound("There is no such picture.\n", content_type="text/plain")


def _answer(request: HttpRequest, page: str, card: Card) -> HttpResponse:
    etag = f'"{card.digest}"'
    response = HttpResponse(content_type="image/png", headers={"ETag": etag})
    patch_cache_control(response, public=True, max_age=_MAX_AGE_S)
    known = get_conditional_response(request, etag=etag, response=response)
    if known is not None and known is not response:
        return known
    picture = kept(card, page)
    if picture is None:
        standing = hit("card", address_of(request))
        if not standing.is_allowed:
            return too_many(request, standing)
        picture = drawn(card, page)
    response.content = picture
    return response
