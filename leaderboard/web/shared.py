"""Pages that are the same for all strangers: browsers and proxies ask whether they have changed.

The tag of a page (ETag) is made of all that it is drawn from, so it is told before anything is
drawn, and whoever has the page gets 304. Proxies may give it to other strangers for a moment. A
page for somebody who has signed in or shows a token, or with a message to him, is his alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response

#: For browsers: ask each time. For proxies: a page may be so old.
_FOR_ALL = "public, max-age=0, s-maxage=2"
_FOR_ONE = "private, max-age=0"
#: Without these nobody has signed in, and nobody is told anything.
_PERSONAL_COOKIES = {settings.SESSION_COOKIE_NAME, "messages"}
_DRAWN_BY = {".py", ".html", ".css", ".js", ".svg"}


def shared_page(
    request: HttpRequest, made_of: object, draw: Callable[[], HttpResponse]
) -> HttpResponseBase:
    """Draw the page, unless a stranger has it already.

    ``made_of`` is all that the page depends on beside its address and this release; equal ones are
    written alike.
    """
    if "Authorization" in request.headers or not _PERSONAL_COOKIES.isdisjoint(request.COOKIES):
        response: HttpResponseBase = draw()
        response.headers["Cache-Control"] = _FOR_ONE
        return response
    parts = (_release(), request.build_absolute_uri(), made_of)
    tag = f'W/"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'
    response = get_conditional_response(request, etag=tag) or draw()
    if response.status_code in {200, 304}:
        response.headers["ETag"], response.headers["Cache-Control"] = tag, _FOR_ALL
    return response


@cache
def _release() -> str:
    """Tell this release by what draws its pages."""
    digest = hashlib.sha256()
    for folder in ("leaderboard", "templates", "evaluator/catalog"):
        for path in sorted((settings.BASE_DIR / folder).rglob("*")):
            if path.suffix in _DRAWN_BY:
                digest.update(path.read_bytes())
    return digest.hexdigest()
