"""No confinement: a plain child process, for built-in potentials during development."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import BinaryIO

import evaluator
from evaluator.exceptions import InfrastructureError
from evaluator.sandbox import launcher, memory
from evaluator.sandbox.base import ConfinedProcess, ProcessRequest, Sandbox, SandboxLevel
from evaluator.sandbox.environment import calculator_environment, python_command


class UnconfinedSandbox(Sandbox):
    """Level "none". ``Sandbox.admits`` lets only built-in calculator kinds in."""

    @property
    def level(self) -> SandboxLevel:
        return SandboxLevel.NONE

    def start(self, request: ProcessRequest) -> ConfinedProcess:
        if not request.artifact.is_file():
            raise InfrastructureError(f"The artifact {request.artifact.name} is missing.")
        return _Process(request)


class _Process(ConfinedProcess):
    def __init__(self, request: ProcessRequest) -> None:
        self.artifact = str(request.artifact.resolve())
        self.reference = str(request.reference.resolve()) if request.reference else ""
        self._use = None if request.runtime is None else request.runtime.use()
        self._scratch = Path(tempfile.mkdtemp(prefix="touchstone-"))
        code = str(Path(evaluator.__file__).resolve().parent.parent)
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        passed = request.inherited or (theirs.fileno(),)
        try:
            self._popen = launcher.start(
                launcher.Launch(
                    arguments=[*python_command(request), *request.program, *map(str, passed)],
                    environment=calculator_environment(
                        request, code=code, scratch=str(self._scratch)
                    ),
                    pass_fds=passed,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    directory=str(self._scratch),
                )
            )
        except OSError as error:
            self.connection.close()
            self._let_go()
            raise InfrastructureError(f"The calculator cannot be started ({error}).") from error
        finally:
            theirs.close()
        assert self._popen.stdout is not None and self._popen.stderr is not None  # noqa: S101
        self.stdout: BinaryIO = self._popen.stdout  # type: ignore[assignment]
        self.stderr: BinaryIO = self._popen.stderr  # type: ignore[assignment]

    def wait(self, timeout_s: float) -> int | None:
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def ran_out_of_memory(self) -> bool:
        return False

    def memory_peak(self) -> tuple[int | None, str]:
        return memory.processes_peak([self._popen.pid]), memory.METHODS[None]

    def forget_memory_peak(self) -> None:
        memory.forget_processes_peak([self._popen.pid])

    def kill(self) -> None:
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)  # it leads a session of its own

    def release(self) -> None:
        self.connection.close()
        self._popen.wait(10.0)
        self._let_go()

    def _let_go(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        if self._use is not None:
            self._use.release()
