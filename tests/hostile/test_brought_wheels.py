"""Locks whose wheels attack whoever installs them, or whoever runs beside them."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.brought import BuildStopped
from evaluator.runtimes.definitions import serving
from evaluator.runtimes.locks import Lock
from evaluator.runtimes.own import OwnBuild, build_own, remove_unused
from evaluator.runtimes.own_locks import REQUIRED, LockRefused, OwnLimits, read_own_lock
from evaluator.runtimes.store import Runtime, RuntimeStore
from evaluator.sandbox.base import ProcessRequest
from evaluator.sandbox.bubblewrap import BubblewrapSandbox
from evaluator.sandbox.output import OutputDrain
from tests.wheels import line_of, make_required, make_wheel

pytestmark = pytest.mark.slow


@dataclass
class Builder:
    """A folder of wheels that is all the world, and a store beside it."""

    folder: Path
    required: str
    said: list[str] = field(default_factory=list)

    @property
    def wheels(self) -> Path:
        return self.folder / "wheels"

    @property
    def store(self) -> RuntimeStore:
        return RuntimeStore(self.folder / "runtimes")

    def build(self, lines: str, **limits: float) -> Runtime:
        lock = read_own_lock(self.required + lines)
        how = OwnBuild(limits=OwnLimits(**limits), log=self.said.append)  # type: ignore[arg-type]
        return build_own(lock, self.store, how)


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Builder]:
    """A builder beside whose store nothing may be changed, whatever it is given."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (tmp_path / "precious").write_text("of somebody else")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    builder = Builder(tmp_path, make_required(wheels))
    yield builder
    outside = {path.name for path in tmp_path.iterdir()} - {"potential.zip"}
    assert outside <= {"wheels", "precious", "runtimes"}
    assert (tmp_path / "precious").read_text() == "of somebody else"
    assert not list((tmp_path / "runtimes").glob("*/*.tmp-*"))


def _site_packages(runtime: Runtime) -> set[str]:
    return {path.name for path in runtime.site_packages.iterdir()} - {"__pycache__"}


def test_an_honest_lock_is_built_once_for_all_who_bring_it(builder: Builder) -> None:
    line = make_wheel(builder.wheels, "springy", {"springy/__init__.py": "stiffness = 2\n"})

    runtime = builder.build(line)

    assert runtime.packages == {"ase": "1.0", "msgpack": "1.0", "numpy": "1.0", "springy": "1.0"}
    assert "springy" in _site_packages(runtime)
    (builder.wheels / "springy-1.0-py3-none-any.whl").unlink()
    assert builder.build("# by another author\n" + line).digest == runtime.digest


def test_nothing_is_compiled_by_a_python_outside(builder: Builder) -> None:
    line = make_wheel(builder.wheels, "springy", {"springy/__init__.py": "stiffness = 2\n"})

    runtime = builder.build(line)

    assert not list(runtime.prefix.rglob("*.pyc"))


@pytest.mark.parametrize("path", ["../../../../../../{out}", "{out}", "x/../../../../../../{out}"])
def test_a_path_that_leaves_the_wheel_writes_nothing(builder: Builder, path: str) -> None:
    out = path.format(out=builder.folder / "escaped")
    line = make_wheel(builder.wheels, "path", {out: "x", "path.py": ""})

    runtime = builder.build(line)

    assert "path.py" in _site_packages(runtime)
    assert not list(runtime.prefix.rglob("escaped"))


def test_a_record_that_names_files_elsewhere_touches_none(builder: Builder) -> None:
    precious = builder.folder / "precious"
    record = f"{'../' * 12}{str(precious)[1:]},,\n{precious},,\nrecord.py,,\n"
    line = make_wheel(builder.wheels, "record", {"record.py": ""}, record=record)

    runtime = builder.build(line)

    assert str(precious) not in (runtime.site_packages / "record-1.0.dist-info/RECORD").read_text()


def test_a_symbolic_link_becomes_no_link(builder: Builder) -> None:
    links = {"escape": "/etc", "linked.py": str(builder.folder / "precious")}
    line = make_wheel(builder.wheels, "link", {"link.py": ""}, links=links)

    runtime = builder.build(line)

    pointed = [p.name for p in runtime.prefix.rglob("*") if p.is_symlink()]
    assert set(pointed) <= {"python", "python3", "python3.11"}


def test_data_beside_the_environments_folders_are_refused(builder: Builder) -> None:
    line = make_wheel(builder.wheels, "data", {"data-1.0.data/data/pyvenv.cfg": "home = /evil\n"})

    with pytest.raises(LockRefused, match=r"puts 'pyvenv.cfg' beside the folders"):
        builder.build(line)


def test_data_that_leave_the_environment_write_nothing(builder: Builder) -> None:
    out = f"data-1.0.data/data/{'../' * 12}{str(builder.folder)[1:]}/escaped"

    runtime = builder.build(make_wheel(builder.wheels, "data", {out: "x"}))

    assert not list(runtime.prefix.rglob("escaped"))


