"""A submission with its progress; an evaluation with all that it found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page, require_POST, require_safe

from evaluator.catalog import CALCULATOR_KINDS, Column
from evaluator.contract import Phase
from leaderboard.charts import Chart
from leaderboard.charts.families import Judged, evaluation_charts
from leaderboard.enums import EvaluationState, Visibility
from leaderboard.exceptions import ConflictError, SubmissionError
from leaderboard.models import (
    Evaluation,
    EvaluationFile,
    Submission,
    SystemResult,
    TaskVersion,
    disclosure,
    permissions,
)
from leaderboard.services.boards.committee import UNITS, uncertainties_of
from leaderboard.services.boards.rules import has_theory_mismatch, why_not_ranked
from leaderboard.services.boards.skill_maps import map_of, skill_rows
from leaderboard.services.evaluations import lifecycle, queue
from leaderboard.services.evaluations.progress import current_evaluations
from leaderboard.services.evaluations.runtimes import state_sentence
from leaderboard.services.evaluations.waiting import waiting_reason
from leaderboard.services.submissions.submissions import publish, withdraw
from leaderboard.web.boards.committee import DIGITS, LABELS
from leaderboard.web.boards.skill_maps import DrawnMap, drawn_map
from leaderboard.web.boards.summaries import summary_parts
from leaderboard.web.boards.systems import address_of_system, systems_at
from leaderboard.web.errors import too_many_submitted

SYSTEMS_PER_PAGE = 500
#: Before the name of a quantity, what sorts by it.
_UNCERTAINTY = "uncertainty-"


@require_safe
@cache_control(private=True, no_store=True)
def submission(request: HttpRequest, pk: UUID) -> HttpResponse:
    submission = _submission(request, pk)
    may_manage = submission.withdrawn_at is None and permissions.may_manage(
        request.user, submission.potential
    )
    return render(
        request,
        "submission.html",
        {
            **_progress(submission, request.user),
            "kind": CALCULATOR_KINDS[submission.calculator_kind],
            "runtime_state": state_sentence(submission.runtime_lock)
            if submission.runtime_lock
            else "",
            "may_withdraw": may_manage,
            "may_publish": may_manage and submission.visibility == Visibility.PRIVATE,
        },
    )


@require_safe
@conditional_page
def submission_progress(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The part of the page that moves, with an ETag: an unchanged one is answered by 304."""
    submission = _submission(request, pk)
    response = render(request, "includes/progress.html", _progress(submission, request.user))
    response["Cache-Control"] = "private, no-cache"
    return response


@require_POST
@login_required
def submission_publish(request: HttpRequest, pk: UUID) -> HttpResponse:
    user, submission = _managed(request, pk)
    try:
        publish(user, submission)
    except ConflictError as error:  # withdrawn meanwhile
        messages.error(request, str(error))
    else:
        messages.success(request, f"{submission} is public: everybody sees it, and it is ranked.")
    return redirect(submission)


@require_POST
@login_required
def submission_withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    user, submission = _managed(request, pk)
    withdraw(user, submission)
    messages.success(request, f"{submission} is withdrawn: it stands on no board any more.")
    return redirect(submission)


def _managed(request: HttpRequest, pk: UUID) -> tuple[User, Submission]:
    """The reader and a submission of his to decide about; 404 for all others."""
    submission = _submission(request, pk)
    if request.user.is_anonymous or not permissions.may_manage(request.user, submission.potential):
        raise Http404
    return request.user, submission


