"""One page for what is done with a task version between its form and its retirement."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from evaluator.catalog import METRICS
from leaderboard.admin.base import ModelAdmin, told
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.models import Evaluation, Submission, TaskVersion
from leaderboard.services.accounts import audit
from leaderboard.services.definitions import backfill, dry_runs, version_changes
from leaderboard.services.definitions.task_checks import check_task_version
from leaderboard.services.definitions.tasks import publish_task_version, retire_version
from leaderboard.services.evaluations.lifecycle import cancel

_N_DRY_RUNS = 10


class DryRunForm(forms.Form):
    submission = forms.ModelChoiceField(
        queryset=Submission.objects.filter(withdrawn_at__isnull=True).select_related("potential"),
        help_text="It runs on a worker like everybody later, and stands on no board.",
    )


def show(admin: ModelAdmin, request: HttpRequest, version: TaskVersion) -> HttpResponse:
    """The page, or what a button on it asks for."""
    if not request.user.has_perm("leaderboard.change_taskversion"):
        raise PermissionDenied
    if request.method == "POST":
        return _act(request, version)
    earlier = version_changes.previous(version)
    is_draft = version.state == VersionState.DRAFT
    context = {
        **admin.admin_site.each_context(request),
        "title": f"{version}: {version.get_state_display().lower()}",
        "opts": admin.opts,
        "version": version,
        "is_draft": is_draft,
        "complaints": check_task_version(version) if is_draft else {},
        "earlier": earlier,
        "changes": version_changes.task_changes(earlier, version) if earlier else [],
        "metrics": [(METRICS[m.key], m) for m in version.scored_metrics()],
        "form": DryRunForm(),
        "dry_runs": [(run, _outcome(run)) for run in dry_runs.of(version)[:_N_DRY_RUNS]],
        "is_waiting": dry_runs.under_way(version).exists(),
        "cost": backfill.estimate([version]),
    }
    return render(request, "admin/leaderboard/taskversion/desk.html", context)


def _act(request: HttpRequest, version: TaskVersion) -> HttpResponse:
    user: Any = request.user
    made: list[TaskVersion] = []

    def dry_run() -> str:
        form = DryRunForm(request.POST)
        form.is_valid()
        chosen = form.cleaned_data.get("submission")
        if chosen is None:
            return "Choose a submission for the dry run."
        dry_runs.start(user, version, chosen)
        return f"A dry run of {chosen} is queued."

    def stop() -> str:
        for run in dry_runs.under_way(version):
            cancel(user, run)
        return "Its dry runs are cancelled, or asked to stop."

    def publish() -> str:
        with audit.recorded(user, "published", version):
            publish_task_version(version)
        return f"{version} is published: frozen from now on."

    def fill() -> str:
        n = len(backfill.start(user, [version]))
        return f"{n} evaluations queued, behind everything else."

    def retire() -> str:
        with audit.recorded(user, "retired", version):
            retire_version(version)
        return f"{version} is retired: shown, but no longer current."

    def new_version() -> str:
        new = version_changes.new_task_version(version)
        audit.record(user, "added", new, detail=f"From {version}.")
        made.append(new)
        return f"{new} is a draft, so far like {version}. Change what is to change."

    acts = {
        "dry_run": dry_run,
        "stop": stop,
        "publish": publish,
        "backfill": fill,
        "retire": retire,
        "new_version": new_version,
    }
    act = acts.get(request.POST.get("do", ""))
    if act is not None:
        told(request, act)
    if made:
        return redirect(reverse("admin:leaderboard_taskversion_change", args=[made[0].pk]))
    return redirect("admin:task-version-desk", pk=version.pk)


def _outcome(run: Evaluation) -> dict[str, Any]:
    """What a line of the table tells of a dry run."""
    return {
        "tells_of_present": dry_runs.tells_of_present(run),
        "is_waiting": run.state in (EvaluationState.QUEUED, EvaluationState.RUNNING),
        "scores": [(METRICS[s.metric], s) for s in run.scores.all() if s.metric in METRICS],
    }
