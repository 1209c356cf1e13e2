"""One page for what is done with a benchmark version: preview, publish, back-fill, retire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from leaderboard.admin.asking import Part, Question, part_of_changes, question_of_versions
from leaderboard.admin.base import ModelAdmin
from leaderboard.admin.versions import act_at_desk, acts_of_desk
from leaderboard.enums import VersionState
from leaderboard.exceptions import SubmissionError
from leaderboard.models import BenchmarkTask, BenchmarkVersion, TaskVersion
from leaderboard.services.accounts import audit
from leaderboard.services.advice.recommendation import board_version
from leaderboard.services.boards.reader import BoardRow, view_for, with_live_states
from leaderboard.services.boards.store import current_board, without_unanswered_tasks
from leaderboard.services.definitions import backfill, consequences, version_changes
from leaderboard.services.definitions.benchmark_checks import check_benchmark_version
from leaderboard.services.definitions.tasks import publish_benchmark_version


def show(admin: ModelAdmin, request: HttpRequest, version: BenchmarkVersion) -> HttpResponse:
    """The page, or what a button on it asks for."""
    if not request.user.has_perm("leaderboard.change_benchmarkversion"):
        raise PermissionDenied
    if request.method == "POST":
        return _act(admin, request, version)
    is_draft = version.state == VersionState.DRAFT
    preview = _preview(request, version)
    entries = list(version.entries.select_related("task_version__task"))
    earlier = version_changes.previous(version)
    context = {
        **admin.admin_site.each_context(request),
        "title": f"{version}: {version.get_state_display().lower()}",
        "opts": admin.opts,
        "version": version,
        "is_draft": is_draft,
        "entries": entries,
        "preview": preview,
        "complaints": check_benchmark_version(version) if is_draft else {},
        "earlier": earlier,
        "changes": version_changes.benchmark_changes(earlier, version) if earlier else [],
        "cost": backfill.estimate([entry.task_version for entry in entries]),
        "filling": None if is_draft else backfill.filling(version),
    }
    return render(request, "admin/leaderboard/benchmarkversion/desk.html", context)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """The board of a version for its desk."""

    entries: Sequence[BenchmarkTask] = ()
    rows: Sequence[BoardRow] = ()
    #: Tasks on which nobody has a score: a draft is ranked without them.
    left_out: Sequence[BenchmarkTask] = ()
    complaint: str = ""


def _preview(request: HttpRequest, version: BenchmarkVersion) -> Preview:
    """Return the board as everybody would see it, private submissions of the reader's own apart."""
    try:
        board = current_board(version)
        left_out: list[BenchmarkTask] = []
        if version.state == VersionState.DRAFT:
            board, left_out = without_unanswered_tasks(board)
        view = view_for(board, request.user)
    except SubmissionError as error:
        return Preview(complaint=str(error))
    return Preview(entries=board.entries, rows=with_live_states(view), left_out=left_out)


def question_of(do: str, versions: Sequence[BenchmarkVersion], back: str) -> Question:
    """What is asked before these versions are published or retired."""
    parts = [part for version in versions for part in _PARTS[do](version)]
    return question_of_versions(do, versions, parts, back)


def _parts_of_publishing(version: BenchmarkVersion) -> list[Part]:
    meaning = Part(
        heading=f"What {version} means", sentences=consequences.of_publishing_benchmark(version)
    )
    earlier = version_changes.previous(version)
    if earlier is None:
        first = ["It is the first version of its benchmark."]
        return [meaning, Part(heading="What differs", sentences=first)]
    changes = version_changes.benchmark_changes(earlier, version)
    nothing = "Nothing: it holds what the version before it does."
    return [meaning, part_of_changes(earlier, version, changes, nothing)]


def _parts_of_retiring(version: BenchmarkVersion) -> list[Part]:
    sentences = consequences.of_retiring_benchmark(version)
    if version == board_version():
        first = "The first page of the site shows it, and then another board, if there is one."
        sentences = [first, *sentences]
    return [Part(heading=f"What {version} means", sentences=sentences)]


_PARTS = {"publish": _parts_of_publishing, "retire": _parts_of_retiring}


def _act(admin: ModelAdmin, request: HttpRequest, version: BenchmarkVersion) -> HttpResponse:
    made: list[BenchmarkVersion] = []

    def tasks() -> list[TaskVersion]:
        return [e.task_version for e in version.entries.select_related("task_version__task")]

    def new_version() -> str:
        new = version_changes.new_benchmark_version(version)
        audit.record(request.user, "added", new, detail=f"From {version}.")
        made.append(new)
        return f"{new} is a draft with the newest version of each task."

    def ask(do: str) -> Question | None:
        if do not in _PARTS or (do == "publish" and check_benchmark_version(version)):
            return None
        return question_of(do, [version], request.path)

    acts = acts_of_desk(request, version, tasks, publish_benchmark_version)
    return act_at_desk(admin, request, version, acts | {"new_version": new_version}, ask, made)
