from __future__ import annotations

import os
import platform
import socket
import threading
from pathlib import Path

import pytest

import leaderboard
from evaluator.contract import Verdict
from evaluator.sandbox.session import CalculatorFailure
from evaluator.sandbox.slots import FIRST_UID, N_SLOTS
from tests.hostile.attacks import Attacker

pytestmark = pytest.mark.sandbox

only_x86_64 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the numbers of these calls are those of x86_64"
)


def test_the_calculator_is_an_unprivileged_user_without_capabilities(attacker: Attacker) -> None:
    lines = attacker.report('print(Path("/proc/self/status").read_text())')
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    capabilities = {status[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
    assert capabilities == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    if os.getuid() == 0:
        uids = {int(uid) for uid in status["Uid"].split()}
        assert len(uids) == 1
        assert uids < set(range(FIRST_UID, FIRST_UID + N_SLOTS))
        assert status["Groups"].strip() == ""


def test_the_calculator_inherits_the_wire_and_its_pipes_alone(attacker: Attacker) -> None:
    with Path(__file__).open() as secret:
        os.set_inheritable(secret.fileno(), True)
        lines = attacker.report(
            """
            for descriptor in sorted(os.listdir("/proc/self/fd"), key=int):
                target = outcome(os.readlink, "/proc/self/fd/" + descriptor)
                if target != "ENOENT":  # the listing's own descriptor, closed by now
                    print(target.split(":")[0])
            """
        )
    assert lines == ["/dev/null", "pipe", "pipe", "socket"]


@pytest.mark.parametrize(
    "family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"]
)
def test_only_unix_sockets_can_be_made(attacker: Attacker, family: str) -> None:
    lines = attacker.report(
        f"""
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            print(outcome(socket.socket, socket.{family}, kind))
        print(outcome(socket.socket, socket.AF_UNIX, socket.SOCK_STREAM).family.name)
        """
    )
    assert lines == ["EAFNOSUPPORT"] * 4 + ["AF_UNIX"]


def test_no_server_of_the_host_can_be_reached(attacker: Attacker) -> None:
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0{attacker.token}")
    abstract.listen()
    loopback = socket.create_server(("127.0.0.1", 0))

    with abstract, loopback:
        lines = attacker.report(
            f"""
            print(outcome(socket.socket(socket.AF_UNIX).connect, "\\0{attacker.token}"))
            try:
                socket.create_connection(("127.0.0.1", {loopback.getsockname()[1]}), timeout=2)
                print("connected")
            except OSError as error:
                print(errno.errorcode[error.errno])
            """
        )
        for server in (abstract, loopback):
            server.settimeout(0.1)
            with pytest.raises(TimeoutError):
                server.accept()
    assert lines == ["ECONNREFUSED", "EAFNOSUPPORT"]


#: Name, number on x86_64, arguments, what comes back.
CALLS = [
    ("ptrace", 101, (0, 0, 0, 0), "EPERM"),
    ("process_vm_readv", 310, (1, 0, 0, 0, 0, 0), "EPERM"),
    ("mount", 165, (0, 0, 0, 0, 0), "EPERM"),
    ("umount2", 166, (0, 0), "EPERM"),
    ("pivot_root", 155, (0, 0), "EPERM"),
    ("unshare of users", 272, (0x10000000,), "EPERM"),
    ("setns", 308, (0, 0), "EPERM"),
    ("clone with a user namespace", 56, (0x10000011, 0, 0, 0, 0), "EPERM"),
    ("clone with a mount namespace", 56, (0x00020011, 0, 0, 0, 0), "EPERM"),
    ("clone3", 435, (0, 0), "ENOSYS"),
    ("bpf", 321, (0, 0, 0), "EPERM"),
    ("keyctl", 250, (0, 0, 0, 0, 0), "EPERM"),
    ("add_key", 248, (0, 0, 0, 0, 0), "EPERM"),
    ("request_key", 249, (0, 0, 0, 0), "EPERM"),
    ("io_uring_setup", 425, (8, 0), "EPERM"),
    ("userfaultfd", 323, (0,), "EPERM"),
    ("perf_event_open", 298, (0, 0, 0, 0, 0), "EPERM"),
    ("open_tree", 428, (0, 0, 0), "EPERM"),
    ("fsopen", 430, (0, 0), "EPERM"),
    ("ioctl TIOCSTI", 16, (0, 0x5412, 0), "EPERM"),
    ("setresuid to root", 117, (0, 0, 0), "EPERM"),
    ("setgid to root", 106, (0,), "EPERM"),
    ("chroot", 161, (0,), "EPERM"),
    ("memfd_create stays", 319, (0, 0), "EFAULT"),
    ("fork stays", 57, (), "a process"),
]


@only_x86_64
def test_dangerous_system_calls_are_refused(attacker: Attacker) -> None:
    calls = [(number, *arguments) for _, number, arguments, _ in CALLS]
    lines = attacker.report(
        f"""
        for call in {calls}:
            result = syscall(*call)
            if result == 0:
                os._exit(0)  # a child
            print(result if isinstance(result, str) else "a process")
        """
    )
    expected = {name: answer for name, _, _, answer in CALLS}
    assert dict(zip(expected, lines, strict=True)) == expected


@only_x86_64
@pytest.mark.parametrize("number", [175, 246, 169], ids=["init_module", "kexec_load", "reboot"])
def test_a_call_without_innocent_use_is_a_sandbox_violation(
    attacker: Attacker, number: int
) -> None:
    with pytest.raises(CalculatorFailure, match="system call") as caught:
        attacker.start(f"hello()\nsyscall({number}, 0, 0, 0)\nready()\nserve()")
    assert caught.value.verdict is Verdict.SANDBOX_VIOLATION


@only_x86_64
def test_a_call_in_the_manner_of_another_architecture_is_a_sandbox_violation(
    attacker: Attacker,
) -> None:
    with pytest.raises(CalculatorFailure) as caught:
        attacker.start(
            """
            import mmap
            hello()
            # mov eax, 20 (getpid of i386); int 0x80; ret
            page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            page.write(bytes.fromhex("b814000000cd80c3"))
            address = ctypes.addressof(ctypes.c_char.from_buffer(page))
            ctypes.CFUNCTYPE(ctypes.c_int)(address)()
            ready()
            serve()
            """
        )
    assert caught.value.verdict is Verdict.SANDBOX_VIOLATION


def test_proc_shows_no_process_of_the_host_and_no_environment(
    attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"postgresql://leaderboard:{attacker.token}-secret@db/leaderboard"
    monkeypatch.setenv("DATABASE_URL", secret)
    lines = attacker.report(
        """
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
        print(len(pids))
        print(outcome(os.readlink, "/proc/1/exe"), outcome(os.listdir, "/proc/1/root/"))
        print(outcome(open, "/proc/1/mem"), outcome(os.kill, 1, 9))
        print("DATABASE_URL" in os.environ)
        found = []
        for pid in pids:
            for name in ("environ", "cmdline", "mountinfo"):
                try:
                    found.append(Path("/proc", pid, name).read_bytes())
                except OSError:
                    pass
        print(b"-sec" + b"ret@db" in b"".join(found))
        """
    )
    assert int(lines[0]) <= 2
    assert lines[1:] == ["EACCES EACCES", "EACCES EPERM", "False", "False"]


def test_tmp_and_shared_memory_are_the_only_places_to_write(attacker: Attacker) -> None:
    lines = attacker.report(
        """
        for folder, folders, files in os.walk("/"):
            if folder == "/proc":
                folders.clear()
                continue
            if outcome(os.mkdir, os.path.join(folder, token)) is None:
                print(folder)
                os.rmdir(os.path.join(folder, token))
            # Site packages are many; one level below each prefix tells as much.
            if folder.count("/") > 4:
                folders.clear()
        for path in (sys.executable, wire.__file__, os.__file__, np.__file__):
            if outcome(open, path, "ab") not in ("EROFS", "EACCES", "ETXTBSY"):
                print(path)
        """
    )
    assert sorted(lines) == ["/dev/shm", "/tmp"]


def test_the_project_beyond_the_calculators_is_not_there(attacker: Attacker) -> None:
    project = Path(leaderboard.__file__).resolve().parent.parent
    assert (project / "leaderboard" / "settings.py").exists()
    lines = attacker.report(
        f"""
        project = Path({str(project)!r})
        for name in ("leaderboard", "leaderboard/settings.py", "evaluator", "tests", "var", ".git"):
            print((project / name).exists())
        print(sorted(p.name for p in Path("/touchstone/evaluator").iterdir()))
        print(sorted(set(os.listdir("/etc")) - {{"alternatives", "fonts", "ld.so.cache"}}))
        # One account, its own: none of the host's.
        print([line.split(":")[0] for line in open("/etc/passwd")])
        print(int(open("/etc/passwd").read().split(":")[2]) == os.getuid())
        for path in ("/etc/shadow", "/etc/machine-id", "/root/.ssh",
                     "/var/lib", "/run", "/sys", "/boot"):
            if os.path.exists(path):
                print(path)
        print(Path(wire.__file__).parts[1])
        """
    )
    assert lines[:6] == ["False"] * 6
    assert lines[6:] == [
        "['__init__.py', 'calculators', 'json_artifacts.py', 'wire.py']",
        "['group', 'passwd']",
        "['calculator']",
        "True",
        "touchstone",
    ]


def test_symbolic_links_lead_nowhere(attacker: Attacker, tmp_path: Path) -> None:
    secret = tmp_path / f"{attacker.token}-reference.json"
    secret.write_text("the hidden reference")
    secret.chmod(0o644)
    lines = attacker.report(
        f"""
        for number, target in enumerate(({str(secret)!r}, "/proc/1/root{secret}",
                                         "../../../../..{secret}", "/proc/1/cwd")):
            link = f"/tmp/link-{{number}}"
            os.symlink(target, link)
            print(outcome(open, link))
        """
    )
    assert lines == ["ENOENT", "EACCES", "ENOENT", "EACCES"]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_the_artifact_is_read_only_whatever_its_mode(
    attacker: Attacker, artifact: Path, mode: int
) -> None:
    artifact.chmod(mode)
    lines = attacker.report(
        """
        print(os.listdir("/artifact"))
        path = Path("/artifact/potential.zip")
        print(path.read_text())
        print(outcome(open, path, "ab"), outcome(os.unlink, path), outcome(os.chmod, path, 0o777))
        """
    )
    assert lines[:2] == ["['potential.zip']", "the bytes of a submission"]
    assert set(lines[2].split()) <= {"EROFS", "EACCES", "EPERM"}
    assert artifact.stat().st_mode & 0o777 == mode


def test_two_calculators_at_once_do_not_see_each_other(attacker: Attacker, artifact: Path) -> None:
    script = """
        hello()
        Path("/tmp/mine").write_text("a secret of this calculator")
        print(os.getuid(), flush=True)
        ready()
        serve()
        """
    with attacker.start(script) as first:
        lines = attacker.report(
            """
            print(os.getuid())
            print("mine" in os.listdir("/tmp"), os.listdir("/artifact"))
            print(len([name for name in os.listdir("/proc") if name.isdigit()]) <= 2)
            """
        )
        other_uid = first.stdout.strip()
    assert lines[1:] == ["False ['potential.zip']", "True"]
    if os.getuid() == 0:
        assert lines[0] != other_uid


def test_a_sandbox_outlives_the_thread_that_started_it(attacker: Attacker) -> None:
    sessions = []
    thread = threading.Thread(
        target=lambda: sessions.append(attacker.start("hello()\nready()\nserve()"))
    )
    thread.start()
    thread.join()

    from tests.hostile.attacks import argon

    with sessions[0] as session:
        assert len(session.compute([argon()])) == 1
