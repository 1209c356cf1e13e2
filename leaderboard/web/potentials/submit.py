"""One's own submissions, and the form that makes a new one: the same service as behind REST."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from evaluator.catalog import CALCULATOR_KINDS, CalculatorKind, Parameter
from leaderboard.enums import Visibility
from leaderboard.exceptions import ConflictError, QuotaExceeded, SubmissionError
from leaderboard.models.disclosure import seen_by
from leaderboard.services.definitions.published import published_benchmarks
from leaderboard.services.submissions import proposals
from leaderboard.services.submissions.lists import (
    potential_to_submit_to,
    potentials_to_submit_to,
    submissions_with_results,
)
from leaderboard.services.submissions.submissions import Submitted, default_benchmark
from leaderboard.web.accounts.accounts import signed_in
from leaderboard.web.errors import too_many_submitted
from leaderboard.web.potentials.cards import CARD_FIELDS, refuse_unstorable, typed

_PER_PAGE = 50
_LONGEST_LOCK = 1 << 20


@require_safe
@login_required
@never_cache
def submissions(request: HttpRequest) -> HttpResponse:
    """Submissions of the reader and his teams, the newest first."""
    user = signed_in(request)
    page = Paginator(submissions_with_results(user), _PER_PAGE).get_page(request.GET.get("page"))
    rows = [(s, [seen_by(user, e) for e in s.evaluations.all()]) for s in page.object_list]
    return render(request, "submissions.html", {"page": page, "rows": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def submission_new(request: HttpRequest) -> HttpResponse:
    """What is refused is said beside its field; the browser forgets the file, nothing else."""
    user = signed_in(request)
    if request.method != "POST":
        return _form(request, user, {"kind": "chgnet", "visibility": Visibility.PUBLIC})
    if refused := too_many_submitted(request, user):
        return refused
    try:
        submitted = _submit(request, user)
    except ConflictError as error:
        return _form(request, user, request.POST.dict(), error.errors, status=409)
    except QuotaExceeded as error:
        return _form(request, user, request.POST.dict(), error.errors, status=429)
    except SubmissionError as error:
        return _form(request, user, request.POST.dict(), error.errors, status=400)
    if not submitted.is_new:
        messages.info(request, _what_was_there(submitted))
    return redirect(submitted.submission)


def _what_was_there(submitted: Submitted) -> str:
    name = f"This file is version {submitted.submission.version} already"
    if not submitted.queued:
        return f"{name}; nothing new was submitted."
    n = len(submitted.queued)
    return f"{name}; {n} more evaluation{'s were' if n > 1 else ' was'} queued for it."


def _submit(request: HttpRequest, user: User) -> Submitted:
    given = request.POST
    refuse_unstorable(given)
    file = request.FILES.get("artifact")
    if not isinstance(file, UploadedFile) or file.size is None or file.name is None:
        raise SubmissionError({"artifact": "Choose the file of the potential."})
    if file.size > settings.MAX_ARTIFACT_BYTES:
        raise SubmissionError({"artifact": f"At most {_max_mib()} MiB fit into the form."})
    kind = CALCULATOR_KINDS.get(given.get("kind", ""))
    if kind is None:
        raise SubmissionError({"calculator_kind": "Choose what loads the file."})
    described: dict[str, Any] = {
        "version": given.get("version", ""),
        "filename": file.name,
        "sha256": given.get("sha256", "").strip() or _sha256(file),
        "calculator_kind": kind.name,
        "settings": _settings(kind, given),
        "supported_elements": given.get("supported_elements", "").replace(",", " ").split() or None,
        "declares_non_conservative": "declares_non_conservative" in given,
        "visibility": given.get("visibility", ""),
        "lock": _lock(request.FILES.get("lock")),
    }
    slug, card = _potential(user, given)
    benchmark = given.get("benchmark") or None
    proposal = proposals.Proposal(
        potential=slug, card=card, benchmark=benchmark, described=described
    )
    try:
        return proposals.submit(user, proposal, file)
    except SubmissionError as error:
        error.errors = {_beside(name, given): text for name, text in error.errors.items()}
        raise


def _lock(file: object) -> str:
    """The text of the lock that it brings; empty where none was chosen."""
    if not isinstance(file, UploadedFile) or not file.name:
        return ""
    if (file.size or 0) > _LONGEST_LOCK:
        raise SubmissionError({"lock": "The lock is too long."})
    try:
        return bytes(file.read()).decode()
    except UnicodeDecodeError:
        sentence = "The lock is no text. Write it with: uv pip compile --generate-hashes"
        raise SubmissionError({"lock": sentence}) from None


def _beside(name: str, given: Mapping[str, str]) -> str:
    """The field of the form that an error belongs to."""
    if name == "potential" and not given.get("potential"):
        return "slug"
    return name.removeprefix("card.")


def _sha256(file: UploadedFile[Any]) -> str:
    """Over the received bytes: whoever wants to be sure of the way gives the hash himself."""
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def _settings(kind: CalculatorKind, given: Mapping[str, str]) -> dict[str, object]:
    """The fields of the chosen kind alone; an empty one takes the default."""
    values: dict[str, object] = {}
    for parameter in kind.settings:
        text = given.get(f"{kind.name}.{parameter.name}", "").strip()
        if text:
            values[parameter.name] = _typed(parameter, text)
    return values


def _typed(parameter: Parameter, text: str) -> object:
    """Convert a field to what the service wants.

    A text that is no number is left for it to refuse.
    """
    try:
        if parameter.kind is bool:
            return {"true": True, "false": False}[text]
        return parameter.kind(text)
    except (ValueError, KeyError):
        return text


def _potential(user: User, given: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """The slug that is chosen or new, and what was typed of a card."""
    card = typed(given)
    slug, chosen = given.get("slug", "").strip(), given.get("potential", "")
    if not chosen:
        if potential_to_submit_to(user, slug) is not None:
            sentence = f"You have a potential named {slug}. Choose it above, or another name here."
            raise ConflictError({"slug": sentence})
        return slug, card
    if potential_to_submit_to(user, chosen) is None:
        raise SubmissionError({"potential": "Choose one of your potentials."})
    if slug not in ("", chosen):
        sentence = f"{chosen} is chosen above: empty this, or choose a new one there."
        raise ConflictError({"slug": sentence})
    # What was left empty says nothing of the one that is there.
    return chosen, {name: value for name, value in card.items() if value not in ("", [], None)}


def _form(
    request: HttpRequest,
    user: User,
    given: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    default = default_benchmark()
    context = {
        "given": given,
        "errors": errors or {},
        "whole": (errors or {}).get("", ""),
        "potentials": potentials_to_submit_to(user),
        "kinds": CALCULATOR_KINDS.values(),
        "benchmarks": published_benchmarks(),
        "default": default.benchmark if default else None,
        "card_fields": CARD_FIELDS,
        # What was typed of a card stays in sight: of a potential that is chosen it can be refused.
        "says_card": any(given.get(field.name) for field in CARD_FIELDS),
        "visibilities": Visibility.choices,
        "max_mib": _max_mib(),
    }
    return render(request, "submission_new.html", context, status=status)


def _max_mib() -> int:
    return int(settings.MAX_ARTIFACT_BYTES // 2**20)
