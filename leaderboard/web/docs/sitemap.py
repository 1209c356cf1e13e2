"""What search engines should know of: the pages that stay, public ones alone."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from evaluator.catalog import PROTOCOLS
from leaderboard.models.permissions import visible_potentials
from leaderboard.services.definitions.published import published_addresses, published_tasks
from leaderboard.web.docs.listing import PAGES

#: More a sitemap may not hold (sitemaps.org).
_MOST = 50_000
_PAGES = ("home", "tasks", "potentials", "queue")


@require_safe
@cache_control(public=True, max_age=3600)
def sitemap(request: HttpRequest) -> HttpResponse:
    """Answer in the form of sitemaps.org."""
    rows = ((request.build_absolute_uri(address),) for address in list(_addresses())[:_MOST])
    body = format_html_join("\n", "<url><loc>{}</loc></url>", rows)
    return HttpResponse(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{body}\n</urlset>\n',
        content_type="application/xml",
    )


def _addresses() -> Iterator[str]:
    yield from (reverse(name) for name in _PAGES)
    yield from (page.address for page in PAGES.values())
    yield from (reverse("protocol", args=[name]) for name in PROTOCOLS)
    for slug, number in published_addresses():
        yield reverse("benchmark", args=[slug, number])
    yield from (task.get_absolute_url() for task in published_tasks())
    public = visible_potentials(AnonymousUser())
    yield from (potential.get_absolute_url() for potential in public.order_by("slug"))
