from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.contract import Verdict
from evaluator.sandbox.base import Sandbox, SandboxLevel
from evaluator.sandbox.bubblewrap import BubblewrapSandbox
from evaluator.sandbox.cgroups import CgroupParent, find_cgroup_parent
from evaluator.sandbox.output import FREE_BYTES, HEAD_BYTES, TAIL_BYTES
from evaluator.sandbox.session import CalculatorFailure
from evaluator.wire import Prediction
from tests.hostile.attacks import Attacker, argon
from tests.hostile.conftest import processes_with

pytestmark = pytest.mark.sandbox


@pytest.fixture(params=["control group", "watchdog"])
def bounded_attacker(
    request: pytest.FixtureRequest, sandbox: BubblewrapSandbox, attacker: Attacker
) -> Iterator[Attacker]:
    """The attacker in the sandbox of this machine, and in one that has no control groups."""
    if request.param == "control group":
        assert sandbox.level in (SandboxLevel.CGROUP2, SandboxLevel.CGROUP1)
        yield attacker
        return
    without: Sandbox = BubblewrapSandbox(bwrap=sandbox.bwrap, cgroup_parent=None)
    assert without.level is SandboxLevel.RLIMIT
    yield Attacker(sandbox=without, artifact=attacker.artifact, token=attacker.token)


HOGS = {
    "anonymous memory": "blocks = [b'x' * (8 << 20) for _ in range(200)]",
    "a child's memory": """
if os.fork() == 0:
    blocks = [b'x' * (8 << 20) for _ in range(200)]
    time.sleep(60)
os.wait()
os._exit(1)
""",
    "many memory files": """
for number in range(200):
    descriptor = os.memfd_create(f"hog-{number}")
    os.write(descriptor, bytes(8 << 20))
""",
}


@pytest.mark.parametrize("hog", HOGS)
def test_a_memory_hog_is_out_of_memory(bounded_attacker: Attacker, hog: str) -> None:
    session = bounded_attacker.start(
        f"hello()\nready()\nquestion()\n{HOGS[hog]}\ntime.sleep(60)", memory_MiB=200
    )
    started = time.monotonic()
    with session, pytest.raises(CalculatorFailure, match="more memory") as caught:
        session.compute([argon()])
    assert caught.value.verdict is Verdict.OUT_OF_MEMORY_HOST
    assert time.monotonic() - started < 8


def test_a_fork_bomb_is_contained_and_ended(bounded_attacker: Attacker) -> None:
    session = bounded_attacker.start(
        """
        hello()
        ready()
        question()
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """
    )
    started = time.monotonic()
    with session, pytest.raises(CalculatorFailure) as caught:
        session.compute([argon()], timeout_s=1.0)
    assert caught.value.verdict in (Verdict.CALL_TIMEOUT, Verdict.OUT_OF_MEMORY_HOST)
    assert time.monotonic() - started < 10


def test_the_number_of_processes_is_bounded(bounded_attacker: Attacker) -> None:
    lines = bounded_attacker.report(
        """
        children = []
        while True:
            try:
                child = os.fork()
            except BlockingIOError:
                break
            if child == 0:
                time.sleep(60)
            children.append(child)
        print(len(children))
        for child in children:
            os.kill(child, signal.SIGKILL)
        """
    )
    assert 50 < int(lines[0]) < 200


def test_tmp_can_be_filled_without_harm(attacker: Attacker) -> None:
    session = attacker.start(
        """
        hello()
        ready()
        question()
        with open("/tmp/" + token, "wb") as file:
            while True:
                file.write(bytes(1 << 20))
        """
    )
    with session, pytest.raises(CalculatorFailure) as caught:
        session.compute([argon()])
    # The file system's size and the file size limit bound it, and so does the memory.
    assert caught.value.verdict in (Verdict.OUT_OF_MEMORY_HOST, Verdict.RUNTIME_ERROR)


def test_a_flood_of_inodes_is_out_of_memory(attacker: Attacker) -> None:
    session = attacker.start(
        """
        hello()
        ready()
        question()
        number = 0
        while True:
            os.mknod(f"/tmp/{token}-{number}")
            number += 1
        """,
        memory_MiB=64,
    )
    with session, pytest.raises(CalculatorFailure) as caught:
        session.compute([argon()])
    assert caught.value.verdict is Verdict.OUT_OF_MEMORY_HOST


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    "flood", ["x", r"x\n", r"\xff\xfe\x80"], ids=["one line", "lines", "no UTF-8"]
)
def test_an_endless_flood_of_output_keeps_head_and_tail_and_ends_nothing(
    attacker: Attacker, stream: str, flood: str
) -> None:
    session = attacker.start(
        f"""
        import threading
        hello()
        ready()
        fd = sys.{stream}.fileno()
        os.write(fd, b"the first words\\n")

        def write_for_ever():
            while True:
                os.write(fd, b"{flood}" * 65_536)

        threading.Thread(target=write_for_ever, daemon=True).start()
        serve()
        """
    )
    with session:
        started, before = time.monotonic(), resident_memory_MiB()
        for _ in range(40):
            (energy,) = session.compute([argon()])
            assert isinstance(energy, Prediction)
        while time.monotonic() - started < 1.5:
            time.sleep(0.1)
        text = getattr(session, stream)
        assert resident_memory_MiB() - before < 32
    assert text.startswith("the first words\n")
    assert "bytes left out" in text
    assert len(text) < HEAD_BYTES + TAIL_BYTES + 100


