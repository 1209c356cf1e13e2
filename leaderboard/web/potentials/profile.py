"""The potentials: who made them, where they stand and why, how to run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from evaluator.catalog import CALCULATOR_KINDS
from evaluator.standard_tasks.read import SMOKE_TASK
from leaderboard.charts import Chart
from leaderboard.charts.families import Judged, evaluation_charts
from leaderboard.enums import EvaluationState
from leaderboard.models import Evaluation, Submission, Task, permissions
from leaderboard.models.disclosure import is_hidden, seen_by
from leaderboard.services.advice.agreement import TOLERANCE_PERCENT, agreement
from leaderboard.services.advice.judgements import judgement
from leaderboard.services.boards.grades import grades
from leaderboard.services.boards.reader import BoardRow, BoardView, view_for
from leaderboard.services.boards.skill_maps import map_of, skill_rows
from leaderboard.services.boards.store import current_board
from leaderboard.services.evaluations.progress import scored_evaluations
from leaderboard.services.evaluations.records import failures_of
from leaderboard.services.submissions.lists import versions_of
from leaderboard.services.submissions.submissions import default_benchmark
from leaderboard.web.boards.skill_maps import DrawnMap, drawn_map
from leaderboard.web.boards.systems import systems_at
from leaderboard.web.potentials.history import history
from leaderboard.web.potentials.words import bibtex, loading

_TIMED = "efficiency"
_FAILURES_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class VersionCard:
    """One version of a potential with all that was measured on it."""

    submission: Submission
    row: BoardRow | None
    evaluations: list[Evaluation]


@require_safe
def potential(request: HttpRequest, slug: str) -> HttpResponse:
    """One version in full, the newest or that of ``version``; the others by their numbers."""
    potentials = permissions.visible_potentials(request.user).select_related("owner")
    potential = get_object_or_404(potentials.named(slug))
    submissions = versions_of(potential, request.user)
    version = default_benchmark()
    board = view_for(current_board(version), request.user) if version else None
    cards = _cards(submissions, board)
    card = _chosen(cards, request.GET.get("version", "")) or _telling(cards)
    return render(
        request,
        "potential.html",
        {
            "potential": potential,
            "board": board,
            "n_ranked": int((board.ranking.rank > 0).sum()) if board else 0,
            "cards": cards,
            "card": card,
            "kinds": CALCULATOR_KINDS,
            "history": history(potential, version, request.user),
            "is_owner": permissions.may_submit(request.user, potential),
            "may_edit": permissions.may_manage(request.user, potential),
            "is_public": any(s.visibility == "public" and not s.withdrawn_at for s in submissions),
            "badge": request.build_absolute_uri(f"/api/v1/potentials/{potential.slug}/badge.svg"),
            "page": request.build_absolute_uri(potential.get_absolute_url()),
            "bibtex": bibtex(potential),
            **(_in_full(card, board) if card else {}),
        },
    )


def _chosen(cards: Sequence[VersionCard], version: str) -> VersionCard | None:
    """Http404 where no such version is shown to this reader."""
    if not version:
        return None
    for card in cards:
        if card.submission.version == version:
            return card
    raise Http404("no such version, or it is not public")


def _telling(cards: Sequence[VersionCard]) -> VersionCard | None:
    """The newest version that stands and has been evaluated; else the newest."""
    candidates = (c for c in cards if c.submission.withdrawn_at is None and _done(c))
    return next(candidates, cards[0] if cards else None)


def _done(card: VersionCard) -> list[Evaluation]:
    return [e for e in card.evaluations if e.state == EvaluationState.SUCCEEDED]


def _in_full(card: VersionCard, board: BoardView | None) -> dict[str, Any]:
    done = _done(card)
    charts = _speed_charts(card.submission, done)
    return {
        "judgement": judgement(board.board if board else None, card.row, done),
        "maps": _maps(done),
        "grades": grades(done) if done else [],
        "agreement": agreement(done),
        "tolerated_percent": TOLERANCE_PERCENT,
        "failures": _failures(done),
        "unfinished": [e for e in card.evaluations if e.has_ended and e not in done],
        "charts": charts,
        "loading": loading(card.submission),
    }


def _maps(done: Sequence[Evaluation]) -> list[tuple[Task, Evaluation, DrawnMap]]:
    """Of each task scored by skill on an open set, as on the board."""
    rows = skill_rows(e.pk for e in done)
    maps = [(e, drawn_map(map_of(e.pk, rows[e.pk]))) for e in done if e.pk in rows]
    return [(e.task_version.task, e, drawn) for e, drawn in maps if drawn is not None]


def _failures(done: Sequence[Evaluation]) -> list[tuple[Evaluation, str, int]]:
    """Why systems failed: evaluation, reason, how many; the most frequent first."""
    by_pk = {e.pk: e for e in done}
    rows = failures_of(list(by_pk), _FAILURES_SHOWN)
    return [(by_pk[pk], message, n) for pk, message, n in rows]


def _speed_charts(submission: Submission, done: Sequence[Evaluation]) -> list[Chart]:
    timed = next((e for e in done if e.task_version.protocol == _TIMED), None)
    if timed is None:
        return []
    if is_hidden(timed.task_version):
        return []
    judged = Judged(
        evaluation_pk=timed.pk,
        label=str(submission),
        summary=timed.summary,
        systems_at=systems_at(timed.task_version),
    )
    return evaluation_charts(_TIMED, judged)


def _cards(submissions: list[Submission], board: BoardView | None) -> list[VersionCard]:
    rows = {row.entrant.submission: row for row in board.rows} if board else {}
    evaluations: dict[object, list[Evaluation]] = {s.pk: [] for s in submissions}
    by_pk = {s.pk: s for s in submissions}
    scored = scored_evaluations(submissions)
    places = {e.task_version_id: i for i, e in enumerate(board.entries)} if board else {}
    for evaluation in sorted(scored, key=lambda e: _place_of(e, places)):
        evaluation.submission = by_pk[evaluation.submission_id]
        # What follows from them (remarks, grades, words) is written for everybody.
        evaluations[evaluation.submission_id].append(seen_by(None, evaluation))
    return [
        VersionCard(submission=s, row=rows.get(str(s.pk)), evaluations=evaluations[s.pk])
        for s in submissions
    ]


def _place_of(evaluation: Evaluation, places: Mapping[int, int]) -> tuple[bool, int]:
    """Order tasks as on the board, then the others.

    The task that only asks whether it runs comes last.
    """
    version = evaluation.task_version
    return version.task.slug == SMOKE_TASK, places.get(version.pk, len(places))
