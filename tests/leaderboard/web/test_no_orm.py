"""Pages and charts ask services and QuerySets of the models; they build no query of their own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = ("leaderboard/web", "leaderboard/charts", "leaderboard/templatetags")
MANAGERS = {"objects", "_default_manager", "_base_manager"}
#: Of a QuerySet, and of nothing else that pages and charts call.
QUERIES = {"filter", "exclude", "annotate", "aggregate", "alias", "in_bulk", "raw"}
ALLOWED = "get_object_or_404"
#: Called so, a library of tags takes a filter of templates.
REGISTER = "register"


def queries_in(source: str) -> list[tuple[int, str]]:
    """Line and name of each use of a manager, and of each call that narrows a query."""
    return list(_queries_below(ast.parse(source)))


def _queries_below(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Name) and called.id == ALLOWED:
            return
        is_query = isinstance(called, ast.Attribute) and called.attr in QUERIES
        if is_query and getattr(called.value, "id", "") != REGISTER:
            yield called.end_lineno or called.lineno, called.attr
    if isinstance(node, ast.Attribute) and node.attr in MANAGERS:
        yield node.end_lineno or node.lineno, node.attr
    for child in ast.iter_child_nodes(node):
        yield from _queries_below(child)


def test_pages_and_charts_build_no_queries() -> None:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert len(paths) > 40
    queries = [
        f"{path.relative_to(ROOT)}:{line}: .{name}"
        for path in paths
        for line, name in queries_in(path.read_text(encoding="utf-8"))
    ]
    assert queries == [], "move each to a QuerySet of the model, or to a service"


@pytest.mark.parametrize(
    ("source", "queries"),
    [
        ("rows = Task.objects.all()", [(1, "objects")]),
        ("rows = Task._default_manager.all()", [(1, "_default_manager")]),
        ("all_tasks = Task.objects", [(1, "objects")]),
        ("def page():\n    return potential.submissions.filter(pk=1)", [(2, "filter")]),
        ("rows = (\n    team\n    .members\n    .exclude(pk=1)\n)", [(4, "exclude")]),
        ("rows.annotate(n=1)\nrows.aggregate(n=1)", [(1, "annotate"), (2, "aggregate")]),
        ("get_object_or_404(Task, slug=slug)\nTask.objects.get()", [(2, "objects")]),
    ],
)
def test_a_query_is_found_at_its_line(source: str, queries: list[tuple[int, str]]) -> None:
    assert queries_in(source) == queries


def test_filters_of_templates_are_no_queries() -> None:
    assert queries_in("register.filter(number)") == []
    assert queries_in("register.rows.filter(pk=1)") == [(1, "filter")]


def test_get_object_or_404_may_be_given_a_query() -> None:
    call = "get_object_or_404(Task.objects.all().visible_to(user).filter(is_new=True), slug=slug)"
    assert queries_in(call) == []
