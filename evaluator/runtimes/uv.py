"""uv, which resolves, fetches and installs packages; started as a program of its own.

It is told what pip is told on this machine: the links and the index that pip's environment or
configuration names.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.locks import CPU_BUILDS

_CONFIG_S = 60.0
_FIND_S = 60.0
#: Words of uv's that an error is told with: its end tells what it wanted.
_MOST_CHARS = 1500
#: Variables that would have uv install elsewhere or otherwise than it is told.
_NOT_PASSED = re.compile(
    "VIRTUAL_ENV|CONDA_.*|PYTHON.*|UV_(CACHE_DIR|COMPILE_.*|CONSTRAINT|EXTRA_.*|LINK_MODE|NO_(?!INDEX).*|"
    "OFFLINE|OVERRIDE|PRERELEASE|PROJECT.*|PYTHON.*|REQUIRE_.*|RESOLUTION|SYSTEM_.*|TARGET|"
    "TORCH_BACKEND|VENV_.*)"
)


class UvFailed(InfrastructureError):
    """uv could not do what it was asked; the message is in its words."""


@cache
def program() -> str:
    """Where uv is. Raises InfrastructureError that says how to install it."""
    try:
        from uv import find_uv_bin
    except ImportError as error:
        raise InfrastructureError(
            "Runtimes are built by uv, which is not installed: pip install uv"
        ) from error
    try:
        return os.fspath(find_uv_bin())
    except FileNotFoundError as error:
        raise InfrastructureError(f"The program uv is missing ({error}).") from error


def run(
    arguments: Sequence[str],
    *,
    cache_folder: Path,
    inherited: Sequence[int] = (),
    on_line: Callable[[str], None] = lambda line: None,
) -> str:
    """Run uv to its end; what it wrote to standard output. Raises UvFailed.

    ``on_line`` is called in another thread for each line that it says on the way. ``inherited``
    are descriptors that stay open for as long as it lives.
    """
    command = [program(), *arguments, "--cache-dir", str(cache_folder), "--no-progress"]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment(),
            pass_fds=tuple(inherited),
            umask=0o022,  # whoever a sandbox runs as must read what is installed
        )
    except OSError as error:
        raise UvFailed(f"uv cannot be started: {error}.") from error
    said: list[str] = []
    assert process.stderr is not None and process.stdout is not None  # noqa: S101
    listener = threading.Thread(target=_listen, args=(process.stderr, said, on_line), daemon=True)
    listener.start()
    with process:
        try:
            written = process.stdout.read()
            status = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            listener.join()
    if status != 0:
        words = "".join(said)[-_MOST_CHARS:].strip() or f"exit status {status}"
        raise UvFailed(f"uv could not do it: {words}")
    return written


def _listen(stream: Iterable[str], said: list[str], on_line: Callable[[str], None]) -> None:
    for line in stream:
        said.append(line)
        on_line(line.strip())


def environment() -> dict[str, str]:
    """The environment that uv is started in."""
    kept = {name: value for name, value in os.environ.items() if not _NOT_PASSED.fullmatch(name)}
    return kept | {"UV_HTTP_TIMEOUT": os.environ.get("UV_HTTP_TIMEOUT", "180"), "NO_COLOR": "1"}


def find_python(wanted: str) -> str:
    """A Python of this machine in a range of versions. Raises UvFailed."""
    with tempfile.TemporaryDirectory(prefix="touchstone-uv-") as folder:
        found = run(
            ["python", "find", wanted, "--no-python-downloads", "--no-project", "--system"],
            cache_folder=Path(folder),
        )
    return found.strip()


def source_options(*, torch_version: str | None) -> list[str]:
    """Where packages come from: pip's links and index, and CPU builds of torch.

    ``torch_version`` is the version whose CPU build is wanted; the field's own index has it where
    none of pip's links does.
    """
    links = find_links()
    options = [word for link in links for word in ("--find-links", link)] + plain_options()
    if torch_version is not None and not _may_hold_torch(links, torch_version):
        options += ["--torch-backend", "cpu"]
    return options


def plain_options() -> list[str]:
    """Where the builds of a package come from that its authors publish for everybody.

    Those of torch are for one version of CUDA; what lies in pip's links may be for none.
    """
    index = pip_setting("index-url")
    if index and not {"UV_INDEX_URL", "UV_DEFAULT_INDEX"} & os.environ.keys():
        return ["--default-index", index[0]]
    return []


def find_links() -> list[str]:
    """Folders and pages of files that pip looks in beside its index."""
    named = [*os.environ.get("PIP_FIND_LINKS", "").split(), *pip_setting("find-links")]
    return list(dict.fromkeys(named))


def _may_hold_torch(links: Sequence[str], version: str) -> bool:
    """A folder can be looked into; a page may hold anything."""
    pattern = f"{CPU_BUILDS[0]}-{version}+cpu-*.whl"
    return any(
        any(Path(link.removeprefix("file://")).glob(pattern))
        if "://" not in link or link.startswith("file://")
        else True
        for link in links
    )


@cache
def _pip_configuration() -> tuple[tuple[str, str], ...]:
    """Settings of pip's configuration files, by the part after the dot."""
    command = [sys.executable, "-I", "-m", "pip", "config", "list"]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=_CONFIG_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()  # an environment without pip has nothing to tell
    settings = []
    for line in said.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, setting = name.strip().rpartition(".")
        if section in ("global", "install", "download"):
            settings.append((setting, str(ast.literal_eval(value))))
    return tuple(settings)


def pip_setting(name: str) -> list[str]:
    """The words of one setting in pip's configuration, the later files' last."""
    return [word for key, value in _pip_configuration() if key == name for word in value.split()]
