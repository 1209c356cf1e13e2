"""Compiles the modules of a runtime once, so that no sandbox does when it starts."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.interpreters import Interpreter

#: Folders of modules that nothing but a package's own tests imports.
_NOT_IMPORTED = {"test", "tests"}
#: Run by the Python below, which looks at no packages: names of files come by standard input, and
#: a line is said for each. What is no Python of this version is left as it is: nobody can import
#: it.
_COMPILER = """
import py_compile, sys
for name in sys.stdin.read().split("\\0"):
    try:
        py_compile.compile(name, doraise=True, quiet=1)
    except (py_compile.PyCompileError, RecursionError, MemoryError):
        pass
    print(flush=True)
"""
_FEW_MODULES = 100
_SHOW_EVERY = 50


def take_over(
    site_packages: Path,
    packages: Mapping[str, str],
    interpreter: Interpreter,
    donors: Iterable[tuple[Path, Mapping[str, str]]],
) -> int:
    """Link what was compiled for other runtimes; how many modules.

    Only of the very same file, of which a runtime has a link: what lies compiled beside another
    file says nothing.
    """
    n_taken = 0
    wanted = [m for m in _modules(site_packages) if not _compiled(m, interpreter).exists()]
    for donor, theirs in donors:
        if theirs.items() & packages.items():
            left = [m for m in wanted if not _takes(m, site_packages, donor, interpreter)]
            n_taken, wanted = n_taken + len(wanted) - len(left), left
    return n_taken


def _takes(module: Path, site_packages: Path, donor: Path, interpreter: Interpreter) -> bool:
    other = donor / module.relative_to(site_packages)
    source, target = _compiled(other, interpreter), _compiled(module, interpreter)
    try:
        if not os.path.samestat(os.lstat(module), os.lstat(other)):
            return False
        target.parent.mkdir(exist_ok=True)
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def compile_all(
    site_packages: Path,
    interpreter: Interpreter,
    *,
    inherited: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Compile what is not compiled yet, on all cores. Raises InfrastructureError."""
    modules = [m for m in _modules(site_packages) if not _compiled(m, interpreter).exists()]
    if not modules:
        return
    n_processes = min(len(os.sched_getaffinity(0)), 1 + len(modules) // _FEW_MODULES)
    processes: list[subprocess.Popen[str]] = []
    n_done = 0
    try:
        for first in range(n_processes):
            processes.append(_start(interpreter, modules[first::n_processes], inherited))
        for process in processes:
            for _ in process.stdout or ():
                n_done += 1
                if n_done % _SHOW_EVERY == 0:
                    progress(n_done, len(modules))
            if (status := process.wait()) != 0:
                raise InfrastructureError(f"Modules could not be compiled (status {status}).")
    finally:
        for process in processes:
            with process:
                process.kill()


def _start(
    interpreter: Interpreter, modules: Iterable[Path], inherited: int
) -> subprocess.Popen[str]:
    with tempfile.TemporaryFile("w+") as names:
        names.write("\0".join(map(str, modules)))
        names.flush()
        names.seek(0)
        return subprocess.Popen(
            [interpreter.executable, "-I", "-S", "-W", "ignore", "-c", _COMPILER],
            stdin=names,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            pass_fds=(inherited,),
            umask=0o022,
        )


def _compiled(module: Path, interpreter: Interpreter) -> Path:
    """Where Python looks for a module's compiled copy."""
    tag = "-".join(interpreter.abi.split("-")[:2])
    return module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc"


def _modules(site_packages: Path) -> Iterator[Path]:
    """Sources that may be imported, none of them behind a link."""
    for parent, folders, names in os.walk(site_packages):
        folders[:] = [name for name in folders if name not in _NOT_IMPORTED]
        folder = Path(parent)
        for name in names:
            path = folder / name
            if name.endswith(".py") and not path.is_symlink():
                yield path
