"""Runtimes that ship, built once for each machine and shared by all sessions of tests."""

from __future__ import annotations

from functools import cache

from evaluator.runtimes.build import build
from evaluator.runtimes.definitions import definition_of
from evaluator.runtimes.recipes import Recipe
from evaluator.runtimes.store import Runtime, RuntimeStore


@cache
def real_runtime(name: str) -> Runtime:
    return build(Recipe.of(definition_of(name)), RuntimeStore())


def classical_runtime() -> Runtime:
    """Of a few small packages: built in seconds where their wheels are at hand."""
    return real_runtime("classical")