def resident_memory_MiB() -> float:  # noqa: N802
    """Memory of this process."""
    n_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return n_pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_much_output_is_kept_in_part_and_does_no_harm(attacker: Attacker) -> None:
    lines = attacker.report(
        f"""
        print("first")
        for _ in range({FREE_BYTES} // 512):
            print("x" * 1023)
        print("last")
        """
    )
    assert lines[0] == "first"
    assert lines[-1] == "last"


@pytest.mark.parametrize("moment", ["idle", "busy"])
def test_a_calculator_that_ignores_signals_is_gone_within_seconds(
    attacker: Attacker, moment: str
) -> None:
    session = attacker.start(
        """
        for number in range(1, 65):
            outcome(signal.signal, number, signal.SIG_IGN) if number not in (32, 33) else None
        hello()
        ready()
        while True:
            time.sleep(1)
        """
    )
    started = time.monotonic()
    if moment == "busy":
        with pytest.raises(CalculatorFailure) as caught:
            session.compute([argon()], timeout_s=0.5)
        assert caught.value.verdict is Verdict.CALL_TIMEOUT
    session.close()
    assert time.monotonic() - started < 4
    assert processes_with(attacker.token) == []


@pytest.mark.parametrize("name", [b"\xff\xfe", b") R 1 (", b"\n\x00"])
def test_a_process_that_no_text_can_name_is_ended_and_hides_no_other(
    attacker: Attacker, name: bytes
) -> None:
    """A name is any bytes, and the host looks through all of its processes for those to end."""
    session = attacker.start(
        f"""
        libc.prctl(15, {name!r})  # PR_SET_NAME
        hello()
        ready()
        while True:
            time.sleep(1)
        """
    )
    other = attacker.start("hello(); ready(); serve()")
    assert session.memory_peak()[0] is not None
    other.close()
    with pytest.raises(CalculatorFailure) as caught:
        session.compute([argon()], timeout_s=0.5)
    assert caught.value.verdict is Verdict.CALL_TIMEOUT
    session.close()
    assert processes_with(attacker.token) == []


def test_a_daemon_that_is_left_behind_dies_with_the_session(bounded_attacker: Attacker) -> None:
    attacker = bounded_attacker
    session = attacker.start(
        """
        hello()
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    connection.close()
                    time.sleep(600)
                os._exit(0)
        ready()
        serve()
        """
    )
    session.compute([argon()])
    assert len(processes_with(attacker.token)) > 3
    session.close()
    assert processes_with(attacker.token) == []


def test_a_daemon_that_holds_the_wire_open_does_not_hold_the_session(attacker: Attacker) -> None:
    with pytest.raises(CalculatorFailure) as caught:
        attacker.start(
            """
            hello()
            if os.fork() == 0:
                time.sleep(600)
            os._exit(7)
            """,
            call_timeout_s=2.0,
        )
    assert caught.value.verdict in (Verdict.CALL_TIMEOUT, Verdict.RUNTIME_ERROR)


def test_a_load_that_sleeps_ends_at_its_deadline(attacker: Attacker) -> None:
    started = time.monotonic()
    with pytest.raises(CalculatorFailure, match="Loading the potential took longer") as caught:
        attacker.start("hello()\ntime.sleep(600)", load_timeout_s=1.0)
    assert caught.value.verdict is Verdict.CALL_TIMEOUT
    assert time.monotonic() - started < 4


DRIVER = """
import sys, time
from pathlib import Path
from evaluator.sandbox.find import find_sandbox
from tests.hostile.attacks import Attacker
attacker = Attacker(sandbox=find_sandbox(), artifact=Path(sys.argv[1]), token=sys.argv[2])
session = attacker.start("hello()\\nready()\\nserve()")
print("started", flush=True)
time.sleep(600)
"""


def test_the_sandbox_dies_with_a_driver_that_is_killed(attacker: Attacker) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(attacker.artifact), attacker.token],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert driver.stdout is not None
    with driver.stdout:
        assert driver.stdout.readline() == b"started\n"
        assert len(processes_with(attacker.token)) > 1
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    deadline = time.monotonic() + 3
    while processes_with(attacker.token) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes_with(attacker.token) == []

    # Nobody was left to remove its control group; the next worker does.
    parent = find_cgroup_parent()
    assert parent is not None
    deadline = time.monotonic() + 3
    while groups_of(parent, driver.pid) and time.monotonic() < deadline:
        parent.sweep()
        time.sleep(0.02)
    assert groups_of(parent, driver.pid) == []


def groups_of(parent: CgroupParent, pid: int) -> list[Path]:
    folders = parent.folders.values()
    return [group for folder in folders for group in folder.glob(f"touchstone-{pid}-*")]
