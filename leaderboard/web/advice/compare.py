"""Potentials side by side. Which ones, and which task is drawn, stand in the address."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from evaluator.catalog import Column
from leaderboard.charts import Chart
from leaderboard.charts.pareto import ParetoPoint, pareto_chart
from leaderboard.charts.parity import points_of
from leaderboard.charts.residuals import residual_chart
from leaderboard.exceptions import SubmissionError
from leaderboard.models import BenchmarkVersion, Submission
from leaderboard.models.disclosure import is_hidden
from leaderboard.services.advice.comparison import (
    MAX_COMPARED,
    MIN_COMPARED,
    Comparison,
    NotFound,
    TaskComparison,
    Wins,
    comparable_versions,
    compare,
    find_submissions,
)
from leaderboard.services.advice.recommendation import board_version
from leaderboard.services.advice.speed import atom_times
from leaderboard.services.boards import pareto
from leaderboard.services.boards.store import current_board
from leaderboard.services.evaluations.records import answers_of
from leaderboard.web.estimates import against_first
from leaderboard.web.names import compare_address, cut, key_of, options
from leaderboard.web.numbers import heat, metric, number

#: Up to so many are lists to choose from; more are offered where a name is typed.
MAX_LISTED, MAX_OFFERED = 60, 5000
_LEADERS = 3


@require_safe
def compare_page(request: HttpRequest) -> HttpResponse:
    """Compare.

    Without two names, show the form. Unknown and hidden names alike: the form, and HTTP 404.
    """
    names = request.GET.getlist("p")
    status, complaint = 200, ""
    submissions: list[Submission] = []
    try:
        submissions = find_submissions(names[: 20 * MAX_COMPARED], request.user)
    except SubmissionError as error:
        status, complaint = 400, str(error)
    except NotFound as missing:
        status = 404
        complaint = f"There is no potential {str(missing)[:60]!r}, or it is not public."
    typed = [key_of(s) for s in submissions] or names[:MAX_COMPARED]
    offered = _offered(request)
    context: dict[str, object] = {
        "complaint": complaint,
        "submissions": submissions,
        "offered": offered if len(offered) <= MAX_LISTED else [],
        "options": options(offered) if len(offered) > MAX_LISTED else None,
        # What was typed stays where a name of it is wrong.
        "slots": [
            typed[i] if i < len(typed) else ""
            for i in range(min(MAX_COMPARED, max(MIN_COMPARED, len(typed) + 1)))
        ],
        "max_compared": MAX_COMPARED,
    }
    version = board_version()
    if len(submissions) >= MIN_COMPARED:
        context |= _answer(request, submissions, version)
    elif version is not None and not submissions:
        leaders = _leaders(version)
        context |= {
            "leaders": [title for _, title in leaders],
            "compare_leaders": compare_address(key for key, _ in leaders),
        }
    return render(request, "compare.html", context, status=status)


def _offered(request: HttpRequest) -> list[tuple[str, str]]:
    """How a query names it, and how a reader does."""
    return [
        (f"{slug}:{version}", f"{cut(name, 60)} {cut(version, 40)}")
        for slug, version, name in comparable_versions(request.user, MAX_OFFERED)
    ]


def _leaders(version: BenchmarkVersion) -> list[tuple[str, str]]:
    """The first of the board: how a query names each, and how a reader does."""
    board = current_board(version)
    rows = [i for i in board.own.order[:_LEADERS].tolist() if board.own.rank[i]]
    leaders = [board.entrants[i] for i in rows]
    return [(e.key, cut(e.title, 60)) for e in leaders] if len(leaders) >= MIN_COMPARED else []


def _answer(
    request: HttpRequest, submissions: Sequence[Submission], version: BenchmarkVersion | None
) -> dict[str, object]:
    comparison = compare(submissions, version)
    drawable = [t for t in comparison.tasks if _columns(t)]
    wanted = request.GET.get("task", "")
    drawn = next((t for t in drawable if t.task_version.task.slug == wanted), None) or next(
        iter(drawable), None
    )
    return {
        "found": comparison,
        "tasks": [(task, metrics_html(task)) for task in comparison.tasks],
        "wins": [(wins, skills_html(wins)) for wins in comparison.wins],
        "drawable": drawable,
        "drawn": drawn,
        "residuals": _residuals(drawn, submissions) if drawn else None,
        "pareto": _pareto(comparison),
    }


def metrics_html(task: TaskComparison) -> SafeString:
    """A row for each metric: written here, since six potentials have thousands of numbers."""
    rows = []
    for row in task.metrics:
        about = metric(row.key)
        unit = f' <span class="soft">/ {escape(about.unit)}</span>' if about.unit else ""
        cells = []
        for cell in row.cells:
            margin = ""
            if cell.low is not None:
                ends = f"{number(cell.low, about.digits)} to {number(cell.high, about.digits)}"
                margin = f' <span class="margin">{ends}</span>'
            gap = against_first(cell.against_first, cell.gain, about.digits)
            value = number(cell.value, about.digits)
            cells.append(f'<td class="number small">{value}{margin}{gap}</td>')
        heading = f'<th scope="row" class="pinned plain small">{escape(about.label)}{unit}</th>'
        rows.append(f"<tr>{heading}{''.join(cells)}</tr>\n")
    return mark_safe("".join(rows))  # noqa: S308  (numbers, and words of the catalog)


def skills_html(wins: Wins) -> SafeString:
    """A row for each element."""
    return mark_safe(  # noqa: S308  (chemical symbols and numbers)
        "".join(
            f'<tr><th scope="row">{escape(part.name)}</th>'
            f'<td class="number soft">{part.n_systems}</td>'
            + "".join(f'<td class="number {heat(value)}">{number(value, 2)}</td>' for value in row)
            + "</tr>"
            for part, row in zip(wins.parts, wins.skills, strict=True)
        )
    )


def _columns(task: TaskComparison) -> list[Column]:
    """What can be drawn; nothing of a hidden reference set."""
    version = task.task_version
    if version.reference_set is None or is_hidden(version):
        return []
    by_name = {column.name: column for column in version.catalog_protocol.columns}
    return [by_name[name] for name in version.catalog_protocol.parity]


def _residuals(task: TaskComparison, submissions: Sequence[Submission]) -> Chart | None:
    """Residuals on the systems that all evaluated, of the first column that they have."""
    names = {
        cell.evaluation.pk: str(s)[:60]
        for s, cell in zip(submissions, task.cells, strict=True)
        if cell.evaluation is not None
    }
    rows = answers_of(list(names))
    for column in _columns(task):
        points = points_of(rows, column, names, lambda pk, _: f"/evaluations/{pk}/")
        if points.empty:
            continue
        n_potentials = points.groupby("system")["potential"].transform("nunique")
        common = points[n_potentials == len(names)]
        if not common.empty:
            return residual_chart(common, column, list(names.values()))
    return None


def _pareto(comparison: Comparison) -> Chart | None:
    """Overall score against time per atom, where all were timed by one task on one hardware."""
    timed = [t for t in comparison.tasks if t.task_version.protocol == "efficiency"]
    overall = comparison.categories[-1].cells if comparison.categories else []
    for task in timed:
        evaluations = [cell.evaluation for cell in task.cells]
        hardware = {e.hardware_key for e in evaluations if e is not None}
        if len(hardware) != 1:
            continue
        times = atom_times([e.pk for e in evaluations if e is not None])
        rows = [
            (s, cell, times[e.pk])
            for s, cell, e in zip(comparison.submissions, overall, evaluations, strict=True)
            if e is not None and cell.score is not None and times.get(e.pk)
        ]
        if len(rows) < MIN_COMPARED:
            continue
        front = pareto.front([t or 0.0 for *_, t in rows], [c.score or 0.0 for _, c, _ in rows])
        points = [
            ParetoPoint(
                name=str(s)[:60],
                cost=t or 0.0,
                score=c.score or 0.0,
                low=c.low,
                high=c.high,
                is_on_front=is_on,
                url=s.potential.get_absolute_url(),
            )
            for (s, c, t), is_on in zip(rows, front, strict=True)
        ]
        title = f"Accuracy against time on {hardware.pop()}"
        return pareto_chart(points, "µs per atom and step", title)
    return None
