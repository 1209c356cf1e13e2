"""Building from small wheels: no network, no package of anybody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.build import BuildProgress, build
from evaluator.runtimes.locks import LockFault
from evaluator.runtimes.recipes import Recipe
from evaluator.runtimes.store import MANIFEST, Runtime, RuntimeStore, disk_bytes
from tests.evaluator.runtimes.wheels import lock_line, recipe_of, write_wheel

pytestmark = pytest.mark.slow

#: Says that it ran, wherever that might be noticed.
_PTH = "import pathlib; pathlib.Path({mark!r}).touch()\n"


@pytest.fixture
def store(tmp_path: Path) -> RuntimeStore:
    return RuntimeStore(tmp_path / "runtimes")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that uv finds packages in."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    return folder


@pytest.fixture
def recipe(wheels: Path) -> Recipe:
    files = {"tiny/__init__.py": "ANSWER = 42\n", "tiny/tests/test_it.py": "\n"}
    return recipe_of(wheels, lock_line("tiny", "1.0", write_wheel(wheels, "tiny", "1.0", files)))


def _answer(runtime: Runtime) -> str:
    command = [runtime.python, "-c", "import tiny; print(tiny.ANSWER, tiny.__cached__)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _left_over(store: RuntimeStore) -> list[Path]:
    return list(store.root.glob("*/*.tmp-*"))


def test_runtime_holds_its_packages_compiled_and_tells_what_they_are(
    store: RuntimeStore, recipe: Recipe
) -> None:
    seen: list[BuildProgress] = []
    runtime = build(recipe, store, progress=seen.append)
    assert runtime.prefix == store.root / "tiny" / recipe.digest
    answer, compiled = _answer(runtime).split()
    assert answer == "42" and Path(compiled).is_file()
    assert dict(runtime.packages) == {"tiny": "1.0"}
    assert not list(runtime.prefix.glob("**/tests/__pycache__"))
    assert seen[0].step == "resolving"
    assert store.built() == [runtime] and store.find("tiny", recipe.digest) == runtime
    assert build(recipe, store).built_at == runtime.built_at


def test_everybody_may_read_what_is_built(store: RuntimeStore, recipe: Recipe) -> None:
    before = os.umask(0o077)
    try:
        runtime = build(recipe, store)
    finally:
        os.umask(before)
    paths = [runtime.prefix, *runtime.prefix.rglob("*")]
    assert not [path for path in paths if not path.lstat().st_mode & 0o004]


def test_no_line_of_a_package_runs_while_it_is_built(
    store: RuntimeStore, wheels: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "it-ran"
    files = {"tiny.py": _PTH.format(mark=str(mark)), "tiny.pth": _PTH.format(mark=str(mark))}
    runtime = build(
        recipe_of(wheels, lock_line("tiny", "1.0", write_wheel(wheels, "tiny", "1.0", files))),
        store,
    )
    assert not mark.exists()
    subprocess.run([runtime.python, "-c", ""], check=True)
    assert mark.exists()  # and it would have been noticed


def test_new_source_of_ours_makes_a_runtime_of_its_own_that_shares_all_files(
    store: RuntimeStore, recipe: Recipe, wheels: Path
) -> None:
    old = build(recipe, store)
    on_disk = disk_bytes(store.root)
    (wheels / "adapter.py").write_text("# changed\n")
    new = build(recipe_of(wheels, recipe.lock.text()), store)
    assert new.digest != old.digest and _answer(new).startswith("42")
    assert {r.digest for r in store.built("tiny")} == {old.digest, new.digest}
    assert disk_bytes(store.root) - on_disk < 16_384


def test_what_was_compiled_for_one_runtime_is_linked_into_another(
    store: RuntimeStore, recipe: Recipe, wheels: Path
) -> None:
    first = build(recipe, store)
    more = lock_line("more", "2.0", write_wheel(wheels, "more", "2.0", {"more.py": "\n"}))
    second = build(recipe_of(wheels, recipe.lock.text() + more, name="other"), store)
    a, b = (next(r.site_packages.glob("tiny/__pycache__/*.pyc")) for r in (first, second))
    assert a.samefile(b)
    assert list(second.site_packages.glob("__pycache__/more.*.pyc"))


def test_what_strangers_packages_bring_compiled_is_never_taken_over(
    store: RuntimeStore, recipe: Recipe, wheels: Path
) -> None:
    theirs = build(recipe_of(wheels, recipe.lock.text(), name="theirs", is_shipped=False), store)
    compiled = next(theirs.site_packages.glob("tiny/__pycache__/*.pyc"))
    ours = build(recipe, store)
    assert not next(ours.site_packages.glob("tiny/__pycache__/*.pyc")).samefile(compiled)


def test_wrong_hash_ends_the_build_and_leaves_what_was_there(
    store: RuntimeStore, recipe: Recipe, wheels: Path
) -> None:
    there = build(recipe, store)
    wrong = recipe_of(wheels, lock_line("tiny", "1.0", "0" * 64))
    with pytest.raises(InfrastructureError, match=r"(?s)what was there is as it was.*[Hh]ash"):
        build(wrong, store)
    assert store.built() == [there] and _answer(there).startswith("42")
    assert _left_over(store) == []


def test_lock_that_would_pull_packages_for_a_gpu_is_refused_before_anything_is_fetched(
    store: RuntimeStore, wheels: Path
) -> None:
    lock = lock_line("nvidia-cublas", "1.0", "0" * 64)
    with pytest.raises(LockFault, match="would pull nvidia-cublas"):
        build(recipe_of(wheels, lock), store)
    assert not store.root.exists()


@contextmanager
def _serving_half(content: bytes, name: str) -> Iterator[str]:
    """A page of links to a file of which only half ever comes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = content if name in self.path else f'<a href="{name}">{name}</a>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if name in self.path else body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_download_that_breaks_off_leaves_what_was_there(
    store: RuntimeStore, recipe: Recipe, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = build(recipe, store)
    sha256 = write_wheel(wheels, "large", "1.0", {"large.py": "X = 1\n" * 20_000})
    wheel = wheels / "large-1.0-py3-none-any.whl"
    content = wheel.read_bytes()
    wheel.unlink()
    with _serving_half(content, wheel.name) as url:
        monkeypatch.setenv("PIP_FIND_LINKS", url)
        with pytest.raises(InfrastructureError, match="could not be built; what was there"):
            build(recipe_of(wheels, lock_line("large", "1.0", sha256)), store)
    assert store.built() == [there] and _left_over(store) == []


