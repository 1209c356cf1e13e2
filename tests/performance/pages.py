"""What every page and table costs with a large board: processor time, queries, bytes.

``python -m tests.performance.pages`` asks each address in this process, of the database that the
environment names and ``make_gallery`` has filled. *Warm* is a process that has been asked before,
*cold* one that has forgotten every board. Processor time is this process's and, where PostgreSQL
runs on this machine, that of its server process: other work on the machine hardly changes it.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROUNDS = 3
#: Requests for the board's percentiles, warm and cold each.
_REQUESTS = 60


@dataclass(frozen=True)
class Address:
    what: str
    #: ``{n}`` is another number each time.
    path: str


@dataclass(frozen=True)
class Cost:
    what: str
    #: Milliseconds of this process, and of the database's.
    warm_ms: float
    warm_database_ms: float
    cold_ms: float
    cold_database_ms: float
    n_queries: int
    kib: float


def addresses(slug: str) -> list[Address]:
    """Everything that shows a board or reads one."""
    board, api = f"/benchmarks/{slug}/1/", "/api/v1"
    task, name = f"{slug}-task-0", f"{slug}-7"
    wish = "elements=Li,P,S&n_atoms=10000&duration=1&duration_unit=ns&hardware=gpu&licence=open"
    names = "&".join(f"p={slug}-{n}" for n in (7, 8, 9, 10, 11, 12))
    return [
        Address("first page", "/"),
        Address("board", board),
        Address("board, page 7", f"{board}?page=7"),
        Address("board, all rows", f"{board}?page=all"),
        Address("board, filtered", f"{board}?elements=Li,P,S&open_weights=1"),
        Address("board, sorted by a task", f"{board}?sort={slug}-task-3"),
        Address("board, one category", f"{board}?category=Forces"),
        Address("board, new weights", f"{board}?weight.Forces=2.{{n}}"),
        Address("board as it stood", f"{board}?as_of=2026-01-01"),
        Address("tasks", "/tasks/"),
        Address("task", f"/tasks/{task}/"),
        Address("task, all columns", f"/tasks/{task}/?columns=all"),
        Address("task that times", f"/tasks/{slug}-task-29/"),
        Address("system", f"/tasks/{task}/1/systems/frame-3/"),
        Address("potentials", "/potentials/"),
        Address("potential", f"/potentials/{name}/"),
        Address("compare, empty", "/compare/"),
        Address("compare, two", f"/compare/?p={name}&p={slug}-8"),
        Address("compare, six", f"/compare/?{names}"),
        Address("correlation", "/correlation/"),
        Address("choose, empty", "/choose/"),
        Address("choose, asked", f"/choose/?{wish}"),
        Address("queue", "/queue/"),
        Address("sitemap", "/sitemap.xml"),
        Address("API, advice", f"{api}/recommend/?{wish}"),
        Address("API, board", f"{api}/leaderboards/{slug}/"),
        Address("API, board, new weights", f"{api}/leaderboards/{slug}/?weight.Forces=3.{{n}}"),
        Address("API, board as CSV", f"{api}/leaderboards/{slug}/?format=csv"),
        Address("API, board as Parquet", f"{api}/leaderboards/{slug}/?format=parquet"),
        Address("API, board as XLSX", f"{api}/leaderboards/{slug}/?format=xlsx"),
        Address("API, board as LaTeX", f"{api}/leaderboards/{slug}/?format=tex"),
        Address("API, what changed", f"{api}/leaderboards/{slug}/diff/?since=2026-01-01"),
        Address("API, task's board", f"{api}/tasks/{task}/leaderboard/"),
        Address("API, task's board as CSV", f"{api}/tasks/{task}/leaderboard/?format=csv"),
        Address("API, potentials", f"{api}/potentials/"),
        Address("API, evaluations", f"{api}/evaluations/"),
        Address("badge of a potential", f"{api}/potentials/{name}/badge.svg"),
        Address("badge of a task", f"{api}/tasks/{task}/badge.svg"),
        Address("badge of a board", f"{api}/leaderboards/{slug}/badge.svg"),
        Address("feed of a potential", f"{api}/potentials/{name}/feed.atom"),
        Address("feed of a task", f"{api}/tasks/{task}/feed.atom"),
        Address("feed of a board", f"{api}/leaderboards/{slug}/feed.atom"),
    ]


HEAD = """| | warm, ms | cold, ms | queries | KiB compressed |
|---|---:|---:|---:|---:|"""


def line(cost: Cost) -> str:
    return (
        f"| {cost.what} | {cost.warm_ms:.0f} + {cost.warm_database_ms:.0f} "
        f"| {cost.cold_ms:.0f} + {cost.cold_database_ms:.0f} | {cost.n_queries} | {cost.kib:.0f} |"
    )


def measure(slug: str, rounds: int, only: str = "") -> Iterator[Cost]:
    """Of each address, in this process: Django must be set up."""
    chosen = [a for a in addresses(slug) if only in a.what]
    for address in chosen:
        asked = _Asked(address)
        asked.ask()
        warm = [asked.ask() for _ in range(rounds)]
        cold = [asked.ask_anew() for _ in range(rounds)]
        n_queries, n_bytes = asked.queries_and_bytes()
        yield Cost(
            address.what, *_middle(warm), *_middle(cold), n_queries=n_queries, kib=n_bytes / 1024
        )


def _middle(times: Sequence[tuple[float, float]]) -> tuple[float, float]:
    own, database = (statistics.median(part) for part in zip(*times, strict=True))
    return own, database


def latencies(slug: str, requests: int) -> str:
    """How long the board's page takes from the request to its last byte, in this process."""
    asked = _Asked(Address("board", f"/benchmarks/{slug}/1/"))
    asked.ask()
    told = []
    for what, ask in (("warm", asked.ask), ("cold", asked.ask_anew)):
        times = sorted(_wall_ms(ask) for _ in range(requests))
        median, p95 = times[len(times) // 2], times[math.ceil(0.95 * len(times)) - 1]
        told.append(f"{what} {median:.1f} ms in the median and {p95:.1f} ms at the 95th percentile")
    return f"The board's page takes {told[0]}, {told[1]}, of {requests} requests each."


def computing(slug: str, rounds: int) -> str:
    """Tell what it takes to compute the board from its rows, and to store it."""
    from leaderboard.lib import memory
    from leaderboard.models import BenchmarkVersion, Snapshot
    from leaderboard.services.boards.store import current_board

    version = BenchmarkVersion.objects.get(benchmark__slug=slug)
    own, database = [], []
    for _ in range(rounds):
        Snapshot.objects.all().delete()
        memory.forget()
        started, before = time.process_time(), _database_s()
        current_board(version)
        own.append(time.process_time() - started)
        database.append(_database_s() - before)
    return (
        f"Computing the board from its rows takes {statistics.median(own):.2f} s of this process "
        f"and {statistics.median(database):.2f} s of the database's, once for all processes."
    )


def _wall_ms(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    ask()
    return 1e3 * (time.perf_counter() - started)


class _Asked:
    """Asks for one address and tells what that took."""

    def __init__(self, address: Address) -> None:
        from django.test import Client

        self._client = Client(raise_request_exception=True)
        self._address = address
        self._numbers = itertools.count(1)

    def ask(self) -> tuple[float, float]:
        """Milliseconds of processor time, of this process and of the database's."""
        path = self._path()
        started, database = time.process_time(), _database_s()
        self._get(path)
        own = time.process_time() - started
        return 1e3 * own, 1e3 * (_database_s() - database)

    def ask_anew(self) -> tuple[float, float]:
        from django.core.cache import cache

        from leaderboard.lib import memory

        memory.forget()
        cache.clear()
        return self.ask()

    def queries_and_bytes(self) -> tuple[int, int]:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as captured:
            body = self._get(self._path())
        return len(captured), len(gzip.compress(body, 6))

    def _path(self) -> str:
        return self._address.path.format(n=next(self._numbers))

    def _get(self, path: str) -> bytes:
        response = self._client.get(path)
        if response.status_code != 200:
            raise RuntimeError(f"{path} answered {response.status_code}")
        return b"".join(response) if response.streaming else response.content


def _database_s() -> float:
    """Processor time of the server process of this connection; 0 where it runs elsewhere."""
    from django.db import connection

    connection.ensure_connection()
    assert connection.connection is not None
    told = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    try:
        return int(told.read_text(encoding="ascii").split()[0]) / 1e9
    except OSError:
        return 0.0


def main() -> int:
    import django

    parser = argparse.ArgumentParser(prog="python -m tests.performance.pages", description=__doc__)
    parser.add_argument("--slug", default="gallery", help="of the board (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=_REQUESTS, help="default: %(default)s")
    parser.add_argument("--only", default="", help="addresses whose name holds this")
    chosen = parser.parse_args()
    django.setup()
    import leaderboard.wsgi  # noqa: F401  (all that a web process loads, and freezes)

    # First, while the process has done nothing else.
    print(f"{latencies(chosen.slug, chosen.requests)}\n", flush=True)
    print(f"{computing(chosen.slug, chosen.rounds)}\n", flush=True)
    print(HEAD)
    for cost in measure(chosen.slug, chosen.rounds, chosen.only):
        print(line(cost), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
