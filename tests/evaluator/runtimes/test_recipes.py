from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.definitions import definition_of
from evaluator.runtimes.interpreters import ask_interpreter, own_interpreter
from evaluator.runtimes.recipes import Recipe
from tests.evaluator.runtimes.wheels import lock_line, recipe_of

LOCK = lock_line("tiny", "1.0", "a" * 64)


def test_digest_is_that_of_the_lock_the_python_and_our_source(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, LOCK)
    assert recipe.digest == recipe_of(tmp_path, f"# a comment\n\n{LOCK}").digest

    other_lock = recipe_of(tmp_path, lock_line("tiny", "1.0", "b" * 64))
    python = replace(recipe.interpreter, version="3.11.99")
    other_python = recipe_of(tmp_path, LOCK, interpreter=python)
    other_abi = recipe_of(tmp_path, LOCK, interpreter=replace(recipe.interpreter, abi="x"))
    (tmp_path / "adapter.py").write_text("# changed\n")
    other_source = recipe_of(tmp_path, LOCK)

    recipes = [recipe, other_lock, other_python, other_abi, other_source]
    assert len({r.digest for r in recipes}) == 5
    assert other_source.environment == recipe.environment != other_lock.environment


def test_digest_does_not_depend_on_where_things_lie(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir(), second.mkdir()
    elsewhere = replace(own_interpreter(), executable="/opt/python", prefixes=("/opt",))
    moved = recipe_of(second, LOCK, interpreter=elsewhere)
    assert recipe_of(first, LOCK).digest == moved.digest


def test_interpreter_says_of_itself_what_this_process_knows() -> None:
    own = own_interpreter()
    assert ask_interpreter(own.executable) == own


def test_what_does_not_answer_as_a_python_is_refused() -> None:
    with pytest.raises(InfrastructureError, match="does not answer as a Python"):
        ask_interpreter("/bin/true")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere the plain build is it")
def test_torch_is_installed_as_its_cpu_build_alone() -> None:
    lock = Recipe.of(definition_of("chgnet")).installed_lock()
    assert {p.version for p in lock.packages if p.name == "torch"} == {"2.13.0+cpu"}
    assert {p.version for p in lock.packages if p.name == "chgnet"} == {"0.4.2"}


def test_class_of_devices_without_a_lock_is_told_how_to_get_one() -> None:
    with pytest.raises(
        InfrastructureError, match="touchstone runtime lock classical --variant cu1"
    ):
        Recipe.of(definition_of("classical"), "cu1")
