"""The tasks: what is measured, how, and who does it well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from evaluator.catalog import METRICS, PROTOCOLS, Column
from leaderboard.charts import MAX_SERIES, Chart, parity_chart
from leaderboard.charts.families import Judged, task_charts
from leaderboard.charts.parity import points_of
from leaderboard.enums import VersionState
from leaderboard.models import TaskVersion
from leaderboard.models.disclosure import is_hidden, may_read_set, seen_by
from leaderboard.services.boards.counts import n_potentials_judged
from leaderboard.services.boards.resolution import of_task
from leaderboard.services.boards.task_maps import map_of_task
from leaderboard.services.boards.task_reader import task_view
from leaderboard.services.boards.types import TaskBoard, TaskRow
from leaderboard.services.definitions import published
from leaderboard.services.evaluations.progress import STATE_FIELDS
from leaderboard.services.evaluations.records import answers_of, summaries_of
from leaderboard.web.boards.committee import committee_part
from leaderboard.web.boards.skill_maps import DrawnTaskMap, drawn_task_map
from leaderboard.web.boards.systems import address_of_system, chosen_rows, label_of, systems_at
from leaderboard.web.boards.task_cells import rows_html
from leaderboard.web.names import options
from leaderboard.web.paging import page_of
from leaderboard.web.shared import shared_page

#: Up to so many rows, each can be ticked for the plots; of more, so many of the best.
_MOST_TICKED, _TICKED_OF_MANY = 60, 20
#: Of what waits, runs or has failed, so many each are listed.
_LISTED = 30


@require_safe
def task_list(request: HttpRequest) -> HttpResponse:
    """Protocol by protocol, in the order of the catalog. Three queries."""
    versions = list(published.newest_versions())
    n_judged = n_potentials_judged(versions)
    boards = published.benchmarks_with(versions)
    families = [
        (
            protocol,
            [
                (version, n_judged.get(version.pk, 0), boards.get(version.pk, []))
                for version in versions
                if version.protocol == protocol.name
            ],
        )
        for protocol in PROTOCOLS.values()
    ]
    context = {"families": [family for family in families if family[1]]}
    return render(request, "task_list.html", context)


@require_safe
def task(request: HttpRequest, slug: str, number: int | None = None) -> HttpResponseBase:
    """The newest published version, or the one asked for. Drafts are seen by the staff alone.

    A task that was retired keeps its address, and shows its last version. Whoever has the page is
    told so before anything is drawn, as on the overall board.
    """
    versions = published.versions_of(slug)
    shown = list(versions.shown().order_by("-number"))
    if number is not None:
        version = get_object_or_404(versions.visible_to(request.user), number=number)
    else:
        version = get_object_or_404(versions.current_or_last())
    board = task_view(version, request.user)
    n_judged = n_potentials_judged(shown)
    # What was read before the stamp and can change stands here: the stamp may be of a later moment.
    about = (version.task.name, version.task.summary, version.published_disguise_secret)
    listed = [
        (row.pk, row.state, row.published_at, is_hidden(row), n_judged.get(row.pk, 0))
        for row in (version, *shown)
    ]
    made_of = (board.stamp, _live_words(board), about, listed)
    draw = partial(_page, request, version, board, [(v, n_judged.get(v.pk, 0)) for v in shown])
    return shared_page(request, made_of, draw)


def _map(board: TaskBoard) -> DrawnTaskMap | None:
    task = map_of_task(board)
    return drawn_task_map(task) if task else None


def _guesses(board: TaskBoard) -> dict[str, float | None]:
    """Median error of an answer that knows nothing, by metric: it follows from the reference."""
    row = next((row for row in board.rows if row.metrics), None)
    return {key: score.baseline_error for key, score in row.metrics.items()} if row else {}


def _live_words(board: TaskBoard) -> list[object]:
    """What the page says of evaluations without a score; no stamp tells of it."""
    listed = [*board.pending[:_LISTED], *board.failed[:_LISTED]]
    seen = [seen_by(None, evaluation) for evaluation in listed]
    words = [(str(e.pk), *(getattr(e, field) for field in STATE_FIELDS)) for e in seen]
    return [len(board.pending), len(board.failed), *words]


def _page(
    request: HttpRequest,
    version: TaskVersion,
    board: TaskBoard,
    versions: Sequence[tuple[TaskVersion, int]],
) -> HttpResponse:
    unscored = _unscored_metrics(version, board)
    shows_all = request.GET.get("columns") == "all"
    page = page_of(board.rows, request.GET, ("columns",), fragment="#ranking")
    scored = [(METRICS[m.key], m) for m in version.scored_metrics()]
    others = unscored if shows_all else []
    column = _chosen_column(version, request.GET.get("plot", ""))
    drawing = _drawing(version, board, column, request.GET.getlist("show"))
    complaints = [text for text in (page.complaint, drawing.complaint) if text]
    return render(
        request,
        "task.html",
        {
            "version": version,
            "task": version.task,
            "is_over": all(row.state == VersionState.RETIRED for row, _ in versions),
            "protocol": version.catalog_protocol,
            "parameters": [
                (p, version.parameters.get(p.name, p.default))
                for p in version.catalog_protocol.parameters
            ],
            "scored": scored,
            "by_skill": version.is_scored_by_skill,
            "guesses": _guesses(board),
            "resolution": board.pages.value("resolution", lambda: of_task(board)),
            "map": board.pages.value("map", lambda: _map(board)),
            "committee": committee_part(board, page.rows, drawing.rows),
            "unscored": others,
            "shows_all": shows_all,
            "n_more_metrics": 0 if shows_all else len(unscored),
            "board": board,
            "page": page,
            "n_listed": _LISTED,
            "rows": rows_html(version, page.rows, [about.key for about, _ in scored], others),
            "complaints": complaints,
            "versions": versions,
            "shows_set": may_read_set(request.user, version.reference_set),
            "column": column,
            "columns": _parity_columns(version),
            "drawing": drawing,
            "max_drawn": MAX_SERIES,
            "chart": drawing.parity,
            "charts": drawing.charts,
            # Where nothing is plotted against a reference the first one stands beside the form.
            "more_charts": drawing.charts if column else drawing.charts[1:],
        },
        status=400 if complaints else 200,
    )


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What is drawn, and what else could be."""

    rows: list[TaskRow]
    #: Rows to tick: all of a short board, else the drawn and the best ones.
    choices: list[TaskRow]
    #: Options of the fields that take names, where not all can be ticked.
    names: SafeString | None
    parity: Chart | None
    charts: list[Chart]
    #: Names that are not on the board, one sentence.
    complaint: str


