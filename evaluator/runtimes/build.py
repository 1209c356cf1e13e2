"""Builds a runtime beside what is there, and renames it when it is whole.

Packages are wheels that uv unpacks once for all runtimes and links into each. No line of them runs:
uv looks at the environment while it is empty, and what compiles them is the Python below, which
does not look at packages. Compiled modules are shared by links, too, where the very same file has
been compiled for another runtime that ships.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes import bytecode, uv
from evaluator.runtimes.definitions import RuntimeDefinition
from evaluator.runtimes.locking import sources_for
from evaluator.runtimes.locks import CPU, normalized
from evaluator.runtimes.manifest import write_manifest
from evaluator.runtimes.recipes import Recipe
from evaluator.runtimes.store import Runtime, RuntimeStore, site_packages_of

_FETCHED = re.compile(r"^Downloaded |^Downloading ")
_DIST_INFO = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.dist-info")


@dataclass(frozen=True)
class BuildProgress:
    """Where a build is: what is done at the moment, and how far."""

    step: str
    n_done: int = 0
    n_total: int = 0


ShowProgress = Callable[[BuildProgress], None]
Fill = Callable[[Path, Recipe, int], None]


def find(definition: RuntimeDefinition, store: RuntimeStore, variant: str = CPU) -> Runtime | None:
    """The runtime that this source and this machine's Python make of a definition, if built."""
    return store.find(definition.name, Recipe.of(definition, variant).digest)


def build(
    recipe: Recipe,
    store: RuntimeStore,
    *,
    progress: ShowProgress = lambda progress: None,
    is_forced: bool = False,
    fill: Fill | None = None,
) -> Runtime:
    """Build a runtime, unless it is there. Raises InfrastructureError and leaves what was there.

    May be killed at any moment and called by several processes at once. ``fill`` puts its files
    together in another way than those that ship, given the folder and the lock's descriptor.
    """
    started = time.monotonic()
    if recipe.variant == CPU:
        recipe.lock.refuse_cuda()
    if not is_forced and (there := store.find(recipe.name, recipe.digest)) is not None:
        return there
    waiting = BuildProgress("waiting for another builder")
    with store.building(recipe.name, lambda: progress(waiting)) as lock_fd:
        if not is_forced and (there := store.find(recipe.name, recipe.digest)) is not None:
            return there
        store.sweep(recipe.name)
        folder = store.folder(recipe.name, recipe.digest)
        partial = store.passing(folder)
        try:
            if fill is not None:
                fill(partial, recipe, lock_fd)
            else:
                _fill(partial, recipe, store, lock_fd, progress, may_copy=not is_forced)
            runtime = _described(recipe, partial, time.monotonic() - started)
            write_manifest(runtime)
            if folder.exists():  # damaged, or to be built anew
                shutil.rmtree(store.put_aside(folder))
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return replace(runtime, prefix=folder)


def _fill(
    partial: Path,
    recipe: Recipe,
    store: RuntimeStore,
    lock_fd: int,
    progress: ShowProgress,
    *,
    may_copy: bool,
) -> None:
    """Put the environment together, from another one of the same packages where there is one."""
    if may_copy and linked_like(recipe, store, partial, progress):
        return
    make_environment(partial, recipe)
    install(partial, recipe, store, lock_fd, progress)
    packages = partial / site_packages_of(recipe.interpreter)
    compiled = donors(recipe, store)
    bytecode.take_over(packages, packages_in(packages), recipe.interpreter, compiled)
    bytecode.compile_all(
        packages,
        recipe.interpreter,
        inherited=lock_fd,
        progress=lambda done, total: progress(BuildProgress("compiling", done, total)),
    )


def make_environment(prefix: Path, recipe: Recipe) -> None:
    """An empty virtual environment, as ``venv`` makes it, without programs of its own."""
    executable = Path(recipe.interpreter.executable)
    packages = prefix / site_packages_of(recipe.interpreter)
    packages.mkdir(parents=True)
    (prefix / "bin").mkdir()
    minor = ".".join(recipe.interpreter.version.split(".")[:2])
    for name in ("python", "python3", f"python{minor}"):
        (prefix / "bin" / name).symlink_to(executable if name == "python" else "python")
    (prefix / "pyvenv.cfg").write_text(
        f"home = {executable.parent}\n"
        "implementation = CPython\n"
        f"version_info = {recipe.interpreter.version}\n"
        "include-system-site-packages = false\n"
    )


