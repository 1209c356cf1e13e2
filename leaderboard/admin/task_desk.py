"""One page for what is done with a task version between its form and its retirement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from evaluator.catalog import METRICS
from leaderboard.admin.asking import Part, Question, part_of_changes, question_of_versions
from leaderboard.admin.base import ModelAdmin
from leaderboard.admin.versions import act_at_desk, acts_of_desk
from leaderboard.enums import EvaluationState, VersionState
from leaderboard.models import Evaluation, Submission, TaskVersion
from leaderboard.services.accounts import audit
from leaderboard.services.definitions import backfill, consequences, dry_runs, version_changes
from leaderboard.services.definitions.task_checks import check_task_version
from leaderboard.services.definitions.tasks import publish_task_version
from leaderboard.services.evaluations.lifecycle import cancel

_N_DRY_RUNS = 10


class _SubmissionField(forms.ModelChoiceField):  # type: ignore[type-arg]  # no [] at runtime
    def label_from_instance(self, submission: Submission) -> str:
        """With the slug: two potentials may have one name."""
        return f"{submission} ({submission.potential.slug})"


class DryRunForm(forms.Form):
    submission = _SubmissionField(
        queryset=Submission.objects.filter(withdrawn_at__isnull=True).select_related("potential"),
        help_text="It runs on a worker like everybody later, and stands on no board.",
    )


def show(admin: ModelAdmin, request: HttpRequest, version: TaskVersion) -> HttpResponse:
    """The page, or what a button on it asks for."""
    if not request.user.has_perm("leaderboard.change_taskversion"):
        raise PermissionDenied
    if request.method == "POST":
        return _act(admin, request, version)
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


def question_of(do: str, versions: Sequence[TaskVersion], back: str) -> Question:
    """What is asked before these versions are published or retired."""
    parts = [
        part if len(versions) == 1 else replace(part, heading=f"{version}: {part.heading.lower()}")
        for version in versions
        for part in _PARTS[do](version)
    ]
    return question_of_versions(do, versions, parts, back)


def _parts_of_publishing(version: TaskVersion) -> list[Part]:
    trials, is_tried = consequences.trials_of(version)
    earlier = version_changes.previous(version)
    if earlier is None:
        differs = Part(heading="What differs", sentences=["It is the first version of its task."])
    else:
        changes = version_changes.task_changes(earlier, version)
        nothing = "Nothing: it reads like the version before it."
        differs = part_of_changes(earlier, version, changes, nothing)
    return [
        Part(heading="What uses it", sentences=consequences.of_publishing_task(version)),
        Part(heading="Whether it was tried", sentences=trials, is_warning=not is_tried),
        differs,
    ]


def _parts_of_retiring(version: TaskVersion) -> list[Part]:
    return [
        Part(heading="What uses it", sentences=consequences.uses_of_task_version(version)),
        Part(heading="What it means", sentences=consequences.of_retiring_task(version)),
    ]


_PARTS = {"publish": _parts_of_publishing, "retire": _parts_of_retiring}


def _act(admin: ModelAdmin, request: HttpRequest, version: TaskVersion) -> HttpResponse:
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

    def new_version() -> str:
        new = version_changes.new_task_version(version)
        audit.record(user, "added", new, detail=f"From {version}.")
        made.append(new)
        return f"{new} is a draft, so far like {version}. Change what is to change."

    def ask(do: str) -> Question | None:
        if do not in _PARTS or (do == "publish" and check_task_version(version)):
            return None
        return question_of(do, [version], request.path)

    acts = acts_of_desk(request, version, lambda: [version], publish_task_version)
    acts |= {"dry_run": dry_run, "stop": stop, "new_version": new_version}
    return act_at_desk(admin, request, version, acts, ask, made)


def _outcome(run: Evaluation) -> dict[str, Any]:
    """What a line of the table tells of a dry run."""
    return {
        "tells_of_present": dry_runs.tells_of_present(run),
        "is_waiting": run.state in (EvaluationState.QUEUED, EvaluationState.RUNNING),
        "scores": [(METRICS[s.metric], s) for s in run.scores.all() if s.metric in METRICS],
    }