def _drawing(
    version: TaskVersion, board: TaskBoard, column: Column | None, names: Sequence[str]
) -> Drawing:
    rows, unknown = chosen_rows(board.rows, names)
    is_long = len(board.rows) > _MOST_TICKED
    first = board.rows[:_TICKED_OF_MANY]
    parity, charts = _charts(version, board, column, rows)
    return Drawing(
        rows=rows,
        choices=[*first, *(row for row in rows if row not in first)] if is_long else board.rows,
        names=_names(board) if is_long else None,
        parity=parity,
        charts=charts,
        complaint=f"No {unknown[:60]!r} has a score on this task." if unknown else "",
    )


def _names(board: TaskBoard) -> SafeString:
    def choices() -> SafeString:
        return options((row.entrant.key, row.entrant.title) for row in board.rows)

    return choices() if board.has_private else board.pages.value("names", choices)


def _charts(
    version: TaskVersion, board: TaskBoard, column: Column | None, rows: Sequence[TaskRow]
) -> tuple[Chart | None, list[Chart]]:
    """Kept with the board, since records never change: the one of the column, and the family's."""
    key = ("charts", column and column.name, *(row.evaluation_id for row in rows))
    return board.pages.value(
        key,
        lambda: (
            _chart(version, column, rows) if column else None,
            _family_charts(version, rows),
        ),
    )


def _unscored_metrics(version: TaskVersion, board: TaskBoard) -> list[str]:
    """Measured and shown, but without anchors: in the catalog's order."""
    scored = {metric.key for metric in version.scored_metrics()}
    unscored = board.metrics - scored
    return [key for key in version.catalog_protocol.metrics if key in unscored]


def _parity_columns(version: TaskVersion) -> list[Column]:
    """The columns that can be plotted; none where the reference is hidden.

    Where the set holds some of them by their names, those that it lacks are left out.
    """
    if version.reference_set is None or is_hidden(version):
        return []
    by_name = {column.name: column for column in version.catalog_protocol.columns}
    names = version.catalog_protocol.parity
    held = [name for name in names if name in version.reference_set.properties]
    return [by_name[name] for name in held or names]


def _chosen_column(version: TaskVersion, name: str) -> Column | None:
    columns = _parity_columns(version)
    return next((column for column in columns if column.name == name), next(iter(columns), None))


def _chart(version: TaskVersion, column: Column, rows: Sequence[TaskRow]) -> Chart | None:
    names = {row.evaluation_id: label_of(row) for row in rows}
    points = points_of(
        answers_of(list(names)), column, names, lambda _, system: address_of_system(version, system)
    )
    if points.empty:
        return None
    drawn = set(points["potential"])
    return parity_chart(points, column, [name for name in names.values() if name in drawn])


def _family_charts(version: TaskVersion, rows: Sequence[TaskRow]) -> list[Chart]:
    """What the protocol draws of several potentials; nothing of a hidden reference."""
    if version.reference_set is None or is_hidden(version):
        return []
    summaries = summaries_of([row.evaluation_id for row in rows])
    return task_charts(
        version.protocol,
        [
            Judged(
                evaluation_pk=row.evaluation_id,
                label=label_of(row),
                summary=summaries[row.evaluation_id],
                systems_at=systems_at(version),
            )
            for row in rows
        ],
    )
