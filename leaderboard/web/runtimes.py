"""The environments in which calculators run, and what one of them holds."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from leaderboard.services.evaluations.runtimes import (
    brought_runtimes,
    runtime_page,
    shipped_runtimes,
)


@require_safe
@cache_control(private=True, no_cache=True)
def runtimes(request: HttpRequest) -> HttpResponse:
    context = {"shipped": shipped_runtimes(), "brought": brought_runtimes(request.user)}
    return render(request, "runtimes.html", context)


@require_safe
@cache_control(private=True, no_cache=True)
def runtime(request: HttpRequest, name: str) -> HttpResponse:
    page = runtime_page(request.user, name)
    if page is None:
        raise Http404
    packages = sorted(page.runtime.packages.items())
    return render(request, "runtime.html", {"page": page, "packages": packages})
