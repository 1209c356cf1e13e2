"""Pages for what went wrong that need more than a template: not found, and too many tries."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.shortcuts import render
from django.urls import reverse

from leaderboard.models.permissions import visible_potentials
from leaderboard.services.accounts.throttles import RateStanding, client_of, hit
from leaderboard.services.definitions.published import published_benchmarks, published_tasks
from leaderboard.web.docs.listing import PAGES

_SUGGESTED = 5
#: Of each kind, so that a wrong address stays cheap on the largest site.
_LOOKED_THROUGH = 2_000
_WORD = re.compile(r"[\w.-]{2,64}")
#: What stands before a name in an address; elsewhere only the first part can be one.
_KINDS = {"potentials", "tasks", "benchmarks", "docs"}


@dataclass(frozen=True)
class Suggestion:
    slug: str
    name: str
    address: str


def too_many(request: HttpRequest, standing: RateStanding) -> HttpResponse:
    """429, with when to come again in words and as headers."""
    wait = timedelta(seconds=standing.reset_s)
    response = render(request, "429.html", {"wait": wait}, status=429)
    for name, value in standing.headers().items():
        response[name] = value
    return response


def too_many_submitted(request: HttpRequest, user: User) -> HttpResponse | None:
    """Count what somebody submits or has repeated; 429 where that is too much, else None."""
    standing = hit("submit", client_of(user, request))
    return None if standing.is_allowed else too_many(request, standing)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404, with what has a similar name. Only what everybody may see is ever suggested."""
    del exception  # its words may name what is private
    if request.path.startswith("/api/"):
        return HttpResponseNotFound()  # becomes problem details, see api/problems.py
    word = _wanted(request.path)
    suggestions = _similar(word, list(_known())) if word else []
    return render(request, "404.html", {"word": word, "suggestions": suggestions}, status=404)


def _wanted(path: str) -> str:
    """The part of an address that may be a mistyped name; empty where none can be."""
    parts = [part for part in path.split("/") if part]
    if len(parts) > 1 and parts[0] in _KINDS:
        word = parts[1]
    elif len(parts) == 1:
        word = parts[0]
    else:
        return ""
    word = word.lower().replace("_", "-")
    return word if _WORD.fullmatch(word) else ""


def _known() -> Iterator[Suggestion]:
    public = visible_potentials(AnonymousUser())
    tasks, boards = published_tasks(), published_benchmarks()
    for rows, view in ((public, "potential"), (tasks, "task"), (boards, "benchmark-latest")):
        for slug, name in rows.order_by("slug").values_list("slug", "name")[:_LOOKED_THROUGH]:
            yield Suggestion(slug, name, reverse(view, args=[slug]))
    for page in PAGES.values():
        if page.name:
            yield Suggestion(page.name, page.label, page.address)


def _similar(word: str, known: list[Suggestion]) -> list[Suggestion]:
    """What holds the word, or is held by it, then what is spelt alike; the nearest first."""
    holding = [s for s in known if word in s.slug or word in s.name.lower() or s.slug in word]
    holding.sort(key=lambda s: (s.slug != word, abs(len(s.slug) - len(word)), s.slug))
    alike = difflib.get_close_matches(word, {s.slug for s in known}, n=_SUGGESTED)
    spelt = [s for slug in alike for s in known if s.slug == slug]
    return list(dict.fromkeys((*holding, *spelt)))[:_SUGGESTED]
