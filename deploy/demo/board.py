"""Prints the ranked result as the API gives it."""

from __future__ import annotations

from evaluator.cli.boards import format_board, format_task_board
from evaluator.client import Client


def print_boards(client: Client, benchmark: str) -> None:
    """The overall ranking, then that of each of its tasks."""
    board = client.leaderboard(benchmark)
    print(f"\n{format_board(board)}")
    for entry in board.tasks:
        print(f"\n{format_task_board(client.task_leaderboard(entry.task.slug))}")
