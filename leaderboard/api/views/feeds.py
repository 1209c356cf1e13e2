"""Badges (SVG) and feeds (Atom) of potentials, tasks and benchmarks, for everybody."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.utils.cache import patch_cache_control
from django.utils.feedgenerator import Atom1Feed
from django.utils.html import format_html
from drf_spectacular.types import OpenApiTypes
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from leaderboard.api.views.base import described
from leaderboard.api.views.output_files import WhateverIsAccepted
from leaderboard.services.boards.announcements import Subject, news, subject

_MAX_TEXT = 60
#: Mean width of a letter of 11 px Verdana, and the space around a text.
_LETTER_PX, _PAD_PX = 6.6, 12


class Badge(APIView):
    permission_classes = (AllowAny,)
    content_negotiation_class = WhateverIsAccepted

    @described(
        "leaderboards",
        "A badge: the rank of a potential, or who leads a board",
        {(200, "image/svg+xml"): OpenApiTypes.STR},
    )
    def get(self, request: Request, kind: str, slug: str) -> HttpResponse:
        about = _find(kind, slug)
        response = HttpResponse(badge(about.name, about.standing), content_type="image/svg+xml")
        patch_cache_control(response, public=True, max_age=300)
        return response


class Feed(APIView):
    permission_classes = (AllowAny,)
    content_negotiation_class = WhateverIsAccepted

    @described(
        "leaderboards",
        "New results, as an Atom feed",
        {(200, "application/atom+xml"): OpenApiTypes.STR},
    )
    def get(self, request: Request, kind: str, slug: str) -> HttpResponse:
        about = _find(kind, slug)
        feed = Atom1Feed(
            title=f"Touchstone: {about.name}",
            link=request.build_absolute_uri(about.page),
            feed_url=request.build_absolute_uri(request.path),
            description="",
        )
        for evaluation in news(about):
            score = "no score" if evaluation.score is None else f"{evaluation.score:.3f}"
            feed.add_item(
                title=f"{evaluation.submission} on {evaluation.task_version.task}: {score}",
                link=request.build_absolute_uri(evaluation.get_absolute_url()),
                description=f"Evaluated on {evaluation.task_version}: {score}.",
                unique_id=f"urn:uuid:{evaluation.pk}",
                pubdate=evaluation.finished_at,
                updateddate=evaluation.finished_at,
            )
        response = HttpResponse(content_type="application/atom+xml; charset=utf-8")
        feed.write(response, "utf-8")
        patch_cache_control(response, public=True, max_age=300)
        return response


def badge(left: str, right: str) -> str:
    """Two texts beside each other. Whatever they hold is escaped."""
    left, right = left[:_MAX_TEXT], right[:_MAX_TEXT]
    a, b = (round(len(text) * _LETTER_PX) + _PAD_PX for text in (left, right))
    return format_html(
        '<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="20" role="img" '
        'aria-label="{left}: {right}"><title>{left}: {right}</title>'
        '<rect width="{w}" height="20" rx="3" fill="#444"/>'
        '<path d="M{a} 0h{inner}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3H{a}z" fill="#1f6feb"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" '
        'text-anchor="middle"><text x="{x}" y="14">{left}</text>'
        '<text x="{y}" y="14">{right}</text></g></svg>',
        w=a + b,
        a=a,
        inner=b - 3,
        x=a / 2,
        y=a + b / 2,
        left=left,
        right=right,
    )


def _find(kind: str, slug: str) -> Subject:
    subject_found = subject(kind, slug)
    if subject_found is None:
        raise Http404(f"The public knows nothing named {slug!r} here.")
    return subject_found
