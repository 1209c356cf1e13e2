"""The queue and its workers; what robots may read."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, Worker
from leaderboard.services.evaluations.deafness import deaf_workers

_SHOWN = 50


@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """How much waits and who works. Private submissions are counted, not named."""
    queued = Evaluation.objects.filter(state=EvaluationState.QUEUED)
    running = Evaluation.objects.filter(state=EvaluationState.RUNNING)
    seen_since = timezone.now() - timedelta(seconds=settings.LEASE_S)
    workers = Worker.objects.filter(last_seen_at__gte=seen_since).annotate(
        n_running=Count("evaluations", filter=Q(evaluations__state=EvaluationState.RUNNING))
    )
    related = ("submission__potential", "task_version__task", "worker")
    visible = running.visible_to(request.user).select_related(*related)
    next_up = queued.visible_to(request.user).select_related(*related)
    shown = list(workers)
    deaf = deaf_workers([worker for worker in shown if worker.is_enabled])
    totals = queued.aggregate(depth=Count("pk"), oldest=Min("queued_at"))
    return render(
        request,
        "queue.html",
        {
            **totals,
            "n_running": running.count(),
            "running": visible.order_by("started_at")[:_SHOWN],
            "next_up": next_up.order_by("-priority", "queued_at", "pk")[:_SHOWN],
            "workers": shown,
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