@require_safe
@cache_control(private=True, no_store=True)  # of one reader: another may see less of it
def evaluation(request: HttpRequest, pk: UUID) -> HttpResponse:
    evaluation = _evaluation(request, pk)
    version = evaluation.task_version
    may_submit = permissions.may_submit(request.user, evaluation.submission.potential)
    shows = disclosure.may_read(request.user, evaluation, disclosure.Part.DETAILS)
    done = evaluation.state == EvaluationState.SUCCEEDED
    uncertainties = uncertainties_of(evaluation) if shows and done else {}
    sort = request.GET.get("sort", "")
    systems = list(evaluation.systems.all()) if shows else []
    systems = _sorted_systems(systems, sort, uncertainties)
    page = Paginator(systems, SYSTEMS_PER_PAGE).get_page(request.GET.get("page"))
    known = _measured(systems, version.catalog_protocol.columns)
    shows_all = request.GET.get("columns") == "all"
    columns = [c for c in known if shows_all or c.is_primary]
    files = _files(evaluation) if shows else {}
    seen = disclosure.seen_by(request.user, evaluation)
    scored = {metric.key: metric for metric in version.scored_metrics()}
    by_skill = version.is_scored_by_skill
    return render(
        request,
        "evaluation.html",
        {
            "evaluation": seen,
            "submission": evaluation.submission,
            "version": version,
            "scores": [(score, scored.get(score.metric)) for score in seen.scores.all()],
            "by_skill": by_skill,
            # Records without a score, of what was refused or broke off, have no skills.
            "tells_skills": by_skill and done and seen.score is not None,
            "columns": columns,
            "uncertainties": [
                (f"{_UNCERTAINTY}{name}", LABELS[name].lower(), UNITS[name])
                for name in uncertainties
            ],
            "names": _names(list(page.object_list), columns),
            "lines": [
                _line(version, system, columns, files.get(system.system_id, []), uncertainties)
                for system in page.object_list
            ],
            "n_files": sum(not file.left_out for some in files.values() for file in some),
            "page": page,
            "sort": sort,
            "shows_all": shows_all,
            "n_more_columns": len(known) - len(columns),
            "is_hidden": disclosure.is_hidden(version),
            "shows_details": shows,
            "why_withheld": disclosure.WHY_WITHHELD,
            "why_not_ranked": why_not_ranked(seen, version) if done else "",
            "theory_mismatch": has_theory_mismatch(evaluation.submission, version),
            "may_see_logs": disclosure.may_read(request.user, evaluation, disclosure.Part.LOG),
            "ahead": queue.places([evaluation]).get(evaluation.pk),
            "map": _map(evaluation) if by_skill and done else None,
            "charts": _charts(evaluation) if shows else [],
            "told": summary_parts(version.protocol, seen.summary),
            "may_cancel": may_submit
            and not evaluation.has_ended
            and not evaluation.cancel_requested_at,
            "may_repeat": may_submit and not lifecycle.why_not_repeatable(evaluation),
        },
    )


@require_POST
@login_required
def evaluation_cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    user, evaluation = _submitted(request, pk)
    if refused := too_many_submitted(request, user):
        return refused
    try:
        ended = lifecycle.cancel(user, evaluation).has_ended
    except ConflictError as error:  # it ended meanwhile
        messages.error(request, str(error))
    else:
        messages.success(request, "It is stopped." if ended else "It will stop within seconds.")
    return redirect(evaluation)


@require_POST
@login_required
def evaluation_reevaluate(request: HttpRequest, pk: UUID) -> HttpResponse:
    user, evaluation = _submitted(request, pk)
    if refused := too_many_submitted(request, user):
        return refused
    try:
        new = lifecycle.reevaluate(user, evaluation, request.POST.get("reason", ""))
    except SubmissionError as error:  # no reason, no quota, or repeated meanwhile
        messages.error(request, str(error))
        return redirect(evaluation)
    messages.success(request, "It is queued anew, and takes the place of the one before.")
    return redirect(new)


def _submitted(request: HttpRequest, pk: UUID) -> tuple[User, Evaluation]:
    """The reader and an evaluation of what he may submit; 404 for all others."""
    evaluation = _evaluation(request, pk)
    potential = evaluation.submission.potential
    if request.user.is_anonymous or not permissions.may_submit(request.user, potential):
        raise Http404
    return request.user, evaluation


def _evaluation(request: HttpRequest, pk: UUID) -> Evaluation:
    return get_object_or_404(
        Evaluation.objects.all()
        .visible_to(request.user)
        .select_related(
            "submission__potential__owner",
            "submission__artifact",
            "task_version__task",
            "task_version__reference_set",
            "held_by",
            "worker",
        )
        .prefetch_related("scores"),
        pk=pk,
    )


def _map(evaluation: Evaluation) -> DrawnMap | None:
    """Nothing of a hidden set, for anybody."""
    rows = skill_rows([evaluation.pk])
    if evaluation.pk not in rows:
        return None
    return drawn_map(map_of(evaluation.pk, rows[evaluation.pk], with_intervals=True))


