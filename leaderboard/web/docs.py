"""Pages that explain."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from evaluator.catalog import CALCULATOR_KINDS
from evaluator.catalog_verdicts import VERDICTS
from evaluator.contract import INFRASTRUCTURE_VERDICTS


@require_safe
def quick_start(request: HttpRequest) -> HttpResponse:
    return render(request, "docs.html", {"kinds": CALCULATOR_KINDS.values()})


@require_safe
def verdicts(request: HttpRequest) -> HttpResponse:
    rows = [(name, text, name in INFRASTRUCTURE_VERDICTS) for name, text in VERDICTS.items()]
    return render(request, "verdicts.html", {"verdicts": rows})
