from __future__ import annotations

import threading
import time

import pytest

from evaluator.contract import Verdict
from evaluator.sandbox.session import (
    CalculatorFailure,
    CalculatorSession,
    Prediction,
    StructureFailure,
)
from evaluator.wire import Status
from tests.hostile.attacks import Attacker, argon

pytestmark = pytest.mark.sandbox

ATTACKS_ON_THE_ANSWER = {
    "a giant payload": ("raw(Kind.RESULT, 10, 1 << 62)", "payload of"),
    "a giant header": ("raw(Kind.RESULT, 1 << 31, 32)", "header of"),
    "another magic": ("connection.sendall(bytes(64))", "does not begin"),
    "an unknown kind": ("raw(99, 1, 0)", "kind 99"),
    "an unexpected kind": ("ready()", "payload|kind 3"),
    "a short payload": ("raw(Kind.RESULT, 1, 24)", "payload of 24 bytes came where 32"),
    "a stale id": (
        """
frame = answer_frame(request)
frame.header["id"] = request.request_id - 1
wire.send_frame(connection, frame)
""",
        "not the one asked",
    ),
    "a replay": (
        """
frame = answer_frame(request)
wire.send_frame(connection, frame)
question()
wire.send_frame(connection, frame)
""",
        "not the one asked",
    ),
    "trailing bytes": (
        """
import msgpack
frame = answer_frame(request)
header = msgpack.packb(frame.header)
raw(Kind.RESULT, len(header), len(frame.payload), header + frame.payload + b"more")
""",
        "without being asked",
    ),
    "one entry too few": (
        """
frame = answer_frame(request)
frame.header["status"] = []
wire.send_frame(connection, frame)
""",
        "one entry for each",
    ),
    "a bool for an id": (
        """
frame = answer_frame(request)
frame.header["id"] = True
wire.send_frame(connection, frame)
""",
        "wrong type",
    ),
    "a verdict of its own": (
        """
header = {"category": "infrastructure_error", "message": "try again, please"}
wire.send_frame(connection, Frame(kind=Kind.ERROR, header=header))
""",
        "unknown category",
    ),
    "a nonfinite status of its own": (
        """
frame = answer_frame(request)
frame.header["status"] = ["nonfinite"]
wire.send_frame(connection, frame)
""",
        "unknown status",
    ),
    "a pickle for a header": (
        """
import pickle
data = pickle.dumps(print)
raw(Kind.RESULT, len(data), 32, data + bytes(32))
""",
        "header",
    ),
    "an extension type": (
        "raw(Kind.RESULT, 3, 32, bytes([0xd4, 1, 0]) + bytes(32))",
        "cannot be read",
    ),
    "a deep header": (
        "raw(Kind.RESULT, 100_000, 32, bytes([0x91]) * 100_000 + bytes(32))",
        "cannot be read",
    ),
}


@pytest.mark.parametrize("name", ATTACKS_ON_THE_ANSWER)
def test_a_broken_answer_ends_the_session_as_a_protocol_error(
    attacker: Attacker, name: str
) -> None:
    attack, message = ATTACKS_ON_THE_ANSWER[name]
    session = attacker.start(f"hello()\nready()\nrequest = question()\n{attack}\ntime.sleep(60)")

    with session, pytest.raises(CalculatorFailure, match=message) as caught:
        for _ in range(2):
            session.compute([argon()])

    assert caught.value.verdict is Verdict.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "change",
    [
        "name=5",
        "name=None",
        'properties=["energy", "secrets"]',
        "properties=[[]]",
        'elements=["Si"] * 500',
        'elements=["Silicon"]',
        "n_parameters=-1",
        "n_parameters=True",
        'cutoff_A=float("nan")',
        'versions={"torch": 2}',
        'more="fields"',
    ],
)
def test_a_malformed_ready_is_a_protocol_error(attacker: Attacker, change: str) -> None:
    with pytest.raises(CalculatorFailure) as caught:
        attacker.start(f"hello()\nready({change})\ntime.sleep(60)")
    assert caught.value.verdict is Verdict.PROTOCOL_ERROR


def test_an_answer_before_the_question_is_refused(attacker: Attacker) -> None:
    session = attacker.start(
        """
        hello()
        ready()
        raw(Kind.RESULT, 1, 32, bytes(33))
        time.sleep(60)
        """
    )
    time.sleep(0.2)
    with session, pytest.raises(CalculatorFailure, match="without being asked") as caught:
        session.compute([argon()])
    assert caught.value.verdict is Verdict.PROTOCOL_ERROR


