"""The driver in a process without rights: the same numbers, and nothing that it could give away."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluator.contract import (
    EvaluationReport,
    FileRecord,
    Limits,
    Phase,
    Progress,
    SystemStatus,
    Verdict,
)
from evaluator.driver import calibration, confined, messages
from evaluator.driver import child as driver_child
from evaluator.driver.child import _order
from evaluator.driver.finished import FinishedSystem, StoredSystem
from evaluator.driver.messages import Channel
from evaluator.driver.preparation import prepare
from evaluator.exceptions import InfrastructureError
from evaluator.host import machine
from evaluator.host.device_lock import LOCK_DIR_VARIABLE, device_lock
from evaluator.pool.pool import plan_pool
from evaluator.sandbox.base import ConfinedProcess, ProcessRequest, Sandbox
from evaluator.sandbox.broker import Allowed, BrokeredSandbox, SandboxBroker
from evaluator.sandbox.watchdog import descendants
from tests.evaluator.driver.runs import run
from tests.evaluator.small_tasks import submission_of, task_on, write_emt, write_package

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = set(descendants(os.getpid()))
    yield
    assert set(descendants(os.getpid())) <= before


def evaluate(
    sandbox: Sandbox, reference: Path, artifact: Path, kind: str = "ase", **more: Any
) -> EvaluationReport:
    limits = more.pop("limits", None)
    task = task_on(reference, **({"limits": limits} if limits else {}))
    submission = submission_of(artifact, kind)
    return confined.evaluate(task, submission, artifact, reference, sandbox=sandbox, **more)


def driver_pid() -> int | None:
    """The driver's own process below this one, once it runs Python."""
    for pid in descendants(os.getpid()):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"evaluator.driver.child" in words and b"python" in words[0]:
            return pid
    return None


def signalling(number: int) -> Callable[[Progress], None]:
    """A listener to the progress that sends the driver a signal at the first word."""
    sent: list[int] = []

    def listen(progress: Progress) -> None:
        pid = driver_pid()
        if not sent and pid is not None:
            os.kill(pid, number)
            sent.append(pid)

    return listen


