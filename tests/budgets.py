"""What each file of tests takes: printed at the end, and used to begin with the longest next time.

A pytest plugin, named in pyproject.toml.
"""

from __future__ import annotations

from collections import Counter

import pytest

#: Where pytest's cache keeps the seconds of each file as last measured.
_CACHE_KEY = "touchstone/seconds_by_file"
#: Seconds of the longest where nothing has been measured yet, in a fresh checkout: one of these
#: that began last would leave the other processes idle.
_UNMEASURED_S = {
    "tests/end_to_end/test_demo.py": 200.0,
    "tests/browser/test_every_page.py": 150.0,
    "tests/end_to_end/test_killed_children.py": 90.0,
    "tests/end_to_end/test_schemathesis.py": 80.0,
    "tests/end_to_end/test_lifecycle.py": 50.0,
    "tests/evaluator/driver/test_timed.py": 45.0,
    "tests/evaluator/protocols/phonons/test_driver.py": 45.0,
    "tests/evaluator/driver/test_evaluations.py": 40.0,
    "tests/evaluator/calculators/test_batches.py": 40.0,
    "tests/leaderboard/admin/test_reference_upload.py": 30.0,
    "tests/evaluator/potentials/test_training.py": 30.0,
    "tests/leaderboard/services/definitions/test_standard.py": 30.0,
}
_UNMEASURED_FOLDERS_S = {"end_to_end": 25.0, "browser": 20.0, "driver": 10.0, "hostile": 10.0}

_seconds = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--budgets",
        type=int,
        default=15,
        metavar="N",
        help="how many of the files that took longest are printed at the end (default 15)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_seconds] = Counter()
    reporter = _Reporter(config)
    config.pluginmanager.register(reporter, "touchstone-budgets")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put long files first, so that no process is left alone with one at the end."""
    measured = _measured(config)

    def expected_s(item: pytest.Item) -> float:
        path, folder = _file_of(item.nodeid), item.path.parent.name
        return measured.get(path, _UNMEASURED_S.get(path, _UNMEASURED_FOLDERS_S.get(folder, 0.0)))

    items.sort(key=expected_s, reverse=True)


class _Reporter:
    """Adds up the reports, which reach the process that prints from all that test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._config.stash[_seconds][_file_of(report.nodeid)] += report.duration

    def pytest_sessionfinish(self) -> None:
        is_a_worker = hasattr(self._config, "workerinput")
        cache = getattr(self._config, "cache", None)
        if not is_a_worker and cache is not None:
            longest = Counter(_measured(self._config))
            for path, seconds in self._config.stash[_seconds].items():
                longest[path] = max(longest[path] / 2, seconds)  # a part of a file is no measure
            cache.set(_CACHE_KEY, {path: round(s, 2) for path, s in longest.items()})

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        shown = self._config.stash[_seconds].most_common(self._config.getoption("--budgets"))
        if shown:
            terminalreporter.section("seconds by file")
            for path, seconds in shown:
                terminalreporter.write_line(f"{seconds:7.1f} s  {path}")


def _measured(config: pytest.Config) -> dict[str, float]:
    cache = getattr(config, "cache", None)
    return dict(cache.get(_CACHE_KEY, {})) if cache is not None else {}


def _file_of(node_id: str) -> str:
    return node_id.partition("::")[0]
