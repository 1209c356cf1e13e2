"""What each file of tests takes: printed at the end, and used to begin with the longest next time.

A pytest plugin, named in pyproject.toml.
"""

from __future__ import annotations

from collections import Counter

import pytest

#: Where pytest's cache keeps the seconds of each file as last measured.
_CACHE_KEY = "touchstone/seconds_by_file"
#: Folders whose files are taken for long ones where nothing has been measured yet.
_LONG_FOLDERS = ("end_to_end", "browser")
_UNMEASURED_LONG_S = 30.0

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
        is_long = item.path.parent.name in _LONG_FOLDERS
        return measured.get(_file_of(item.nodeid), _UNMEASURED_LONG_S if is_long else 0.0)

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