@pytest.mark.parametrize("energy", ["nan", "inf", "-inf", "1e200"])
def test_a_number_that_is_not_finite_fails_its_structure_alone(
    attacker: Attacker, energy: str
) -> None:
    session = attacker.start(
        f"""
        hello()
        ready()
        request = question()
        frame = answer_frame(request)
        energies = np.frombuffer(frame.payload, "<f8").copy()
        energies[0] = float("{energy}")
        wire.send_frame(connection, Frame(kind=Kind.RESULT, header=frame.header,
                                          payload=energies.tobytes()))
        serve()
        """
    )
    with session:
        bad, good = session.compute([argon(), argon(2)])
        (later,) = session.compute([argon()])

    assert isinstance(bad, StructureFailure)
    assert bad.status is Status.NONFINITE
    assert isinstance(good, Prediction)
    assert isinstance(later, Prediction)


def test_subnormal_answers_arrive_as_zero(attacker: Attacker) -> None:
    session = attacker.start(
        """
        hello()
        ready()
        request = question()
        answers = [Prediction(energy=-5e-324, forces=np.array([[1e-312, -1e-31, 1e-29]]))]
        wire.send_frame(connection, wire.result_frame(request, answers))
        serve()
        """
    )
    with session:
        (answer,) = session.compute([argon()])
    assert isinstance(answer, Prediction)
    assert (answer.energy, answer.forces.tolist()) == (0.0, [[0.0, 0.0, 1e-29]])


def test_a_slow_drip_gains_no_time(attacker: Attacker) -> None:
    session = attacker.start(
        """
        hello()
        ready()
        request = question()
        import msgpack
        frame = answer_frame(request)
        header = msgpack.packb(frame.header)
        prefix = wire.PREFIX.pack(wire.MAGIC, 1, Kind.RESULT, 0, len(header), len(frame.payload))
        for byte in prefix + header + frame.payload:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)
        """,
    )
    started = time.monotonic()
    with session, pytest.raises(CalculatorFailure, match="longer than the 1 s") as caught:
        session.compute([argon()], timeout_s=1.0)
    assert caught.value.verdict is Verdict.CALL_TIMEOUT
    assert time.monotonic() - started < 3


def test_a_calculator_that_does_not_listen_gains_no_time(attacker: Attacker) -> None:
    session = attacker.start("hello()\nready()\ntime.sleep(60)")
    with session, pytest.raises(CalculatorFailure) as caught:
        session.compute([argon(100_000)], timeout_s=0.5)
    assert caught.value.verdict is Verdict.CALL_TIMEOUT


def test_the_same_failure_is_raised_ever_after(attacker: Attacker) -> None:
    session = attacker.start("hello()\nready()\nos._exit(3)")
    with session:
        for _ in range(2):
            with pytest.raises(CalculatorFailure, match="exit status 3") as caught:
                session.compute([argon()])
            assert caught.value.verdict is Verdict.RUNTIME_ERROR


def test_last_words_are_shown_without_their_control_characters(attacker: Attacker) -> None:
    with pytest.raises(CalculatorFailure, match=r"exit status 1.*the \[red\] end") as caught:
        attacker.start(
            """
            hello()
            sys.exit("the \\x1b[31m[red]\\u202e end\\x07")
            """
        )
    assert caught.value.verdict is Verdict.RUNTIME_ERROR
    assert caught.value.stderr == "the [red] end\n"


def test_a_crash_is_named(attacker: Attacker) -> None:
    session = attacker.start("hello()\nready()\nquestion()\nctypes.string_at(0)")
    with session, pytest.raises(CalculatorFailure, match="SIGSEGV") as caught:
        session.compute([argon()])
    assert caught.value.verdict is Verdict.RUNTIME_ERROR


def test_a_process_that_never_greets_is_our_own_fault(attacker: Attacker) -> None:
    with pytest.raises(CalculatorFailure, match="did not start") as caught:
        attacker.start("sys.exit(1)")
    assert caught.value.verdict is Verdict.INFRASTRUCTURE_ERROR


def test_an_abort_from_another_thread_ends_the_call(attacker: Attacker) -> None:
    session = attacker.start("hello()\nready()\ntime.sleep(60)")
    timer = threading.Timer(0.3, session.abort, (Verdict.WALL_TIMEOUT, "out of wall time"))
    timer.start()
    with session, pytest.raises(CalculatorFailure, match="out of wall time") as caught:
        session.compute([argon()])
    timer.join()
    assert caught.value.verdict is Verdict.WALL_TIMEOUT


def test_an_abort_ends_a_load(attacker: Attacker) -> None:
    def abort_soon(session: CalculatorSession) -> None:
        arguments = (Verdict.CANCELLED, "cancelled by its owner")
        threading.Timer(0.3, session.abort, arguments).start()

    with pytest.raises(CalculatorFailure, match="cancelled by its owner") as caught:
        attacker.start("hello()\ntime.sleep(60)", register=abort_soon)
    assert caught.value.verdict is Verdict.CANCELLED
