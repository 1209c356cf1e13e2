"""The sandbox proper: bubblewrap, an unprivileged uid, a system call filter and a control group.

Started by root, bubblewrap makes the namespaces with root's rights and ``setpriv`` then drops to
a uid of the slot's own with no capabilities, an empty bounding set and no_new_privs. No user
namespace is made, since the slot's uid would have no meaning in it; the system call filter denies
making one. Started by another user, bubblewrap makes a user namespace and forbids more of them.

What the calculator sees: the system's shared libraries, its runtime, the few files of ours that it
needs, its artifact, and a /tmp and /dev/shm of its own, the only places where it can
write (``image.py``). It runs on as many cores as its plan has threads (``cores.py``).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import evaluator
from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.store import RuntimeUse
from evaluator.sandbox import image, launcher, memory
from evaluator.sandbox.base import (
    ConfinedProcess,
    ProcessRequest,
    Sandbox,
    SandboxLevel,
    SandboxUnavailable,
)
from evaluator.sandbox.cgroups import Cgroup, CgroupParent, find_cgroup_parent
from evaluator.sandbox.cores import Cores, take_cores
from evaluator.sandbox.environment import calculator_environment, python_command
from evaluator.sandbox.output import OutputDrain
from evaluator.sandbox.proc_files import proc_files, proc_folders
from evaluator.sandbox.seccomp import seccomp_filter
from evaluator.sandbox.slots import Slot, take_slot
from evaluator.sandbox.text import clean_line
from evaluator.sandbox.watchdog import MemoryWatchdog, descendants, kill_all

_INSTALL = "install it with: apt-get install bubblewrap util-linux"
#: Where our own driver finds the reference set.
_REFERENCE = "/reference/systems"
_PROGRAMS = ("bwrap", "setpriv", "prlimit", "taskset")
_TMP_BYTES = 1 << 30
_SHM_BYTES = 256 << 20
_KILL_WAIT_S = 10.0
_TRIAL_S = 30.0

# Enters each control group named before "--", then becomes the command after it.
_ENTER_GROUPS = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"'


@dataclass(frozen=True)
class BubblewrapSandbox(Sandbox):
    """Fresh namespaces for each process. Made by ``find``."""

    bwrap: str
    cgroup_parent: CgroupParent | None

    @property
    def level(self) -> SandboxLevel:
        if self.cgroup_parent is None:
            return SandboxLevel.RLIMIT
        return SandboxLevel.CGROUP2 if self.cgroup_parent.version == 2 else SandboxLevel.CGROUP1

    @classmethod
    def find(cls, *, require_cgroup: bool = False) -> BubblewrapSandbox:
        """The sandbox of this machine, after one trial. Raises SandboxUnavailable."""
        paths = {name: shutil.which(name) for name in _PROGRAMS}
        missing = [name for name, path in paths.items() if path is None]
        if missing:
            raise SandboxUnavailable(
                f"Submissions are not run without a sandbox, and {' and '.join(missing)} cannot "
                f"be found; {_INSTALL}"
            )
        parent = find_cgroup_parent()
        if parent is None and require_cgroup:
            raise SandboxUnavailable(
                "No control group with the memory and pids controllers can be made here. Run the "
                "worker under systemd with Delegate=yes, or as root in a container whose "
                "/sys/fs/cgroup is writable."
            )
        if parent is not None:
            parent.sweep()
        sandbox = cls(bwrap=str(paths["bwrap"]), cgroup_parent=parent)
        sandbox._try_out()
        return sandbox

    def _try_out(self) -> None:
        program = ("-c", "import evaluator.wire, sys; sys.stdout.write('inside')")
        artifact = Path(evaluator.__file__)
        try:
            process = self.start(ProcessRequest(artifact=artifact, memory_MiB=512, program=program))
            output = OutputDrain(process.stdout, process.stderr)
            status = process.wait(_TRIAL_S)
            process.kill()
            process.release()
            output.finish()
        except (InfrastructureError, ValueError) as error:
            raise SandboxUnavailable(f"The sandbox cannot be started: {error}") from error
        if status != 0 or output.stdout != "inside":
            reason = clean_line(output.stderr, 300) or "no word"
            raise SandboxUnavailable(
                f"bubblewrap is here but a trial ended with status {status} ({reason}). It "
                "needs root, or unprivileged user namespaces (sysctl kernel.unprivileged_userns_"
                "clone=1, and on Ubuntu kernel.apparmor_restrict_unprivileged_userns=0)."
            )

    def start(self, request: ProcessRequest) -> ConfinedProcess:
        artifact = _regular_file(request.artifact)
        cgroup = slot = cores = use = None
        if self.cgroup_parent is not None:
            cgroup = self.cgroup_parent.make(
                memory_MiB=request.memory_MiB, n_processes=_n_processes(request)
            )
        try:
            slot = take_slot() if os.getuid() == 0 else None
            cores = take_cores(request.n_threads, is_shared=request.is_trusted)
            use = None if request.runtime is None else request.runtime.use()
            return _Process.start(self.bwrap, request, artifact, _Held(cgroup, slot, cores, use))
        except BaseException as error:
            if cgroup is not None:
                cgroup.remove()
            for held in (slot, cores, use):
                if held is not None:
                    held.release()
            if isinstance(error, OSError):
                message = f"The sandbox could not be started ({error})."
                raise InfrastructureError(message) from error
            raise


@dataclass(frozen=True)
class _Held:
    """What of the host belongs to one sandbox while it lives."""

    cgroup: Cgroup | None
    slot: Slot | None
    cores: Cores
    #: Of its runtime, which is not removed meanwhile.
    use: RuntimeUse | None = None


class _Process(ConfinedProcess):
    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        connection: socket.socket,
        artifact: str,
        held: _Held,
    ) -> None:
        assert popen.stdout is not None and popen.stderr is not None  # noqa: S101
        self._popen, self._cgroup, self._slot = popen, held.cgroup, held.slot
        self._cores, self._use = held.cores, held.use
        self._watchdog: MemoryWatchdog | None = None
        self.connection, self.artifact = connection, artifact
        self.stdout: BinaryIO = popen.stdout  # type: ignore[assignment]
        self.stderr: BinaryIO = popen.stderr  # type: ignore[assignment]

    @classmethod
    def start(
        cls,
        bwrap: str,
        request: ProcessRequest,
        artifact: Path,
        held: _Held,
    ) -> _Process:
        cgroup, slot = held.cgroup, held.slot
        inside_path = f"/artifact/{_safe_name(artifact)}"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        passed = request.inherited or (theirs.fileno(),)
        fds: list[int] = []
        try:
            fds += [_file_of(seccomp_filter(sees_load=_has_gpu(request) or request.is_trusted))]
            options = [
                *_options(request, artifact, inside_path, held, fds),
                "--seccomp",
                str(fds[0]),
            ]
            fds += [_file_of(b"\0".join(o.encode() for o in options) + b"\0")]
            command = [
                *("/bin/sh", "-c", _ENTER_GROUPS, "sh"),
                *(str(entrance) for entrance in (cgroup.entrances if cgroup else ())),
                # Of one byte: see the system call filter, which does not let it be changed.
                *("--", "prlimit", "--core=1", "--"),
                *("taskset", "-c", ",".join(map(str, held.cores.numbers))),
                *(bwrap, "--args", str(fds[-1]), "--"),
                *_limits(request),
                *(_drop_to(slot.uid) if slot else ()),
                *(*python_command(request, image.RUNTIME), *request.program),
                *map(str, passed),
            ]
            popen = launcher.start(
                launcher.Launch(
                    arguments=command,
                    environment={"PATH": "/usr/bin:/bin"},
                    pass_fds=(*passed, *fds),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            for fd in fds:
                os.close(fd)
        process = cls(popen, ours, inside_path, held)
        process.reference = _REFERENCE if request.reference is not None else ""
        if cgroup is None:
            process._watchdog = MemoryWatchdog(popen.pid, request.memory_MiB << 20, process.kill)
        return process

    def wait(self, timeout_s: float) -> int | None:
        try:
            status = self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        # bubblewrap answers 128 + n for a child that died of signal n.
        return 128 - status if status > 128 else status

    def ran_out_of_memory(self) -> bool:
        if self._cgroup is not None:
            return self._cgroup.n_oom_kills() > 0
        return self._watchdog is not None and self._watchdog.has_killed

    def memory_peak(self) -> tuple[int | None, str]:
        if self._cgroup is not None:
            return memory.group_peak(self._cgroup), memory.METHODS[self._cgroup.version]
        return memory.processes_peak(descendants(self._popen.pid)), memory.METHODS[None]

    def forget_memory_peak(self) -> None:
        if self._cgroup is not None:
            memory.forget_group_peak(self._cgroup)
        else:
            memory.forget_processes_peak(descendants(self._popen.pid))

    def kill(self) -> None:
        # The kernel kills a process namespace whole with its first process. That one is
        # bubblewrap's child, and bubblewrap is left alive to reap it: an orphan's zombie would
        # stay for ever where the container's first process reaps nothing.
        if self._popen.poll() is not None:
            return
        inside = descendants(self._popen.pid)
        kill_all(inside)
        if not inside:
            self._popen.kill()

    def release(self) -> None:
        self.connection.close()
        try:
            self._reap()
            if self._cgroup is not None:
                self._cgroup.remove()
        finally:
            if self._watchdog is not None:
                self._watchdog.stop()
            self._cores.release()
            if self._use is not None:
                self._use.release()
            if self._slot is not None:
                self._slot.release()
                self._slot = None

    def _reap(self) -> None:
        try:
            self._popen.wait(_KILL_WAIT_S / 2)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            try:
                self._popen.wait(_KILL_WAIT_S / 2)
            except subprocess.TimeoutExpired as error:
                message = f"bubblewrap did not die in {_KILL_WAIT_S:g} s."
                raise InfrastructureError(message) from error


# --- what bubblewrap is told ----------------------------------------------------------------


def _options(
    request: ProcessRequest, artifact: Path, inside_path: str, held: _Held, fds: list[int]
) -> list[str]:
    """Options for bubblewrap; descriptors that it must inherit are added to ``fds``."""
    return [
        *_namespaces(is_root=held.slot is not None),
        *("--die-with-parent", "--new-session", "--hostname", "calculator"),
        *("--proc", "/proc", "--dev", "/dev"),
        *(() if request.is_trusted else _proc(request, held.cores, fds)),
        # Semaphores and shared memory of multiprocessing. Its pages count as memory of the group,
        # and the watchdog knows them once they are mapped.
        *("--perms", "1777", "--size", str(_SHM_BYTES), "--tmpfs", "/dev/shm"),  # noqa: S108
        *image.system_options(),
        # Before what follows: the interpreter or the artifact may lie below /tmp.
        *("--perms", "1777", "--size", str(_TMP_BYTES), "--tmpfs", "/tmp"),  # noqa: S108
        *image.python_options(request.runtime),
        *image.code_options(is_whole=request.is_trusted),
        *_account(held.slot.uid if held.slot is not None else os.getuid(), fds),
        *_given(artifact, inside_path, fds),
        *(_given(_regular_file(request.reference), _REFERENCE, fds) if request.reference else ()),
        *(image.gpu_options() if _has_gpu(request) else ()),
        *(() if request.is_trusted else image.cover_options(request.runtime)),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"),  # noqa: S108
        "--clearenv",
        *(
            word
            for name, value in calculator_environment(
                request,
                code=image.CODE,
                scratch="/tmp",  # noqa: S108
            ).items()
            for word in ("--setenv", name, value)
        ),
    ]


def _namespaces(*, is_root: bool) -> list[str]:
    if not is_root:
        return ["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"]
    return [
        *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        *("--unshare-cgroup-try", "--cap-drop", "ALL"),
        # For setpriv, which gives them up.
        *("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"),
    ]


def _proc(request: ProcessRequest, cores: Cores, fds: list[int]) -> Iterator[str]:
    yield from proc_folders()
    yield from _texts(proc_files(request.memory_MiB, cores.numbers), fds)


def _account(uid: int, fds: list[int]) -> Iterator[str]:
    """A name for the uid that the calculator has: libraries look up who they run as."""
    entries = {
        "/etc/passwd": f"calculator:x:{uid}:{uid}::/tmp:/bin/false\n",
        "/etc/group": f"calculator:x:{uid}:\n",
    }
    return _texts(entries.items(), fds)


def _texts(texts: Iterable[tuple[str, str]], fds: list[int]) -> Iterator[str]:
    """Files that everybody may read, by path and content."""
    for path, text in texts:
        fds.append(_file_of(text.encode()))
        yield from ("--perms", "0444", "--ro-bind-data", str(fds[-1]), path)


def _given(file: Path, inside_path: str, fds: list[int]) -> Iterator[str]:
    """A file that is handed in, whatever its mode."""
    yield from ("--perms", "0755", "--dir", str(Path(inside_path).parent))
    if file.stat().st_mode & 0o004 or os.getuid() != 0:
        yield from ("--ro-bind", str(file), inside_path)
        return
    # The slot's uid could not open a file that is root's alone: it is handed a copy.
    fds.append(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
    yield from ("--perms", "0444", "--ro-bind-data", str(fds[-1]), inside_path)


def _limits(request: ProcessRequest) -> list[str]:
    """Limits that the uid cannot lift again; the control group bounds what these cannot."""
    return [
        "/usr/bin/prlimit",
        "--nofile=1024",
        f"--nproc={_n_processes(request)}",
        f"--fsize={request.memory_MiB << 20}",
        "--",
    ]


def _has_gpu(request: ProcessRequest) -> bool:
    return request.device.startswith("cuda")


def _n_processes(request: ProcessRequest) -> int:
    """Processes and threads: libraries start a pool for each kind of parallelism they know.

    Our own driver has a thread for each system at work, too, and several for each calculator.
    """
    return (1024 if request.is_trusted else 128) + 8 * request.n_threads


def _drop_to(uid: int) -> list[str]:
    return [
        *("/usr/bin/setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"),
        *("--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--"),
    ]


# --- small helpers --------------------------------------------------------------------------


def _regular_file(path: Path) -> Path:
    try:
        resolved = path.resolve(strict=True)
    except OSError as error:
        raise InfrastructureError(f"The artifact {path.name} is missing ({error}).") from error
    if not resolved.is_file():
        raise InfrastructureError(f"The artifact {path.name} is not a regular file.")
    return resolved


def _safe_name(path: Path) -> str:
    """The file's name as ASCII letters, digits and a few signs; adapters look at its suffix."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-+") else "_" for c in path.name)
    return safe.lstrip(".-")[-100:] or "artifact"


def _file_of(content: bytes) -> int:
    """A descriptor from which bubblewrap reads these bytes."""
    fd = os.memfd_create("bwrap-input", os.MFD_CLOEXEC)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
