"""The queue and its workers; what robots may read."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from leaderboard.services.evaluations import progress
from leaderboard.services.evaluations import queue as line
from leaderboard.services.evaluations.deafness import deaf_workers

_SHOWN = 50


@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """How much waits and who works. Private submissions are counted, not named."""
    queued = progress.queued_evaluations()
    running = progress.running_evaluations()
    workers = list(progress.workers_heard_of())
    deaf = deaf_workers([worker for worker in workers if worker.is_enabled])
    related = (
        "submission__potential",
        "task_version__task",
        "task_version__reference_set",
        "worker",
    )
    visible = running.visible_to(request.user).select_related(*related)
    next_up = queued.visible_to(request.user).select_related(*related)
    totals = progress.depth_of_queue()
    return render(
        request,
        "queue.html",
        {
            **totals,
            "n_running": running.count(),
            "running": visible[:_SHOWN],
            "next_up": line.first_of(next_up, _SHOWN),
            "workers": workers,
            "deaf": deaf,
            "deaf_after_s": settings.DEAF_AFTER_S,
        },
    )


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    hidden = ("/admin/", "/account/", "/login/", "/submissions/", "/evaluations/")
    lines = (
        "User-agent: *",
        *(f"Disallow: {address}" for address in hidden),
        f"Sitemap: {request.build_absolute_uri(reverse('sitemap'))}",
        "",
    )
    return HttpResponse("\n".join(lines), content_type="text/plain")
