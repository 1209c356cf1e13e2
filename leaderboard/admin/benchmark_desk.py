"""One page for what is done with a benchmark version: preview, publish, back-fill, retire."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from leaderboard.admin.base import ModelAdmin, told
from leaderboard.enums import VersionState
from leaderboard.exceptions import SubmissionError
from leaderboard.models import BenchmarkVersion
from leaderboard.services.accounts import audit
from leaderboard.services.boards.reader import BoardRow, BoardView, view_for, with_live_states
from leaderboard.services.boards.store import current_board
from leaderboard.services.definitions import backfill, version_changes
from leaderboard.services.definitions.tasks import publish_benchmark_version, retire_version


def show(admin: ModelAdmin, request: HttpRequest, version: BenchmarkVersion) -> HttpResponse:
    """The page, or what a button on it asks for."""
    if not request.user.has_perm("leaderboard.change_benchmarkversion"):
        raise PermissionDenied
    if request.method == "POST":
        return _act(request, version)
    is_draft = version.state == VersionState.DRAFT
    board, complaint = _board(request, version)
    entries = list(version.entries.select_related("task_version__task"))
    earlier = (
        version.benchmark.versions.filter(number__lt=version.number)
        .exclude(state=VersionState.DRAFT)
        .order_by("-number")
        .first()
    )
    context = {
        **admin.admin_site.each_context(request),
        "title": f"{version}: {version.get_state_display().lower()}",
        "opts": admin.opts,
        "version": version,
        "is_draft": is_draft,
        "entries": entries,
        "board": board,
        "lines": _lines(board) if board else [],
        "complaint": complaint,
        "earlier": earlier,
        "changes": version_changes.benchmark_changes(earlier, version) if earlier else [],
        "cost": backfill.estimate([entry.task_version for entry in entries]),
        "filling": None if is_draft else backfill.filling(version),
    }
    return render(request, "admin/leaderboard/benchmarkversion/desk.html", context)


def _board(request: HttpRequest, version: BenchmarkVersion) -> tuple[BoardView | None, str]:
    """Return the board as everybody would see it, private submissions of the reader's own apart."""
    try:
        return view_for(current_board(version), request.user), ""
    except SubmissionError as error:
        return None, str(error)


def _lines(board: BoardView) -> list[tuple[BoardRow, list[tuple[float | None, str]]]]:
    """Return each row with its score on each task and, where it has none, what is under way."""
    return [
        (row, [(cell.score, cell.state) for cell in cells])
        for row, cells in with_live_states(board)
    ]


def _act(request: HttpRequest, version: BenchmarkVersion) -> HttpResponse:
    user: Any = request.user
    made: list[BenchmarkVersion] = []

    def publish() -> str:
        with audit.recorded(user, "published", version):
            publish_benchmark_version(version)
        return f"{version} is published: frozen from now on."

    def fill() -> str:
        tasks = [e.task_version for e in version.entries.select_related("task_version__task")]
        n = len(backfill.start(user, tasks))
        return f"{n} evaluations queued, behind everything else."

    def retire() -> str:
        with audit.recorded(user, "retired", version):
            retire_version(version)
        return f"{version} is retired: shown, but no longer current."

    def new_version() -> str:
        new = version_changes.new_benchmark_version(version)
        audit.record(user, "added", new, detail=f"From {version}.")
        made.append(new)
        return f"{new} is a draft with the newest version of each task."

    acts = {"publish": publish, "backfill": fill, "retire": retire, "new_version": new_version}
    act = acts.get(request.POST.get("do", ""))
    if act is not None:
        told(request, act)
    if made:
        return redirect(reverse("admin:leaderboard_benchmarkversion_change", args=[made[0].pk]))
    return redirect("admin:benchmark-version-desk", pk=version.pk)
