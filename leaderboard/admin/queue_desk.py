"""One page for the queue: what waits and runs, what is stuck, who works, who asks for most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from leaderboard.admin.asking import Part, Question, ask_first, first_of
from leaderboard.admin.base import ModelAdmin, told
from leaderboard.enums import EvaluationState
from leaderboard.exceptions import SubmissionError
from leaderboard.models import Evaluation, Worker
from leaderboard.services.accounts import audit
from leaderboard.services.evaluations import operations
from leaderboard.services.evaluations.lifecycle import cancel

_REFRESH_S = 10
_RELATED = ("submission__potential", "task_version__task", "worker")


def show(admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """The page, or what a button on it asks for."""
    if not request.user.has_perm("leaderboard.change_evaluation"):
        raise PermissionDenied
    if request.method == "POST":
        return _act(admin, request) or redirect("admin:queue-desk")
    context = {
        **admin.admin_site.each_context(request),
        "title": "Queue and workers",
        "opts": admin.opts,
        "now": timezone.now(),
        "refresh_s": _REFRESH_S,
        "overview": operations.overview(),
    }
    return render(request, "admin/leaderboard/evaluation/desk.html", context)


def question_of_cancelling(evaluations: Sequence[Evaluation], back: str) -> Question:
    """What is asked before evaluations that wait or run are stopped."""
    n = len(evaluations)
    n_held = Evaluation.objects.filter(
        held_by__in=[e.pk for e in evaluations], state=EvaluationState.QUEUED
    ).count()
    meaning = [
        "What they have computed is lost. They end as cancelled, which their submitters see.",
        "They can be evaluated again from the list of evaluations.",
    ]
    if n_held:
        meaning.append(f"{n_held} more wait for them as their smoke test, and are cancelled too.")
    return Question(
        title=f"Cancel {evaluations[0]}?" if n == 1 else f"Cancel {n} evaluations?",
        button="Cancel it" if n == 1 else f"Cancel all {n}",
        parts=[
            Part(heading="What is cancelled", sentences=first_of(evaluations, _in_words)),
            Part(heading="What it means", sentences=meaning),
        ],
        back=back,
        about=sorted(str(evaluation.pk) for evaluation in evaluations),
    )


def _in_words(evaluation: Evaluation) -> str:
    if evaluation.state == EvaluationState.RUNNING:
        done = f"{evaluation.progress_done} of {evaluation.progress_total} systems done"
        return f"{evaluation}: running on {evaluation.worker}, {done}."
    return f"{evaluation}: waiting since {evaluation.queued_at:%Y-%m-%d %H:%M} UTC."


def _act(admin: ModelAdmin, request: HttpRequest) -> HttpResponse | None:
    match request.POST.get("do"):
        case "requeue" | "cancel":
            return _act_on_evaluations(admin, request)
        case "drain" | "take_out" | "enable":
            return _act_on_worker(admin, request)
    messages.error(request, "There is no such button.")
    return None


def _act_on_evaluations(admin: ModelAdmin, request: HttpRequest) -> HttpResponse | None:
    user: Any = request.user
    chosen = _evaluations(request)
    if not chosen:
        gone = "It is gone." if request.POST.get("pk") else "Tick the evaluations that you mean."
        messages.error(request, gone)
        return None
    if request.POST["do"] == "requeue":
        _each(
            request,
            chosen,
            lambda row: operations.requeue(user, row),
            "requeued",
            ("{} is in the queue again.", "{} evaluations are in the queue again."),
        )
        return None
    active = [row for row in chosen if not row.has_ended]
    if active:
        question = question_of_cancelling(active, reverse("admin:queue-desk"))
        if page := ask_first(request, admin.admin_site, question):
            return page
    _each(
        request,
        chosen,
        lambda row: cancel(user, row),
        "cancelled",
        ("{} is cancelled, or asked to stop.", "{} evaluations are cancelled, or asked to stop."),
    )
    return None


def _each(
    request: HttpRequest,
    chosen: Sequence[Evaluation],
    act: Callable[[Evaluation], object],
    action: str,
    words: tuple[str, str],
) -> None:
    """Do it to each, in a transaction of its own; say what was done, and why something was not.

    What another of them took along (a smoke test, those that waited for it) counts as done.
    """
    done: list[Evaluation] = []
    for row in chosen:
        try:
            with transaction.atomic(), audit.recorded(request.user, action, row):
                act(row)
        except (SubmissionError, PermissionDenied) as error:
            row.refresh_from_db(fields=["state"])
            if len(chosen) > 1 and action == "cancelled" and row.state == action:
                continue
            messages.error(request, f"{row}: {error}")
            continue
        done.append(row)
    if done:
        one, many = words
        messages.success(request, one.format(done[0]) if len(done) == 1 else many.format(len(done)))


def _act_on_worker(admin: ModelAdmin, request: HttpRequest) -> HttpResponse | None:
    user: Any = request.user
    worker = Worker.objects.filter(pk__in=_ids(request)).first()
    do = request.POST["do"]
    if worker is None:
        messages.error(request, "It is gone.")
        return None
    if do == "take_out":
        question = _question_of_taking_out(worker)
        if page := ask_first(request, admin.admin_site, question):
            return page

    def act() -> str:
        match do:
            case "drain":
                operations.drain(user, worker)
                return f"{worker} claims nothing more; what it runs may end."
            case "take_out":
                n = operations.take_out(user, worker)
                others = f"{n} evaluation{'s go' if n != 1 else ' goes'} to others"
                return f"{worker} claims nothing more; {others}."
        operations.enable(user, worker)
        return f"{worker} may claim work."

    told(request, act)
    return None


def _question_of_taking_out(worker: Worker) -> Question:
    running = worker.evaluations.filter(state=EvaluationState.RUNNING).select_related(*_RELATED)
    named = [_in_words(evaluation) for evaluation in running]
    return Question(
        title=f"Take {worker} out at once?",
        button="Take it out",
        parts=[
            Part(heading="What it runs", sentences=named or ["Nothing."]),
            Part(
                heading="What it means",
                sentences=[
                    "What it runs goes back to the queue; what it may still report is refused.",
                    "It claims nothing more until it is enabled again. Drain it, to let it end.",
                ],
            ),
        ],
        back=reverse("admin:queue-desk"),
    )


def _evaluations(request: HttpRequest) -> list[Evaluation]:
    """Those that were chosen and are still there, each once, in the order of the form."""
    chosen = _ids(request)
    rows = Evaluation.objects.select_related(*_RELATED).in_bulk(chosen)
    return [rows[pk] for pk in chosen if pk in rows]


def _ids(request: HttpRequest) -> list[UUID]:
    ids = []
    for text in dict.fromkeys(request.POST.getlist("pk")):
        try:
            ids.append(UUID(text))
        except ValueError:
            continue  # no id that a page of ours has
    return ids
