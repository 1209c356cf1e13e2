from __future__ import annotations

from pathlib import Path

import pytest

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.manifest import write_manifest
from evaluator.runtimes.recipes import Recipe
from evaluator.runtimes.store import MANIFEST, Runtime, RuntimeStore, runtimes_root
from tests.evaluator.runtimes.wheels import lock_line, recipe_of


def _built(store: RuntimeStore, recipe: Recipe, built_at: str = "2026-01-01") -> Runtime:
    """A runtime without packages, put down as a builder puts it."""
    runtime = Runtime(
        name=recipe.name,
        label=recipe.label,
        digest=recipe.digest,
        environment=recipe.environment,
        variant=recipe.variant,
        kinds=recipe.kinds,
        interpreter=recipe.interpreter,
        packages={},
        lock_sha256=recipe.lock.sha256,
        is_shipped=True,
        n_bytes=0,
        built_at=built_at,
        build_time_s=0.5,
        prefix=store.folder(recipe.name, recipe.digest),
    )
    (runtime.prefix / "bin").mkdir(parents=True)
    runtime.python.symlink_to(recipe.interpreter.executable)
    write_manifest(runtime)
    return runtime


@pytest.fixture
def store(tmp_path: Path) -> RuntimeStore:
    return RuntimeStore(tmp_path / "runtimes")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return recipe_of(tmp_path, lock_line("tiny", "1.0", "a" * 64))


def test_runtime_is_read_as_it_was_written(store: RuntimeStore, recipe: Recipe) -> None:
    assert store.find("tiny", recipe.digest) is None and store.built() == []
    runtime = _built(store, recipe)
    assert store.find("tiny", recipe.digest) == runtime
    assert runtime.described() == {
        "name": "tiny",
        "digest": recipe.digest,
        "variant": "cpu",
        "python": recipe.interpreter.version,
        "packages": {},
    }


def test_runtime_whose_python_is_gone_is_none(store: RuntimeStore, recipe: Recipe) -> None:
    runtime = _built(store, recipe)
    runtime.python.unlink()
    runtime.python.symlink_to("/nowhere/python3.11")
    assert store.find("tiny", recipe.digest) is None


def test_runtime_in_use_is_not_removed(store: RuntimeStore, recipe: Recipe) -> None:
    runtime = _built(store, recipe)
    first, second = runtime.use(), runtime.use()
    first.release()
    with pytest.raises(InfrastructureError, match="is in use"):
        store.remove("tiny", recipe.digest)
    assert store.built() == [runtime]
    second.release()
    store.remove("tiny", recipe.digest)
    assert store.built() == [] and list((store.root / "tiny").iterdir()) == [
        store.root / "tiny" / ".lock"
    ]
    with pytest.raises(InfrastructureError, match="is gone from this machine"):
        runtime.use()


def test_manifest_that_cannot_be_read_is_named(store: RuntimeStore, recipe: Recipe) -> None:
    runtime = _built(store, recipe)
    (runtime.prefix / MANIFEST).write_text("{}")
    with pytest.raises(InfrastructureError, match=r"runtime.json is no manifest .*KeyError"):
        store.built()


def test_youngest_of_a_name_comes_first(store: RuntimeStore, tmp_path: Path) -> None:
    recipes = [recipe_of(tmp_path, lock_line("tiny", v, "a" * 64)) for v in ("1", "2", "3")]
    for recipe, day in zip(recipes, ("2026-01-02", "2026-01-03", "2026-01-01"), strict=True):
        _built(store, recipe, day)
    assert [r.built_at[-1] for r in store.built("tiny")] == ["3", "2", "1"]


def test_root_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOUCHSTONE_RUNTIMES_DIR", "TOUCHSTONE_DATA_DIR", "TOUCHSTONE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert runtimes_root() == Path("/x/touchstone/runtimes")
    monkeypatch.setenv("TOUCHSTONE_CACHE", "/cache")
    assert runtimes_root() == Path("/cache/runtimes")
    monkeypatch.setenv("TOUCHSTONE_DATA_DIR", "/data")
    assert runtimes_root() == Path("/data/runtimes")
    monkeypatch.setenv("TOUCHSTONE_RUNTIMES_DIR", "/runtimes")
    assert runtimes_root() == Path("/runtimes")
