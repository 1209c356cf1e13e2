"""Runtimes that submissions bring, built from a lock of theirs and shared by all who bring it.

Packages that stand with the same files in a lock of ours are linked from the wheels that runtimes
share. The others are strangers: they are unpacked by themselves (``brought.py``), looked through,
and put beside. They are never compiled here, which would have this process's Python read them:
that is done in the sandbox alone, each time anew.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes import brought, build, bytecode
from evaluator.runtimes.brought import Watch, plain_words
from evaluator.runtimes.build import BuildProgress, ShowProgress
from evaluator.runtimes.definitions import known_definitions, serving
from evaluator.runtimes.interpreters import find_interpreter
from evaluator.runtimes.locking import sources_for
from evaluator.runtimes.locks import CPU, Lock, Pinned
from evaluator.runtimes.own_locks import REQUIRED, LockRefused, OwnLimits
from evaluator.runtimes.own_names import KIND, LABEL, PREFIX, own_name
from evaluator.runtimes.recipes import Recipe
from evaluator.runtimes.store import Runtime, RuntimeStore, site_packages_of


def own_recipe(lock: Lock) -> Recipe:
    """What the lock of a submission is built to: with the Python that packages without one get."""
    definition = serving(KIND)
    return Recipe(
        name=own_name(lock.sha256),
        label=LABEL,
        variant=CPU,
        lock=lock,
        interpreter=find_interpreter(definition.python),
        sources=definition.sources(),
        kinds=(KIND,),
    )


@dataclass(frozen=True, kw_only=True)
class OwnBuild:
    """How the runtime of a lock is built, and who hears of it."""

    limits: OwnLimits
    progress: ShowProgress = lambda progress: None
    should_stop: Callable[[], bool] = lambda: False
    #: Hears each line of the build's log.
    log: Callable[[str], None] = lambda line: None


def build_own(lock: Lock, store: RuntimeStore, asked: OwnBuild) -> Runtime:
    """Build the runtime of a lock, unless it is there; all that is asked for, in this thread.

    Raises LockRefused where the lock or one of its wheels is at fault, BuildStopped, and
    InfrastructureError where we are: that may be tried again.
    """

    def fill(partial: Path, recipe: Recipe, lock_fd: int) -> None:
        _fill(partial, recipe, store, lock_fd, how)

    caller = threading.get_ident()

    def progress(progress: BuildProgress) -> None:
        # uv's words are heard in a thread beside, which may raise nothing and knows no database.
        if threading.get_ident() != caller:
            return
        if asked.should_stop():
            raise brought.BuildStopped("The runtime is not wanted any more.")
        asked.progress(progress)

    how = replace(asked, progress=progress)
    recipe = own_recipe(lock)
    try:
        return build.build(recipe, store, progress=progress, fill=fill)
    except OSError as error:
        raise InfrastructureError(
            f"The runtime {recipe.name} could not be put together on this machine: "
            f"{plain_words(str(error))}."
        ) from error


def _fill(partial: Path, recipe: Recipe, store: RuntimeStore, lock_fd: int, how: OwnBuild) -> None:
    if build.linked_like(recipe, store, partial):
        return
    ours, theirs = _parted(recipe.lock)
    how.log(f"{len(ours)} packages are known here, {len(theirs)} are fetched for this lock.")
    # Before anything of theirs is near: uv asks this environment's Python.
    build.make_environment(partial, recipe)
    if ours:
        known = replace(recipe, lock=Lock(packages=tuple(ours)))
        try:
            build.install(partial, known, store, lock_fd, how.progress)
        except InfrastructureError as error:
            _explain_lacking(str(error.__cause__), ours)
            raise InfrastructureError(plain_words(str(error))) from error
    if theirs:
        _bring(partial, replace(recipe, lock=Lock(packages=tuple(theirs))), lock_fd, how)
    packages = partial / site_packages_of(recipe.interpreter)
    _refuse_others(packages, recipe.lock)
    _refuse_without_required(packages)
    (partial / "lock.txt").write_text(recipe.lock.text())
    donors = build.donors(recipe, store)
    bytecode.take_over(packages, build.packages_in(packages), recipe.interpreter, donors)


def _bring(partial: Path, recipe: Recipe, lock_fd: int, how: OwnBuild) -> None:
    """Fetch, unpack and check the packages of strangers, and put them into the environment."""
    how.progress(BuildProgress("downloading", 0, len(recipe.lock.packages)))
    folder = partial / "brought"
    lock = recipe.installed_lock()
    prefix = brought.install(
        lock,
        folder,
        python=recipe.interpreter.executable,
        sources=sources_for(recipe.lock.requirements(), recipe.variant),
        fd=lock_fd,
        watch=Watch(
            limits=how.limits,
            should_stop=how.should_stop,
            on_line=lambda line: how.log(plain_words(line)),
        ),
    )
    how.progress(BuildProgress("checking"))
    brought.check_tree(prefix, how.limits)
    (prefix / ".lock").unlink(missing_ok=True)
    _refuse_others(prefix / site_packages_of(recipe.interpreter), recipe.lock)
    for path in brought.merge(prefix, partial)[:20]:
        how.log(f"{path} is another package's already, and stays as it was.")
    shutil.rmtree(folder)


def _parted(lock: Lock) -> tuple[list[Pinned], list[Pinned]]:
    """Packages of which every file that the lock allows is one of ours, and all others.

    One that stands in several lines is none of ours: which of them is meant, markers decide.
    """
    shipped, n_lines = _shipped_hashes(), Counter(p.name for p in lock.packages)
    ours = [
        package
        for package in lock.packages
        if n_lines[package.name] == 1
        and set(package.hashes) <= shipped.get((package.name, package.version), set())
    ]
    return ours, [package for package in lock.packages if package not in ours]


def _explain_lacking(words: str, ours: Sequence[Pinned]) -> None:
    """Raise LockRefused where uv names a package of ours of which the lock leaves files out.

    Perhaps those for this machine; else it is no fault of the lock.
    """
    shipped = _shipped_hashes()
    lacking = [
        package
        for package in ours
        if set(package.hashes) < shipped[package.name, package.version]
        and brought.names(words, package)
    ]
    if lacking:
        brought.explain(words, Lock(packages=tuple(lacking)))


@cache
def _shipped_hashes() -> dict[tuple[str, str], set[str]]:
    """By package and version, the hashes that stand in a lock of ours."""
    hashes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for definition in known_definitions().values():
        path = definition.lock_file(CPU)
        for package in Lock.read(path).packages if path.is_file() else ():
            hashes[package.name, package.version] |= set(package.hashes)
    return hashes


def _refuse_others(site_packages: Path, lock: Lock) -> None:
    """Refuse an environment that holds what the lock does not name, or one thing twice."""
    named = {p.name for p in lock.packages}
    packages = build.packages_in(site_packages)
    others = sorted(set(packages) - named)
    if others:
        raise LockRefused(
            f"A package of the lock brings another one along, {others[0][:60]}, which the lock "
            "does not name."
        )
    if len(list(site_packages.glob("*.dist-info"))) > len(packages):
        raise LockRefused("A package of the lock brings another version of one of them along.")


def _refuse_without_required(site_packages: Path) -> None:
    missing = sorted(set(REQUIRED) - set(build.packages_in(site_packages)))
    if missing:
        raise LockRefused(
            f"Of the lock's packages, {', '.join(missing)} is for other machines or other versions "
            f"of Python alone, by its markers; your calculator is served by "
            f"{', '.join(REQUIRED)}: lock again for this Python."
        )


def find_own(lock: Lock, store: RuntimeStore) -> Runtime | None:
    """The runtime of a lock, if it is built here."""
    recipe = own_recipe(lock)
    return store.find(recipe.name, recipe.digest)


def remove_older(store: RuntimeStore, unused_s: float) -> list[Runtime]:
    """Remove runtimes of submissions in which nothing has run for so long."""
    _sweep(store)
    before = time.time() - unused_s
    old = [r for r in _brought(store) if r.last_used_at < before]
    return [runtime for runtime in old if _removed(store, runtime)]


class _Busy(Exception):
    """Somebody builds it."""


def _sweep(store: RuntimeStore) -> None:
    """Remove what builders of submissions' runtimes left that were killed."""

    def busy() -> None:
        raise _Busy

    for name in {path.parent.name for path in store.root.glob(f"{PREFIX}*/*.tmp-*")}:
        with suppress(_Busy), store.building(name, busy):
            store.sweep(name)


def _brought(store: RuntimeStore) -> list[Runtime]:
    """Those of submissions, unused for the longest first."""
    own = [r for r in store.built() if r.name.startswith(PREFIX)]
    return sorted(own, key=lambda runtime: runtime.last_used_at)


def _removed(store: RuntimeStore, runtime: Runtime) -> bool:
    try:
        store.remove(runtime.name, runtime.digest)
    except InfrastructureError:
        return False  # in use
    return True


def remove_unused(store: RuntimeStore, *, most_bytes: int, keep: str = "") -> list[Runtime]:
    """Remove runtimes of submissions, those unused for the longest first, until they fit.

    One in which a calculator runs stays, and so does the one named ``keep``.
    """
    _sweep(store)
    own = _brought(store)
    taken = sum(runtime.n_bytes for runtime in own)
    removed = []
    for runtime in own:
        if taken <= most_bytes:
            break
        if runtime.name != keep and _removed(store, runtime):
            taken -= runtime.n_bytes
            removed.append(runtime)
    return removed