def test_the_numbers_are_those_of_the_driver_in_this_process_and_can_be_resumed(
    sandbox: Sandbox, metals: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    artifact = write_emt(tmp_path)
    here = run(sandbox, artifact, "ase", metals, plan=None)
    kept: list[StoredSystem] = []
    phases: list[str] = []

    # Private files: the worker hands them in.
    metals.chmod(0o400)
    there = evaluate(
        sandbox,
        metals,
        artifact,
        progress=lambda progress: phases.append(progress.phase),
        keep_finished=kept.extend,
    )
    assert (there.verdict, there.scores) == (here.verdict, here.scores)
    assert [s.values for s in there.systems] == [s.values for s in here.systems]
    assert list(dict.fromkeys(phases)) == ["loading", "simulating", "scoring"]
    assert len(kept) == 3

    damaged = StoredSystem(kept[0].system_id, b"damaged", "")
    finished = {system.system_id: system for system in (*kept, damaged)}
    again = evaluate(sandbox, metals, artifact, finished=finished)
    assert again.scores == here.scores
    assert again.provenance["resumed"]["n_systems"] == 2
    assert "is simulated again" in caplog.text


def test_a_fault_of_ours_is_told_in_the_driver_s_words(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_emt(tmp_path)
    task, submission = task_on(metals), submission_of(artifact, "ase")
    with metals.open("a") as file:
        file.write("\n")
    with pytest.raises(InfrastructureError, match="reference set systems has sha256"):
        confined.evaluate(task, submission, artifact, metals, sandbox=sandbox)


def test_a_stop_cancels(sandbox: Sandbox, metals: Path, tmp_path: Path) -> None:
    artifact = write_package(tmp_path, after="time.sleep(60)")
    seen: list[Progress] = []
    report = evaluate(
        sandbox,
        metals,
        artifact,
        "package",
        progress=seen.append,
        should_stop=lambda: any(progress.phase == "simulating" for progress in seen),
    )
    assert report.verdict is Verdict.CANCELLED


def test_a_driver_that_is_killed_is_lost_with_its_sandboxes(
    sandbox: Sandbox, metals: Path, tmp_path: Path
) -> None:
    artifact = write_package(tmp_path, after="time.sleep(60)")
    with pytest.raises(confined.DriverLost, match="without a report"):
        evaluate(sandbox, metals, artifact, "package", progress=signalling(signal.SIGKILL))


@pytest.mark.parametrize("end", ["stopped", "out of time"])
def test_a_driver_that_hears_nothing_is_ended_all_the_same(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(confined, "_STOP_GRACE_S", 0.5)
    monkeypatch.setattr(confined, "_OVERTIME_S", 0.5)
    artifact = write_package(tmp_path, after="time.sleep(60)")
    hang = signalling(signal.SIGSTOP)
    started: list[float] = []

    def listen(progress: Progress) -> None:
        hang(progress)
        started.append(time.monotonic())

    report = evaluate(
        sandbox,
        metals,
        artifact,
        "package",
        progress=listen,
        should_stop=lambda: end == "stopped" and bool(started),
        limits=Limits(wall_time_s=600 if end == "stopped" else 3, memory_MiB=1024),
    )
    expected = Verdict.CANCELLED if end == "stopped" else Verdict.WALL_TIMEOUT
    assert report.verdict is expected


def end(process: ConfinedProcess) -> None:
    process.kill()
    process.release()
    process.stdout.close()
    process.stderr.close()


SPY = """
import json, os, socket, sys
def attempt(action):
    try:
        return str(action())
    except OSError as error:
        return type(error).__name__
import evaluator.driver.evaluation, evaluator.protocols
found = {
    "uid": os.getuid(), "groups": os.getgroups(), "environment": sorted(os.environ),
    "network": attempt(lambda: socket.create_connection(("127.0.0.1", %(port)d), timeout=2)),
    "settings": attempt(lambda: open(%(settings)r).read()),
    "blob": attempt(lambda: open(%(blob)r).read()),
    "signal": attempt(lambda: os.kill(%(pid)d, 0)),
    "write": attempt(lambda: open(evaluator.__file__, "a")),
    "parents": attempt(lambda: open("/proc/%(pid)d/environ").read()),
    "reference": open("/reference/systems").read()[:3],
    "status": dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line),
    "leaderboard": __import__("importlib.util").util.find_spec("leaderboard") is not None,
}
print(json.dumps(found), flush=True)
"""


def test_the_driver_s_process_has_no_rights_and_knows_no_secret(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    import leaderboard

    monkeypatch.setenv("DATABASE_URL", "postgresql://touchstone:secret@localhost/touchstone")
    monkeypatch.setenv("SECRET_KEY", "secret")
    private = tmp_path / "other-weights"
    private.write_text("private")
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = SPY % {
            "port": server.getsockname()[1],
            "settings": str(Path(leaderboard.__file__).parent / "settings.py"),
            "blob": str(private),
            "pid": os.getpid(),
        }
        process = sandbox.start(
            ProcessRequest(
                artifact=write_emt(tmp_path),
                reference=metals,
                memory_MiB=2048,
                program=("-c", script),
                is_trusted=True,
            )
        )
        try:
            assert process.wait(60) == 0, process.stderr.read()
            found = json.loads(process.stdout.read())
        finally:
            end(process)
    assert found["uid"] != 0
    assert found["groups"] == []
    assert {"DATABASE_URL", "SECRET_KEY"} & set(found["environment"]) == set()
    refused = {name: found[name] for name in ("network", "settings", "blob", "write", "parents")}
    assert not [name for name, answer in refused.items() if not answer.endswith("Error")], refused
    assert found["signal"] == "ProcessLookupError"
    assert found["leaderboard"] is False
    assert found["reference"]
    assert found["status"]["NoNewPrivs"].strip() == "1"
    assert found["status"]["CapBnd"].strip() == "0" * 16


@contextmanager
def broker_of(sandbox: Sandbox, artifact: Path) -> Iterator[BrokeredSandbox]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    allowed = Allowed(artifact=artifact, memory_MiB=512, n_threads=1, device="cpu")
    with theirs, SandboxBroker(ours, sandbox, allowed):
        yield BrokeredSandbox(theirs, sandbox.level, artifact)
        theirs.shutdown(socket.SHUT_RDWR)


def test_the_broker_starts_what_the_evaluation_may_have_and_no_more(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = write_emt(tmp_path)
    with broker_of(sandbox, artifact) as brokered:
        for more in ({"memory_MiB": 513}, {"n_threads": 2}, {"device": "cuda:0"}):
            request: dict[str, Any] = {"artifact": artifact, "memory_MiB": 512, **more}
            with pytest.raises(InfrastructureError, match="was asked for"):
                brokered.start(ProcessRequest(**request))
        # A program, a user or a reference of the driver's own choice cannot be named at all.
        process = brokered.start(
            ProcessRequest(artifact=artifact, memory_MiB=512, program=("-c", "print('mine')"))
        )
        assert process.wait(0.3) is None  # the server, which waits to be spoken to
        with pytest.raises(InfrastructureError, match="no such process"):
            brokered.ask("memory_peak", {"process": 7})
        for nonsense in ({"process": "0"}, {"process": None}, {}):
            with pytest.raises(InfrastructureError, match="cannot be read"):
                brokered.ask("kill", nonsense)
        with pytest.raises(InfrastructureError, match="no such action"):
            brokered.ask("__init__", {"process": 0})
        for open_end in (process.connection, process.stdout, process.stderr):
            open_end.close()
    # It ends with the broker, whether the driver has released it or not.


def test_the_broker_takes_artifacts_that_the_driver_brings(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    sent = tmp_path / "zero.json"
    sent.write_text('{"default_eV": 0.0}')
    sent.chmod(0o400)
    with broker_of(sandbox, write_emt(tmp_path / "own")) as brokered:
        process = brokered.start(ProcessRequest(artifact=sent, memory_MiB=512))
        assert process.artifact == "/artifact/zero.json"
        end(process)


def test_a_driver_that_speaks_nonsense_is_lost_and_harms_nobody(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: Sequence[tuple[str, dict[str, Any]]] = [
        ("report", {"report": "{}"}),
        ("report", {"report": "[" * 100_000}),
        ("file", {"record": {"name": "../x"}, "content": b""}),
        ("progress", {"phase": "flying"}),
        ("lock", {}),
        ("password", {}),
    ]
    for name, content in said:
        child = object.__new__(confined._Child)
        child._n_bytes_stored = 0
        with pytest.raises(confined.DriverLost, match="sent what is no"):
            child._take(name, content)


def test_a_fault_of_the_worker_s_own_is_not_charged_to_the_driver() -> None:
    def disk_is_full(*_: object) -> None:
        raise ValueError("the worker's own")

    child = object.__new__(confined._Child)
    child._n_bytes_stored = 0
    child._hooks = confined._Hooks(disk_is_full, lambda: False, disk_is_full, disk_is_full)
    record = FileRecord(
        system_id="Cu", name="x.json", sha256="0" * 64, size_bytes=2, media_type="application/json"
    )
    said: Sequence[tuple[str, dict[str, Any]]] = [
        ("progress", Progress(phase=Phase.LOADING).to_json()),
        ("finished", {"system_id": "Cu", "content": b""}),
        ("file", {"record": record.to_json(), "content": b"{}"}),
    ]
    for name, content in said:
        with pytest.raises(ValueError, match="the worker's own"):
            child._take(name, content)


def test_what_one_driver_has_measured_the_next_one_of_the_same_artifact_knows(
    sandbox: Sandbox, metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = write_emt(tmp_path)
    task, submission = task_on(metals), submission_of(artifact, "ase")
    prepared = prepare(task, submission, artifact, metals)
    n_cores = machine.n_cores()
    rule = plan_pool("cpu", n_cores, max_processes=min(n_cores, 3))
    measured = replace(rule, n_processes=1, n_threads=n_cores, origin="calibration")
    calibration.forget_plans()
    calibration._known[calibration._key(prepared, "cpu", rule)] = measured
    text = calibration.plans_to_json()
    calibration.forget_plans()
    monkeypatch.setattr(confined, "_plans", {submission.artifact_sha256: text})

    report = evaluate(sandbox, metals, artifact)

    assert report.provenance["pool"]["origin"] == "calibration"
    assert report.provenance["pool"]["n_processes"] == 1
    assert confined._plans == {submission.artifact_sha256: text}


def test_plans_of_few_artifacts_are_remembered() -> None:
    confined._plans.clear()
    for number in range(2 * confined._MOST_PLANS):
        confined._remember(f"{number}", "[]")
    confined._remember("huge", "x" * 10**6)
    assert len(confined._plans) == confined._MOST_PLANS
    assert "huge" not in confined._plans
    confined._plans.clear()


class StubProcess(ConfinedProcess):
    """A driver's process whose part is played by the test, at the other end of a socket."""

    def __init__(self) -> None:
        self.stdout, self.stderr = (
            os.fdopen(os.open(os.devnull, os.O_RDONLY), "rb") for _ in range(2)
        )

    def wait(self, timeout_s: float) -> int | None:
        return None

    def ran_out_of_memory(self) -> bool:
        return False

    def memory_peak(self) -> tuple[int | None, str]:
        return None, ""

    def forget_memory_peak(self) -> None:
        pass

    def kill(self) -> None:
        pass

    def release(self) -> None:
        pass


@contextmanager
def conversation(
    process: StubProcess | None = None,
) -> Iterator[tuple[confined._Child, Channel]]:
    """The worker's side of a driver, and the driver's own end."""
    ours, theirs = socket.socketpair()
    hooks = confined._Hooks(
        progress=lambda progress: None,
        should_stop=lambda: False,
        store_file=lambda record, content: None,
        keep_finished=lambda systems: None,
    )
    child = confined._Child(process or StubProcess(), Channel(ours), hooks, wall_time_s=60)
    with ours, theirs:
        try:
            yield child, Channel(theirs)
        finally:
            child.end()
            assert not child._reader.is_alive()


def test_a_driver_that_cannot_be_killed_holds_neither_the_device_nor_the_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LOCK_DIR_VARIABLE, str(tmp_path))
    released = []

    class Unkillable(StubProcess):
        def kill(self) -> None:
            raise OSError("cannot be killed")

        def release(self) -> None:
            released.append(True)

    with pytest.raises(OSError, match="cannot be killed"), conversation(Unkillable()) as (child, _):
        child._reader.start()
        child._lock.acquire(is_exclusive=True)
        while not child._lock.is_held:
            time.sleep(0.01)
    assert released == [True]
    with device_lock(is_exclusive=True, while_waiting=lambda: pytest.fail("still held")):
        pass


def test_what_earlier_attempts_kept_may_be_more_than_one_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(messages, "MAX_MESSAGE_BYTES", 4096)
    finished = [finished_system(f"Cu-{number}") for number in range(16)]
    stored = [StoredSystem(s.system_id, s.to_bytes(), "claim 1") for s in finished]
    assert sum(len(system.content) for system in stored) > 4096
    damaged = StoredSystem("Ni", b"damaged", "claim 1")
    with conversation() as (worker, driver):
        worker.tell({"task": "{}"}, [*stored, damaged])
        order, systems = _order(driver)
    assert order == {"task": "{}"}
    assert {name: system.origin for name, system in systems.items()} == {
        system.system_id: "claim 1" for system in stored
    }


def test_a_system_that_is_too_large_for_a_message_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    small, large = finished_system("Cu"), finished_system("Ni", message="x" * 1000)
    monkeypatch.setattr(driver_child, "MAX_SYSTEM_BYTES", len(small.to_bytes()))
    with conversation() as (worker, driver):
        worker.tell({})
        driver_child._Worker(driver).keep([large, small])
        message = worker._messages.get(timeout=5)
        assert message is not None
        assert message[1]["system_id"] == "Cu"
    assert "Ni is not kept" in caplog.text


def finished_system(system_id: str, message: str = "") -> FinishedSystem:
    return FinishedSystem(
        system_id=system_id,
        status=SystemStatus.FAILED,
        message=message,
        answer_status=None,
        outcome=None,
        n_calls=1,
        wall_time_s=1.0,
        conditions="",
        elapsed_s=1.0,
        serving={},
    )


@pytest.mark.parametrize("n_bytes", [0, 8 << 20], ids=["never asks", "does not even read"])
def test_a_driver_that_does_not_begin_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, n_bytes: int
) -> None:
    monkeypatch.setattr(confined, "_BEGIN_S", 0.3)
    with (
        conversation() as (worker, _),
        pytest.raises(InfrastructureError, match=r"did not begin within 0\.3 s"),
    ):
        worker.tell({"task": "x" * n_bytes})
        worker.attend()


def test_a_driver_that_waits_for_the_device_has_begun(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(confined, "_BEGIN_S", 0.3)
    monkeypatch.setenv(LOCK_DIR_VARIABLE, str(tmp_path))
    with device_lock(is_exclusive=True, while_waiting=lambda: None), conversation() as talk:
        worker, driver = talk
        worker.tell({})
        driver.send("lock", is_exclusive=False)
        threading.Timer(0.8, lambda: driver.send("fault", message="enough")).start()
        with pytest.raises(InfrastructureError, match="enough"):
            worker.attend()
        assert not worker.has_device


def test_why_the_device_cannot_be_had_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(LOCK_DIR_VARIABLE, str(tmp_path / "file" / "folder"))
    with conversation() as (worker, driver):
        worker.tell({})
        driver.send("lock", is_exclusive=False)
        with pytest.raises(InfrastructureError, match=LOCK_DIR_VARIABLE) as caught:
            worker.attend()
    assert not isinstance(caught.value, confined.DriverLost)


def test_a_driver_that_says_too_much_after_its_end_holds_no_thread() -> None:
    with conversation() as (worker, driver):
        worker.tell({})
        for _ in range(20):
            driver.send("progress", phase="loading")
        until = time.monotonic() + 5
        while not worker._messages.full() and time.monotonic() < until:
            time.sleep(0.01)
        assert worker._reader.is_alive()
    # ``conversation`` sees to it that the reader has ended.
