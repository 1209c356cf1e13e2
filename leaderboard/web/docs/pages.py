"""Pages that explain: of the project's files, of the catalog, and of what can be cited."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from evaluator.catalog import CALCULATOR_KINDS, METRICS, PROTOCOLS, Parameter
from evaluator.catalog.verdicts import VERDICTS
from evaluator.contract import INFRASTRUCTURE_VERDICTS
from leaderboard.models import TaskVersion
from leaderboard.services.definitions.published import newest_versions, newest_versions_by
from leaderboard.web.docs import citations, listing
from leaderboard.web.docs.listing import GROUPS, PAGES, MissingFile

logger = logging.getLogger(__name__)


@require_safe
def quick_start(request: HttpRequest) -> HttpResponse:
    return _page(request, "", "docs/quick_start.html", kinds=CALCULATOR_KINDS.values())


@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    """A page that is made of a file of the source."""
    page = PAGES.get(name)
    if page is None or not page.source:
        raise Http404("There is no such page.")
    try:
        made = listing.read(page, _site(request))
        variables = listing.text_of(listing.ENVIRONMENT) if name == "worker" else ""
    except MissingFile as error:
        logger.error("%s", error)
        return _page(request, name, "docs/missing.html", status=503)
    contents = [heading for heading in made.headings if heading.level == 2]
    return _page(
        request, name, "docs/document.html", document=made, contents=contents, variables=variables
    )


@require_safe
def verdicts(request: HttpRequest) -> HttpResponse:
    rows = [(name, text, name in INFRASTRUCTURE_VERDICTS) for name, text in VERDICTS.items()]
    return _page(request, "verdicts", "docs/verdicts.html", verdicts=rows)


@dataclass(frozen=True, kw_only=True)
class ParameterRow:
    parameter: Parameter
    default: str
    #: What it may be, in words; empty where anything of its kind may.
    bounds: str


@require_safe
def protocols(request: HttpRequest) -> HttpResponse:
    """All protocols, and all metrics with the protocol that measures each."""
    by_protocol = _by_protocol(newest_versions())
    rows = [(p, by_protocol.get(p.name, [])) for p in PROTOCOLS.values()]
    metrics = [(METRICS[key], p) for p in PROTOCOLS.values() for key in p.metrics]
    return _page(request, "protocols", "docs/protocols.html", protocols=rows, metrics=metrics)


@require_safe
def protocol(request: HttpRequest, name: str) -> HttpResponse:
    described = PROTOCOLS.get(name)
    if described is None:
        raise Http404("There is no such protocol.")
    metrics = [METRICS[key] for key in described.metrics]
    return _page(
        request,
        "protocols",
        "docs/protocol.html",
        protocol=described,
        parameters=[_row(parameter) for parameter in described.parameters],
        metrics=metrics,
        tasks=list(newest_versions_by(name)),
    )


@require_safe
def cite(request: HttpRequest) -> HttpResponse:
    """BibTeX; a board's is made for the benchmark and the day that are asked for."""
    site = _site(request)
    board = citations.cited_board(request.GET, site)
    return _page(
        request,
        "cite",
        "docs/cite.html",
        status=400 if board.complaint else 200,
        service=citations.service(site),
        board=board,
        sets=citations.reference_sets(),
        data_licence=settings.DATA_LICENCE,
    )


def _site(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"


def _page(
    request: HttpRequest,
    name: str,
    template: str,
    *,
    status: int = 200,
    **context: Any,  # noqa: ANN401  (a template's)
) -> HttpResponse:
    context |= {"page": PAGES[name], "groups": GROUPS.items()}
    return render(request, template, context, status=status)


def _by_protocol(versions: Iterable[TaskVersion]) -> dict[str, list[TaskVersion]]:
    by_protocol: dict[str, list[TaskVersion]] = {}
    for version in versions:
        by_protocol.setdefault(version.protocol, []).append(version)
    return by_protocol


def _row(parameter: Parameter) -> ParameterRow:
    low, high = parameter.minimum, parameter.maximum
    bounds = ", ".join(parameter.choices)
    if parameter.kind is bool:
        bounds = "true, false"
    elif low is not None and high is not None:
        bounds = f"{_written(low)} to {_written(high)}"
    elif low is not None:
        bounds = f"at least {_written(low)}"
    elif high is not None:
        bounds = f"at most {_written(high)}"
    return ParameterRow(parameter=parameter, default=_written(parameter.default), bounds=bounds)


def _written(value: float | bool | str) -> str:
    """A value of a parameter as readers type it, with its thousands parted."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or "empty"
    return f"{value:,.12g}".replace(",", "\u202f").replace("-", "\u2212")
