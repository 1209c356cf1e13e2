"""Prints the ranked result as the API gives it."""

from __future__ import annotations

from typing import Any

from deploy.demo.client import Client


def _interval(row: dict[str, Any], key: str) -> str:
    if row[key] is None:
        return "–"
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    interval = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    return f"{row[key]:.3f}{interval}"


def _rank(row: dict[str, Any]) -> str:
    """The rank, with its 95 % interval where that holds more than one."""
    if row["rank"] is None:
        return "–"
    low, high = row["rank_low"], row["rank_high"]
    return f"{row['rank']}" + (f" ({low}–{high})" if low != high else "")


def _name(row: dict[str, Any]) -> str:
    return f"{row['submission']['potential']['name']} {row['submission']['version']}"


def print_boards(client: Client, benchmark: str) -> None:
    board = client.leaderboard(benchmark)
    print(f"\n{board['benchmark']['name']}: overall score, 0 to 1, with 95 % interval\n")
    for row in board["rows"]:
        print(f"  {_rank(row):<8} {_name(row):<36.36} {_interval(row, 'overall')}")
    for entry in board["tasks"]:
        task = entry["task"]
        print(f"\n{task['name']} ({task['slug']})\n")
        for row in client.task_leaderboard(task["slug"])["rows"]:
            coverage = "" if row["coverage"] is None else f"coverage {row['coverage']:.0%}"
            print(f"  {_rank(row):<8} {_name(row):<36.36} {_interval(row, 'score'):<26} {coverage}")
