"""All potentials, to browse and to search. What is looked for stands in the address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from leaderboard.services.boards.entrants import choices_of
from leaderboard.services.boards.filters import is_among
from leaderboard.services.submissions.lists import listed_potentials
from leaderboard.web.names import by_html, caution_html, cut
from leaderboard.web.numbers import NOTHING, count
from leaderboard.web.paging import page_of
from leaderboard.web.query_reader import QueryReader, short_text

#: Fewer are seen at a glance, without a form.
_FEW = 12
_TEXTS = ("text", "architecture", "level_of_theory", "licence")
_LABELS = {
    "architecture": "Architecture",
    "level_of_theory": "Level of theory",
    "licence": "Licence",
}


class Listed(NamedTuple):
    """What the list tells of a potential; names are the model's."""

    address: str
    name: str
    authors: str
    architecture: str
    level_of_theory: str
    training_sets: list[str]
    n_parameters: int | None
    licence: str
    is_baseline: bool
    n_versions: int
    resembles: str
    team__slug: str | None
    owner__username: str

    def has(self, wanted: dict[str, str]) -> bool:
        """Compare as the leaderboard's filters do."""
        names = (self.name, self.address, self.authors, self.architecture, self.licence,
                 self.level_of_theory, *self.training_sets)  # fmt: skip
        return (
            wanted["text"].casefold() in " ".join(names).casefold()
            and is_among(wanted["architecture"], [self.architecture])
            and is_among(wanted["licence"], [self.licence])
            and is_among(wanted["level_of_theory"], self.level_of_theory.split(","))
        )


@require_safe
def potential_list(request: HttpRequest) -> HttpResponse:
    """Bad parameters are told and left out (HTTP 400); the page is whole without them."""
    reader = QueryReader(request.GET)
    typed = {name: reader.read(name, short_text, "") for name in _TEXTS}
    listed = _listed(request.user)
    matching = [potential for potential in listed if potential.has(typed)]
    page = page_of(matching, request.GET, reader.given)
    complaints = reader.few_complaints() + ([page.complaint] if page.complaint else [])
    choices = choices_of(listed)
    context = {
        "n_all": len(listed),
        "page": page,
        "rows": _rows_html(page.rows),
        "complaints": complaints,
        "is_filtered": any(typed.values()),
        "has_form": len(listed) > _FEW or any(typed.values()),
        "text": typed["text"],
        "fields": [(name, label, typed[name], choices[name]) for name, label in _LABELS.items()],
    }
    return render(request, "potential_list.html", context, status=400 if complaints else 200)


def _listed(user: User | AnonymousUser) -> list[Listed]:
    return [Listed._make(row) for row in listed_potentials(user, *Listed._fields)]


def _rows_html(potentials: Sequence[Listed]) -> SafeString:
    return mark_safe("".join(map(_row_html, potentials)))  # noqa: S308  (escaped below)


def _row_html(p: Listed) -> str:
    baseline = ' <span class="badge">baseline</span>' if p.is_baseline else ""
    by = by_html(p.team__slug or p.owner__username)
    return (
        f'<tr><th scope="row" class="pinned"><a href="/potentials/{escape(p.address)}/">'
        f"<bdi>{escape(cut(p.name, 60))}</bdi></a>{baseline}{caution_html(p.name, p.resembles)}"
        f"{by}</th>{_meta([p.architecture])}"
        f"{_meta([p.level_of_theory])}{_meta(p.training_sets)}"
        f'<td class="number meta">{count(p.n_parameters)}</td>{_meta([p.licence])}'
        f'<td class="number">{p.n_versions}</td></tr>\n'
    )


def _meta(texts: Iterable[str]) -> str:
    return f'<td class="meta">{escape(", ".join(texts)) or NOTHING}</td>'
