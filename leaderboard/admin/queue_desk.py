"""One page for the queue: what waits and runs, what is stuck, who works, who asks for most."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from leaderboard.admin.base import ModelAdmin, told
from leaderboard.exceptions import ConflictError
from leaderboard.models import Evaluation, Worker
from leaderboard.services.accounts import audit
from leaderboard.services.evaluations import operations
from leaderboard.services.evaluations.lifecycle import cancel

_REFRESH_S = 10


def show(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """The page, or what a button on it asks for."""
    if not request.user.has_perm("leaderboard.change_evaluation"):
        raise PermissionDenied
    if request.method == "POST":
        told(request, lambda: _act(request))
        return redirect("admin:queue-desk")
    context = {
        **admin.admin_site.each_context(request),
        "title": "Queue and workers",
        "opts": admin.opts,
        "now": timezone.now(),
        "refresh_s": _REFRESH_S,
        "overview": operations.overview(),
    }
    return render(request, "admin/leaderboard/evaluation/desk.html", context)


def _act(request: HttpRequest) -> str:
    user: Any = request.user
    match request.POST.get("do"):
        case "requeue":
            evaluation = _row(Evaluation, request)
            with audit.recorded(user, "requeued", evaluation):
                operations.requeue(user, evaluation)
            return f"{evaluation} is in the queue again."
        case "cancel":
            evaluation = _row(Evaluation, request)
            with audit.recorded(user, "cancelled", evaluation):
                cancel(user, evaluation)
            return f"{evaluation} is cancelled, or asked to stop."
    worker = _row(Worker, request)
    match request.POST.get("do"):
        case "drain":
            operations.drain(user, worker)
            return f"{worker} claims nothing more; what it runs may end."
        case "take_out":
            n = operations.take_out(user, worker)
            return f"{worker} claims nothing more; {n} evaluations go to others."
        case "enable":
            operations.enable(user, worker)
            return f"{worker} may claim work."
    raise ConflictError("There is no such button.")


def _row(model: type[Model], request: HttpRequest) -> Any:  # noqa: ANN401  (a row of this model)
    try:
        row = model._default_manager.filter(pk=request.POST.get("pk")).first()
    except (ValueError, ValidationError):
        row = None
    if row is None:
        raise ConflictError("It is gone.")
    return row
