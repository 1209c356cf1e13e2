"""Starts a script of an attacker in place of the calculator's server."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluator.contract import Limits
from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.session import CalculatorRequest, CalculatorSession, Structure

#: Runs before each attack, inside the sandbox.
INSIDE = '''
import ctypes, errno, os, signal, socket, struct, sys, time
from pathlib import Path
import numpy as np
from evaluator import wire
from evaluator.wire import Frame, Kind, Prediction

connection = socket.socket(fileno=int(sys.argv[-1]))
libc = ctypes.CDLL(None, use_errno=True)

def hello():
    wire.send_frame(connection, Frame(kind=Kind.HELLO, header={"version": wire.VERSION}))
    return wire.receive_frame(connection, {Kind.LOAD: 0}).header

READY = {"name": "attacker", "dtype": "float64", "device": "cpu",
         "properties": ["energy", "forces"], "elements": None, "n_parameters": None,
         "cutoff_A": None, "versions": {}}

def ready(**changes):
    header = {**READY, **changes}
    wire.send_frame(connection, Frame(kind=Kind.READY, header=header))

def question():
    frame = wire.receive_frame(connection, {Kind.CALC: -1, Kind.BYE: 0})
    if frame.kind is Kind.BYE:
        sys.exit(0)
    return wire.read_calc(frame)

def answer_frame(request, energy=1.0):
    answers = [Prediction(energy=energy, forces=np.zeros((len(s.numbers), 3)))
               for s in request.structures]
    return wire.result_frame(request, answers)

def serve():
    while True:
        wire.send_frame(connection, answer_frame(question()))

def raw(kind, n_header, n_payload, rest=b""):
    prefix = wire.PREFIX.pack(wire.MAGIC, wire.VERSION, kind, 0, n_header, n_payload)
    connection.sendall(prefix + rest)

def outcome(action, *arguments):
    """The name of the error that the action raises, or what it returns."""
    try:
        return action(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))

def syscall(number, *arguments):
    """The name of the error of a system call, or what it returns."""
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    return errno.errorcode[ctypes.get_errno()] if result == -1 else result
'''


@dataclass(frozen=True, kw_only=True)
class Attacker:
    """Starts attacks with one token that marks all their processes and files."""

    sandbox: Sandbox
    artifact: Path
    token: str

    def start(
        self,
        script: str,
        *,
        memory_MiB: int = 256,
        call_timeout_s: float = 10.0,
        load_timeout_s: float | None = None,
        register: Callable[[CalculatorSession], None] = lambda session: None,
    ) -> CalculatorSession:
        source = f"token = {self.token!r}\n{INSIDE}\n{textwrap.dedent(script)}"
        return CalculatorSession.start(
            self.sandbox,
            CalculatorRequest(
                kind="package",
                artifact=self.artifact,
                program=("-c", source),
                limits=Limits(memory_MiB=memory_MiB, call_timeout_s=call_timeout_s),
                load_timeout_s=load_timeout_s,
            ),
            register,
        )

    def report(self, script: str) -> list[str]:
        """What an attack that does no harm to its session has printed, line by line."""
        session = self.start(f"hello()\n{textwrap.dedent(script)}\nready()\nserve()")
        with session:
            session.compute([argon()])
        return session.stdout.splitlines()


def argon(n_atoms: int = 1) -> Structure:
    return Structure(
        numbers=np.full(n_atoms, 18, dtype=np.int32),
        positions=np.zeros((n_atoms, 3)),
        cell=10.0 * np.eye(3),
        pbc=np.ones(3, dtype=np.bool_),
    )