def test_a_program_in_the_place_of_python_is_refused(builder: Builder) -> None:
    program = {"tool-1.0.data/scripts/python": "#!/bin/sh\n"}

    with pytest.raises(LockRefused, match=r"Line 4, tool==1.0 cannot .* reserved name"):
        builder.build(make_wheel(builder.wheels, "tool", program))


def test_data_in_the_place_of_python_are_refused(builder: Builder) -> None:
    program = {"tool-1.0.data/data/bin/python": "#!/bin/sh\n"}

    with pytest.raises(LockRefused, match=r"Line 4, tool==1.0 cannot .* reserved name"):
        builder.build(make_wheel(builder.wheels, "tool", program))


def test_a_console_script_of_a_path_is_refused(builder: Builder) -> None:
    escaped = builder.folder / "escaped"
    points = {"script-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{escaped} = script:f\n"}

    with pytest.raises(LockRefused, match=r"Line 4, script==1.0 cannot be installed"):
        builder.build(make_wheel(builder.wheels, "script", points))


def test_a_wheel_that_brings_another_package_along_is_refused(builder: Builder) -> None:
    info = "hidden-9.dist-info/METADATA"
    content = {info: "Metadata-Version: 2.1\nName: hidden\nVersion: 9\n"}

    with pytest.raises(LockRefused, match=r"wheel|brings another one along, hidden"):
        builder.build(make_wheel(builder.wheels, "host", content))


def test_the_wrong_hash_is_refused_by_its_line(builder: Builder) -> None:
    make_wheel(builder.wheels, "wrong", {"wrong.py": ""})

    with pytest.raises(LockRefused, match=r"Line 4, wrong==1.0 cannot .* Hash mismatch"):
        builder.build(f"wrong==1.0 --hash=sha256:{'0' * 64}\n")


def test_a_source_distribution_is_refused_and_not_built(builder: Builder) -> None:
    source = builder.wheels / "source-1.0.tar.gz"
    source.write_bytes(b"whatever it holds")
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()

    with pytest.raises(LockRefused, match=r"Line 4, source==1.0 cannot be installed from a wheel"):
        builder.build(f"source==1.0 --hash=sha256:{sha256}\n")


def test_a_wheel_for_another_machine_is_refused(builder: Builder) -> None:
    make_wheel(builder.wheels, "other", {"other.py": ""})
    plain = builder.wheels / "other-1.0-py3-none-any.whl"
    wheel = plain.rename(builder.wheels / "other-1.0-cp313-cp313-win_amd64.whl")

    with pytest.raises(LockRefused, match=r"other"):
        builder.build(line_of(wheel))


def test_a_package_that_is_nowhere_is_refused(builder: Builder) -> None:
    with pytest.raises(LockRefused, match="nowhere"):
        builder.build(f"nowhere==1.0 --hash=sha256:{'0' * 64}\n")


def test_a_full_disk_is_no_fault_of_the_lock(builder: Builder) -> None:
    if os.getuid() != 0:
        pytest.skip("To mount a small disk takes root.")
    line = make_wheel(builder.wheels, "large", {"large.bin": bytes(4 << 20)}, compressed=True)
    disk = builder.store.root
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)])
    if mounted.returncode != 0:
        pytest.skip("No disk can be mounted here.")

    try:
        with pytest.raises(InfrastructureError, match=r"could not be fetched: .*No space left"):
            builder.build(line)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_hashes_of_none_of_our_files_for_this_machine_are_the_locks_fault(
    builder: Builder,
) -> None:
    ours = Lock.read(serving("package").lock_file("cpu")).packages
    package = next(p for p in ours if p.name == "msgpack")
    required = [line for line in builder.required.splitlines() if "msgpack" not in line]
    make_wheel(builder.wheels, "msgpack", {"other.py": ""}, version=package.version)
    builder.required = "\n".join([*required, ""])

    with pytest.raises(LockRefused, match=r"Line 3, msgpack==.* cannot .* Hash mismatch"):
        builder.build(f"msgpack=={package.version} --hash=sha256:{package.hashes[0]}\n")