def install(
    prefix: Path, recipe: Recipe, store: RuntimeStore, lock_fd: int, progress: ShowProgress
) -> None:
    n_total = len(recipe.lock.packages)
    fetched: list[str] = []

    def hear(line: str) -> None:
        if _FETCHED.match(line):
            fetched.append(line)
            n_done = sum(word.startswith("Downloaded") for word in fetched)
            progress(BuildProgress("downloading", n_done, len(fetched) - n_done))
        elif line.startswith("Prepared"):
            progress(BuildProgress("linking", n_total, n_total))

    progress(BuildProgress("resolving", 0, n_total))
    lock = recipe.installed_lock()
    file = prefix / "lock.txt"
    file.write_text(lock.text())
    try:
        uv.run(
            [
                *("pip", "sync", str(file), "--python", str(prefix / "bin" / "python")),
                *("--require-hashes", "--only-binary", ":all:", "--link-mode", "hardlink"),
                *("--no-python-downloads", "--index-strategy", "first-index"),
                *sources_for(recipe.lock.requirements(), recipe.variant),
            ],
            cache_folder=store.uv_cache,
            inherited=(lock_fd,),
            on_line=hear,
        )
    except uv.UvFailed as error:
        raise InfrastructureError(
            f"The runtime {recipe.name} could not be built; what was there is as it was. {error}"
        ) from error


def donors(recipe: Recipe, store: RuntimeStore) -> Iterator[tuple[Path, dict[str, str]]]:
    """Runtimes of ours that were compiled by the same Python, with their packages."""
    for runtime in store.built():
        if runtime.is_shipped and runtime.interpreter == recipe.interpreter:
            yield runtime.site_packages, dict(runtime.packages)


def linked_like(
    recipe: Recipe,
    store: RuntimeStore,
    target: Path,
    progress: ShowProgress = lambda progress: None,
) -> bool:
    """Link the environment of a runtime of the same packages, if one is built; whether one is."""
    like = [r for r in store.built(recipe.name) if r.environment == recipe.environment]
    if like:
        progress(BuildProgress("linking"))
        _link_tree(like[0].prefix, target)
    return bool(like)


def _link_tree(source: Path, target: Path) -> None:
    """The same environment in another folder, without a copy of any file but the manifest."""

    def link(name: str, copy: str) -> None:
        os.link(name, copy, follow_symlinks=False)

    ignored = shutil.ignore_patterns("runtime.json")
    shutil.copytree(source, target, symlinks=True, copy_function=link, ignore=ignored)


def packages_in(site_packages: Path) -> dict[str, str]:
    """Versions by package, as they are installed."""
    matches = (_DIST_INFO.fullmatch(path.name) for path in site_packages.glob("*.dist-info"))
    return {normalized(match["name"]): match["version"] for match in matches if match}


def _described(recipe: Recipe, prefix: Path, build_time_s: float) -> Runtime:
    packages = packages_in(prefix / site_packages_of(recipe.interpreter))
    return Runtime(
        name=recipe.name,
        label=recipe.label,
        digest=recipe.digest,
        environment=recipe.environment,
        variant=recipe.variant,
        kinds=recipe.kinds,
        interpreter=recipe.interpreter,
        packages=MappingProxyType(packages),
        lock_sha256=recipe.lock.sha256,
        is_shipped=recipe.is_shipped,
        n_bytes=_open_to_readers(prefix),
        built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        build_time_s=round(build_time_s, 1),
        prefix=prefix,
    )


def _open_to_readers(folder: Path) -> int:
    """Let everybody read a runtime, as whom a sandbox may run, and nobody else write to it.

    Returns the bytes that its files take.
    """
    n_bytes = 0
    for parent, _, names in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in names)):  # noqa: PTH118
            status = os.lstat(path)
            n_bytes += 0 if path == parent else status.st_blocks * 512
            readable = (status.st_mode & 0o755) | (0o755 if path == parent else 0o444)
            if not stat.S_ISLNK(status.st_mode) and stat.S_IMODE(status.st_mode) != readable:
                os.chmod(path, readable)  # noqa: PTH101  (tens of thousands of files)
    return n_bytes
