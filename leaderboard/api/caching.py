"""ETags of the API: what has not changed since it was read is not sent again (304)."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.http import ConditionalGetMiddleware


class ConditionalGet:
    """Django's own, below /api/ alone: pages carry tokens that differ each time."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._plain = get_response
        self._conditional = ConditionalGetMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        handler = self._conditional if request.path.startswith("/api/") else self._plain
        return cast(HttpResponseBase, handler(request))