_BUILD = """
import sys
from pathlib import Path
from evaluator.runtimes.build import build
from evaluator.runtimes.store import RuntimeStore
from tests.evaluator.runtimes.wheels import recipe_of
folder, root, lock = sys.argv[1:]
print(build(recipe_of(Path(folder), lock), RuntimeStore(Path(root))).built_at)
"""


def _builder(wheels: Path, store: RuntimeStore, lock: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _BUILD, str(wheels), str(store.root), lock],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _many_modules(wheels: Path) -> str:
    body = "\n".join(f"def f{i}(x):\n    return [x + {i} for _ in range(x)]" for i in range(100))
    files = {f"tiny/m{i}.py": body for i in range(300)}
    return write_wheel(wheels, "tiny", "1.0", {"tiny/__init__.py": "ANSWER = 42\n", **files})


def test_two_builders_at_once_make_one_runtime(store: RuntimeStore, wheels: Path) -> None:
    lock = lock_line("tiny", "1.0", _many_modules(wheels))
    builders = [_builder(wheels, store, lock) for _ in range(2)]
    built_at = [builder.communicate(timeout=120)[0] for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0]
    assert built_at[0] == built_at[1]
    assert len(store.built()) == 1 and _left_over(store) == []


def _begins(store: RuntimeStore, pattern: str, builder: subprocess.Popen[str]) -> None:
    """Wait until a file of a build that goes on is there."""
    until = time.monotonic() + 60
    while not any(store.root.glob(pattern)):
        assert builder.poll() is None and time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.parametrize(
    "pattern",
    [
        "tiny/*.tmp-*/pyvenv.cfg",
        "tiny/*.tmp-*/lib/*/site-packages/tiny",
        "tiny/*.tmp-*/lib/*/site-packages/tiny/__pycache__/*.pyc",
    ],
)
def test_builder_that_is_killed_leaves_nothing_that_is_taken_for_a_runtime(
    store: RuntimeStore, wheels: Path, pattern: str
) -> None:
    lock = lock_line("tiny", "1.0", _many_modules(wheels))
    builder = _builder(wheels, store, lock)
    _begins(store, pattern, builder)
    os.kill(builder.pid, signal.SIGKILL)  # it alone: what it started goes on for a while
    builder.communicate()
    assert store.built() == []
    runtime = build(recipe_of(wheels, lock), store)
    assert _answer(runtime).startswith("42")
    assert _left_over(store) == [] and (runtime.prefix / MANIFEST).is_file()


def test_damaged_runtime_is_built_again_when_that_is_asked_for(
    store: RuntimeStore, recipe: Recipe
) -> None:
    runtime = build(recipe, store)
    (runtime.site_packages / "tiny" / "__init__.py").unlink()
    assert build(recipe, store) == runtime  # nothing looks at each file again
    assert _answer(build(recipe, store, is_forced=True)).startswith("42")
    assert _left_over(store) == []
