"""``touchstone leaderboard``: the ranking, in a terminal."""

from __future__ import annotations

import argparse
import json
from typing import Any

from evaluator.cli.display import NOT_COVERED
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.report_table import format_table
from evaluator.cli.service import add_service_arguments, connect
from evaluator.cli.suggestions import suggesting
from evaluator.cli.told_names import remember
from evaluator.client import Client, Leaderboard, TaskBoard
from evaluator.client.records import BoardCell, Standing
from evaluator.exceptions import SubmissionError


def add_command(commands: Any) -> None:  # noqa: ANN401  (argparse keeps its type private)
    parser = commands.add_parser("leaderboard", help="print a ranking")
    parser.add_argument(
        "benchmark", nargs="?", help="its slug; left out, the one that submissions are judged by"
    )
    parser.add_argument("--task", metavar="SLUG", help="the ranking on a single task")
    parser.add_argument("--version", type=int, metavar="N", help="of the benchmark or task")
    add_service_arguments(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    client = connect(arguments, needs_token=False)
    if arguments.task is not None and arguments.benchmark is not None:
        raise SubmissionError("name a benchmark or a --task, not both")
    board: Leaderboard | TaskBoard
    if arguments.task is not None:
        with suggesting("task", arguments.task, lambda: (t["slug"] for t in client.tasks())):
            board = client.task_leaderboard(arguments.task, version=arguments.version)
    else:
        benchmark = arguments.benchmark or _default_benchmark(client)
        with suggesting("benchmark", benchmark, lambda: (b.slug for b in client.benchmarks())):
            board = client.leaderboard(benchmark, version=arguments.version)
    if arguments.json:
        print(json.dumps(board.raw, indent=2))
    else:
        print(format_task_board(board) if isinstance(board, TaskBoard) else format_board(board))
    return ExitCode.OK


def _default_benchmark(client: Client) -> str:
    benchmarks = list(client.benchmarks())
    remember(client.url, "benchmark", [benchmark.slug for benchmark in benchmarks])
    default = [benchmark.slug for benchmark in benchmarks if benchmark.is_default]
    slugs = default or [benchmark.slug for benchmark in benchmarks]
    if len(slugs) != 1:
        known = ", ".join(slugs) or "none yet"
        raise SubmissionError(f"which benchmark? There are: {known}")
    return slugs[0]


def format_board(board: Leaderboard) -> str:
    """Overall scores with their intervals, and the score on each task."""
    tasks = [entry.task.slug for entry in board.tasks]
    rows: list[tuple[str, ...]] = [("rank", "potential", "overall", "95 % interval", *tasks)]
    for row in board.rows:
        cells = {cell.task: cell for cell in row.tasks}
        scores = [_cell(cells[task]) for task in tasks]
        standing = (_rank(row), row.submission.name[:40], _number(row.overall))
        rows.append((*standing, _interval(row.overall_low, row.overall_high), *scores))
    title = f"{board.benchmark.name}: overall score, 0 to 1 (version {board.benchmark.version})"
    return "\n".join([title, "", *format_table(rows, n_left=2)])


def format_task_board(board: TaskBoard) -> str:
    """Scores on one task, and how much of it each potential covers."""
    rows: list[tuple[str, ...]] = [
        ("rank", "potential", "score", "95 % interval", "coverage", "failed")
    ]
    for row in board.rows:
        coverage = "–" if row.coverage is None else f"{row.coverage:.0%}"
        standing = (_rank(row), row.submission.name[:40], _number(row.score))
        interval = _interval(row.score_low, row.score_high)
        failed = "–" if row.n_failed is None else str(row.n_failed)
        rows.append((*standing, interval, coverage, failed))
    task = board.task
    title = f"{task.name} ({task.slug}): score, 0 to 1 (version {task.version})"
    n_waiting = len(board.pending)
    waiting = [f"{n_waiting} more queued or running"] if n_waiting else []
    uncovered = [f"{NOT_COVERED}: {e.submission.name}" for e in board.failed
                 if e.is_not_covered and e.submission]  # fmt: skip
    return "\n".join([title, "", *format_table(rows, n_left=2), *waiting, *uncovered])


def _rank(row: Standing) -> str:
    """The rank, with its 95 % interval where that holds more than one."""
    if row.rank is None:
        return "–"
    spread = f" ({row.rank_low}–{row.rank_high})" if row.rank_low != row.rank_high else ""
    return f"{row.rank}{spread}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def _cell(cell: BoardCell) -> str:
    if cell.is_not_covered:
        return NOT_COVERED
    return cell.state if cell.score is None else f"{cell.score:.3f}"