def test_an_index_that_does_not_answer_is_no_fault_of_the_lock(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    ours = Lock.read(serving("package").lock_file("cpu")).packages
    required = tuple(p for p in ours if p.name in REQUIRED)
    builder.required = Lock(packages=required).text()

    with pytest.raises(InfrastructureError, match="could not be built") as raised:
        builder.build("")

    assert not isinstance(raised.value, LockRefused)
    assert str(builder.folder) not in str(raised.value)


def test_what_is_for_other_machines_alone_is_left_out(builder: Builder) -> None:
    line = make_wheel(builder.wheels, "windows", {"windows.py": ""})

    runtime = builder.build(line.replace(" --", " ; sys_platform == 'win32' --"))

    assert "windows" not in runtime.packages


def test_what_serves_the_calculator_may_not_be_for_other_machines(builder: Builder) -> None:
    builder.required = builder.required.replace(
        "numpy==1.0 ", "numpy==1.0 ; sys_platform == 'win32' "
    )

    with pytest.raises(LockRefused, match="numpy is for other machines"):
        builder.build("")


def test_a_wheel_that_says_another_version_of_another_package_is_refused(builder: Builder) -> None:
    info = "liar-1.0.data/purelib/numpy-9.9.dist-info/METADATA"
    content = {info: "Metadata-Version: 2.1\nName: numpy\nVersion: 9.9\n"}

    with pytest.raises(LockRefused, match="brings another version of one of them along"):
        builder.build(make_wheel(builder.wheels, "liar", content))


@pytest.mark.parametrize("n_files", [1, 40])
def test_a_wheel_that_unpacks_to_too_much_is_ended(builder: Builder, n_files: int) -> None:
    files = {f"bomb/{i}.bin": bytes((128 << 20) // n_files) for i in range(n_files)}
    line = make_wheel(builder.wheels, "bomb", files, compressed=True)
    assert (builder.wheels / "bomb-1.0-py3-none-any.whl").stat().st_size < 1 << 20

    with pytest.raises(LockRefused, match="take more than 64 MiB"):
        builder.build(line, size_MiB=64)


def test_a_list_of_files_that_fills_the_memory_is_ended(builder: Builder) -> None:
    record = "a,,\n" * 10_000_000
    line = make_wheel(builder.wheels, "long", {"long.py": ""}, record=record, compressed=True)

    with pytest.raises(LockRefused, match=r"memory allocation of .* failed"):
        builder.build(line, memory_MiB=1536)


def test_a_flood_of_files_is_ended(builder: Builder) -> None:
    line = make_wheel(builder.wheels, "flood", {f"flood/{i}": "" for i in range(3000)})

    with pytest.raises(LockRefused, match="hold more than 2000 files"):
        builder.build(line, n_files=2000)


def test_what_takes_too_long_is_ended_and_is_no_fault_of_the_lock(builder: Builder) -> None:
    line = make_wheel(builder.wheels, "slow", {f"slow/{i}": "" for i in range(3000)})

    with pytest.raises(InfrastructureError, match=r"were not there after 0 s"):
        builder.build(line, build_time_s=0)


def test_a_file_that_is_no_archive_is_refused(builder: Builder) -> None:
    wheel = builder.wheels / "broken-1.0-py3-none-any.whl"
    wheel.write_bytes(b"no archive")

    with pytest.raises(LockRefused, match=r"broken==1.0 cannot be installed"):
        builder.build(line_of(wheel))


def test_a_build_that_nobody_wants_any_more_leaves_nothing(builder: Builder) -> None:
    lock = read_own_lock(builder.required)

    with pytest.raises(BuildStopped):
        build_own(lock, builder.store, OwnBuild(limits=OwnLimits(), should_stop=lambda: True))

    assert builder.store.built() == []


def test_the_longest_unused_runtimes_go_first(builder: Builder) -> None:
    old = builder.build(make_wheel(builder.wheels, "old", {"old.py": ""}))
    young = builder.build(make_wheel(builder.wheels, "young", {"young.py": ""}))
    os.utime(old.prefix / "runtime.json", (1, 1))
    left = builder.store.folder(old.name, "0" * 64 + ".tmp-1-1")  # by a builder that was killed
    left.mkdir()

    removed = remove_unused(builder.store, most_bytes=young.n_bytes)

    assert [runtime.name for runtime in removed] == [old.name]
    assert not left.exists()
    assert [runtime.name for runtime in builder.store.built()] == [young.name]


def _said(sandbox: BubblewrapSandbox, artifact: Path, runtime: Runtime) -> str:
    """What a process says that ends at once, and whatever speaks before it."""
    process = sandbox.start(
        ProcessRequest(
            artifact=artifact, memory_MiB=512, runtime=runtime, program=("-c", "print('ended')")
        )
    )
    output = OutputDrain(process.stdout, process.stderr)
    process.wait(30)
    process.kill()
    process.release()
    output.finish()
    return output.stdout


def test_a_folder_in_the_place_of_a_covered_module_keeps_no_sandbox_from_starting(
    builder: Builder, sandbox: BubblewrapSandbox, artifact: Path
) -> None:
    files = {"ase/collections/collection.py/inside.txt": "", "ase/test": "a file, not a folder"}
    runtime = builder.build(make_wheel(builder.wheels, "folder", files))

    assert "ended" in _said(sandbox, artifact, runtime)


def test_startup_files_of_a_wheel_run_inside_the_sandbox_alone(
    builder: Builder, sandbox: BubblewrapSandbox, artifact: Path
) -> None:
    mark = builder.folder / "escaped"
    say = f"import sys; sys.stdout.write('started '); open({str(mark)!r}, 'w')"
    files = {
        "start.pth": f"import sys; exec({say!r})\n",
        "sitecustomize.py": "import sys; sys.stdout.write('customized ')\n",
    }
    runtime = builder.build(make_wheel(builder.wheels, "start", files))
    assert not mark.exists()

    said = _said(sandbox, artifact, runtime)

    # Python says what went wrong in the .pth file, and goes on.
    assert "started" in said
    assert "customized" in said
    assert "ended" in said
    assert not mark.exists()