def _charts(evaluation: Evaluation) -> list[Chart]:
    label = str(evaluation.submission)
    judged = Judged(
        evaluation_pk=evaluation.pk,
        label=label,
        summary=evaluation.summary,
        systems_at=systems_at(evaluation.task_version),
    )
    return evaluation_charts(evaluation.task_version.protocol, judged)


@dataclass(frozen=True, kw_only=True)
class SystemLine:
    system: SystemResult
    #: The page of the system with all potentials.
    address: str
    #: (predicted, reference or None) in the order of the columns.
    pairs: list[tuple[Any, Any, Column]]
    files: list[EvaluationFile]
    #: What the others say of it, with the digits to show.
    uncertainties: list[tuple[float | None, int]]


def _submission(request: HttpRequest, pk: UUID) -> Submission:
    return get_object_or_404(
        Submission.objects.all()
        .visible_to(request.user)
        .select_related("potential__owner", "artifact", "runtime_lock"),
        pk=pk,
    )


def _progress(submission: Submission, reader: permissions.Person) -> dict[str, Any]:
    seen = [disclosure.seen_by(reader, e) for e in current_evaluations(submission)]
    waiting = [e for e in seen if e.state == EvaluationState.QUEUED]
    places = queue.places(waiting)
    n_ended = sum(e.has_ended for e in seen)
    return {
        "submission": submission,
        "steps": [(e, places.get(e.pk), _percent_done(e)) for e in seen],
        "waiting_reason": waiting_reason(waiting[0]) if waiting else "",
        "n_ended": n_ended,
        "has_ended": n_ended == len(seen),
    }


def _percent_done(evaluation: Evaluation) -> int | None:
    if evaluation.phase == Phase.SIMULATING and evaluation.progress_total:
        return math.floor(100 * evaluation.progress_done / evaluation.progress_total)
    return None


def _names(systems: Sequence[SystemResult], columns: Sequence[Column]) -> list[str]:
    """What the records tell besides the catalog's columns, in words: the element, say."""
    known = {column.name for column in columns}
    names: dict[str, None] = {}
    for system in systems:
        names.update(
            dict.fromkeys(
                name
                for name, value in system.values.items()
                if name not in known and isinstance(value, str) and 0 < len(value) <= 40
            )
        )
    return list(names)[:3]


def _files(evaluation: Evaluation) -> dict[str, list[EvaluationFile]]:
    """Output files by the system's name."""
    by_system: dict[str, list[EvaluationFile]] = {}
    for file in evaluation.files.all():
        by_system.setdefault(file.system_id, []).append(file)
    return by_system


def _measured(systems: Sequence[SystemResult], columns: Sequence[Column]) -> list[Column]:
    """Columns in which some system has a number: a task measures only part of its protocol's."""
    measured = {
        name for system in systems for name, value in system.values.items() if value is not None
    }
    return [column for column in columns if column.name in measured]


def _line(
    version: TaskVersion,
    system: SystemResult,
    columns: Sequence[Column],
    files: list[EvaluationFile],
    uncertainties: Mapping[str, Sequence[float | None]],
) -> SystemLine:
    at = system.position
    return SystemLine(
        uncertainties=[
            (by_system[at] if at < len(by_system) else None, DIGITS[name])
            for name, by_system in uncertainties.items()
        ],
        system=system,
        address=address_of_system(version, system.system_id),
        files=files,
        pairs=[(system.values.get(c.name), system.reference.get(c.name), c) for c in columns],
    )


def _sorted_systems(
    systems: list[SystemResult], sort: str, uncertainties: Mapping[str, Sequence[float | None]]
) -> list[SystemResult]:
    """Sort by a column's value or by what the others say, descending with a leading minus.

    Those without a value stand last.
    """
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    if name == "status":
        return sorted(systems, key=lambda s: (s.status, s.position), reverse=descending)
    known = {s.position: s.values.get(name) for s in systems}
    if name.startswith(_UNCERTAINTY):
        known = dict(enumerate(uncertainties.get(name.removeprefix(_UNCERTAINTY), ())))
    numbers = {at: value for at, value in known.items() if isinstance(value, int | float)}
    with_value = [s for s in systems if s.position in numbers]
    without = [s for s in systems if s.position not in numbers]
    return sorted(with_value, key=lambda s: numbers[s.position], reverse=descending) + without
