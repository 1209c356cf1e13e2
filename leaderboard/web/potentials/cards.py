"""A potential's card as a form shows and takes it, and the page on which its owner edits it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.models import Potential, permissions
from leaderboard.services.submissions.submissions import update_potential
from leaderboard.web.accounts.accounts import signed_in
from leaderboard.web.errors import too_many_submitted


@dataclass(frozen=True, kw_only=True)
class CardField:
    """One of ``services.submissions.POTENTIAL_FIELDS``."""

    name: str
    label: str
    placeholder: str = ""
    hint: str = ""
    #: Of the input: text, url, number (of digits), or long for several lines.
    kind: str = "text"

    @property
    def max_length(self) -> int | None:
        return getattr(Potential._meta.get_field(self.name), "max_length", None)


CARD_FIELDS = (
    CardField(name="name", label="Name, as its authors write it"),
    CardField(name="architecture", label="Architecture", placeholder="MACE"),
    CardField(
        name="level_of_theory", label="Level of theory of its training data", placeholder="PBE"
    ),
    CardField(
        name="training_sets", label="Training sets, parted by commas", placeholder="MPtrj, OMat24"
    ),
    CardField(
        name="n_parameters", label="Number of trained parameters", placeholder="412525",
        kind="number",
    ),
    CardField(name="licence", label="Licence of the weights, by its SPDX name", placeholder="MIT"),
    CardField(
        name="authors", label="Authors, parted by commas", placeholder="J. Doe, R. Roe",
        hint="Or by semicolons: Doe, J.; Roe, R.",
    ),
    CardField(name="paper_url", label="Paper", placeholder="https://doi.org/…", kind="url"),
    CardField(name="code_url", label="Code or weights", placeholder="https://…", kind="url"),
    CardField(
        name="description", label="Description", kind="long",
        hint="Markdown: **bold**, lists, [links](https://…), tables, `code`. No HTML, no pictures.",
    ),
)  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def potential_edit(request: HttpRequest, slug: str) -> HttpResponse:
    """What ``PATCH /api/v1/potentials/<slug>/`` does, by the same service and rules."""
    user = signed_in(request)
    potential = get_object_or_404(permissions.visible_potentials(user).named(slug))
    permissions.check_may_manage(user, potential)
    if request.method != "POST":
        return _form(request, potential, shown(potential))
    if refused := too_many_submitted(request, user):
        return refused
    try:
        fields = typed(request.POST)
        if not potential.holds_slug and "slug" in request.POST:
            fields["slug"] = request.POST["slug"].strip()
        if user.is_staff:
            fields["is_baseline"] = "is_baseline" in request.POST
        update_potential(user, potential, **fields)
    except SubmissionError as error:
        status = 409 if isinstance(error, ConflictError) else 400
        return _form(request, potential, request.POST.dict(), error.errors, status=status)
    messages.success(request, "The card is changed.")
    return redirect(potential)


def typed(given: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a card as the service takes them; it refuses what makes no sense."""
    refuse_unstorable(given)
    fields: dict[str, Any] = {f.name: given.get(f.name, "").strip() for f in CARD_FIELDS}
    fields["description"] = fields["description"].replace("\r\n", "\n")
    names = re.split(r"[,\n]", fields["training_sets"])
    fields["training_sets"] = [name.strip() for name in names if name.strip()]
    fields["n_parameters"] = fields["n_parameters"] or None
    return fields


def shown(potential: Potential) -> dict[str, Any]:
    """The card as its fields show it."""
    given: dict[str, Any] = {f.name: getattr(potential, f.name) for f in CARD_FIELDS}
    given["training_sets"] = ", ".join(potential.training_sets)
    given["slug"] = potential.slug
    given["is_baseline"] = potential.is_baseline
    return given


def refuse_unstorable(given: Mapping[str, str]) -> None:
    """PostgreSQL knows no NUL; a browser sends none."""
    names = [name for name, value in given.items() if "\x00" in value]
    if names:
        raise SubmissionError(dict.fromkeys(names, "It holds a character that cannot be stored."))


def _form(
    request: HttpRequest,
    potential: Potential,
    given: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    context = {
        "potential": potential,
        "given": given,
        "errors": errors or {},
        "card_fields": CARD_FIELDS,
    }
    return render(request, "potential_edit.html", context, status=status)
