"""Files that a user could upload, run by the real calculators' server in the real sandbox."""

from __future__ import annotations

import json
import pickle
import socket
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import leaderboard
from evaluator.contract import Limits, Verdict
from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.session import (
    CalculatorFailure,
    CalculatorRequest,
    CalculatorSession,
    Prediction,
    StructureFailure,
)
from evaluator.wire import Status
from tests.hostile.attacks import Attacker, argon

pytestmark = pytest.mark.sandbox

#: Tries to write, to call home and to read the database's settings; prints what came of it.
SPY = """
import json, os, socket
from pathlib import Path
found = {{}}
def attempt(name, action):
    try:
        action()
        found[name] = "done"
    except OSError as error:
        found[name] = type(error).__name__
attempt("write", lambda: Path({target!r}).write_text("was here"))
attempt("write to the project", lambda: Path({settings!r} + ".bak").write_text("was here"))
attempt("connect", lambda: socket.create_connection(("127.0.0.1", {port}), timeout=2))
attempt("read settings", lambda: Path({settings!r}).read_text())
found["environment"] = os.environ.get("DATABASE_URL")
texts = []
for entry in Path("/proc").iterdir():
    try:
        texts.append((entry / "environ").read_bytes())
    except OSError:
        pass
found["other environments"] = any({word!r}.encode() in text for text in texts)
print(json.dumps(found), flush=True)
"""


@dataclass(frozen=True)
class Prey:
    """What the spy is after, and how to see whether it got it."""

    code: str
    target: Path
    server: socket.socket

    def is_untouched(self) -> bool:
        self.server.settimeout(0.1)
        try:
            self.server.accept()
        except TimeoutError:
            return not self.target.exists()
        return False


OUT_OF_REACH = {
    "write": "FileNotFoundError",
    "write to the project": "FileNotFoundError",
    "connect": "OSError",
    "read settings": "FileNotFoundError",
    "environment": None,
    "other environments": False,
}


@pytest.fixture
def prey(tmp_path: Path, token: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prey]:
    target = tmp_path / f"written-by-{token}"
    settings = Path(leaderboard.__file__).resolve().parent / "settings.py"
    assert settings.exists()
    monkeypatch.setenv("DATABASE_URL", f"postgresql://user:{token}@localhost/leaderboard")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        word = f"user:{token}"
        code = SPY.format(target=str(target), settings=str(settings), port=port, word=word)
        yield Prey(code, target, server)


class Payload:
    """Unpickled, it runs its code."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str, dict[str, str]]]:
        return exec, (self.code, {"__name__": "payload"})


def start(
    sandbox: Sandbox, kind: str, artifact: Path, settings: dict[str, str] | None = None
) -> CalculatorSession:
    return CalculatorSession.start(
        sandbox,
        CalculatorRequest(
            kind=kind,
            artifact=artifact,
            settings=settings or {},
            limits=Limits(memory_MiB=2048, call_timeout_s=60),
        ),
    )


def package_of(folder: Path, source: str) -> Path:
    path = folder / "package.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("potential.py", source)
    return path


CALCULATOR = """
import numpy as np
from ase.calculators.calculator import Calculator, all_changes

class Potential(Calculator):
    implemented_properties = ["energy", "forces"]
    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy, forces = 0.0, np.zeros((len(atoms), 3))
        {body}
        self.results = {{"energy": energy, "forces": forces}}

def calculator(folder):
    return Potential()
"""


@pytest.mark.trained
@pytest.mark.slow
@pytest.mark.parametrize("is_legacy", [False, True], ids=["a checkpoint", "a bare pickle"])
def test_a_pickle_that_runs_code_reaches_nothing(
    attacker: Attacker, tmp_path: Path, prey: Prey, is_legacy: bool
) -> None:
    import torch

    artifact = tmp_path / "checkpoint.model"
    if is_legacy:
        artifact.write_bytes(pickle.dumps(Payload(prey.code)))
    else:
        torch.save(Payload(prey.code), artifact)

    with pytest.raises(CalculatorFailure) as caught:
        start(attacker.sandbox, "mace", artifact)

    assert caught.value.verdict in (Verdict.LOAD_ERROR, Verdict.INVALID_ARTIFACT)
    (found,) = [line for line in caught.value.stdout.splitlines() if line.startswith("{")]
    assert json.loads(found) == OUT_OF_REACH
    assert prey.is_untouched()


def test_a_package_that_spies_reaches_nothing(
    attacker: Attacker, tmp_path: Path, prey: Prey
) -> None:
    artifact = package_of(tmp_path, prey.code + CALCULATOR.format(body="pass"))
    with start(attacker.sandbox, "package", artifact) as session:
        (answer,) = session.compute([argon()])

    assert isinstance(answer, Prediction)
    assert json.loads(session.stdout) == OUT_OF_REACH
    assert prey.is_untouched()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("forces[0, 0] = np.nan", Status.NONFINITE, "not finite"),
        ("forces = forces[:, :2]", Status.ERROR, "shape"),
        ("1 / 0", Status.ERROR, "division by zero"),
    ],
)
def test_a_bad_answer_fails_its_structure_and_not_the_session(
    attacker: Attacker, tmp_path: Path, body: str, status: Status, words: str
) -> None:
    artifact = package_of(tmp_path, CALCULATOR.format(body=f"if len(atoms) == 2: {body}"))
    with start(attacker.sandbox, "package", artifact) as session:
        good, bad, also_good = session.compute([argon(1), argon(2), argon(3)])

    assert isinstance(good, Prediction)
    assert isinstance(also_good, Prediction)
    assert isinstance(bad, StructureFailure)
    assert bad.status is status
    assert words in bad.message


@pytest.mark.parametrize(
    ("source", "verdict", "words"),
    [
        ("raise MemoryError", Verdict.OUT_OF_MEMORY_HOST, "memory"),
        ("import sys; sys.exit('enough')", Verdict.LOAD_ERROR, "potential.py, line 1"),
        ("import os; os.kill(os.getpid(), 9)", Verdict.RUNTIME_ERROR, "SIGKILL"),
        ("1 / 0", Verdict.LOAD_ERROR, "division by zero"),
        ("import no_such_module", Verdict.LOAD_ERROR, "no_such_module"),
    ],
)
def test_a_package_that_fails_to_load_is_told_why(
    attacker: Attacker, tmp_path: Path, source: str, verdict: Verdict, words: str
) -> None:
    artifact = package_of(tmp_path, source)
    with pytest.raises(CalculatorFailure, match=words) as caught:
        start(attacker.sandbox, "package", artifact)
    assert caught.value.verdict is verdict


def test_prints_of_a_package_do_not_touch_the_wire(attacker: Attacker, tmp_path: Path) -> None:
    body = "import os; print('printed'); os.write(1, b'raw\\n'); os.write(2, b'error\\n')"
    artifact = package_of(tmp_path, CALCULATOR.format(body=body))
    with start(attacker.sandbox, "package", artifact) as session:
        assert isinstance(session.compute([argon()])[0], Prediction)
    assert session.stdout == "printed\nraw\n"
    assert session.stderr == "error\n"


@pytest.mark.parametrize("name", ["../../outside.py", "/outside.py", "link.py"])
def test_an_archive_cannot_lead_out_of_its_folder(
    attacker: Attacker, tmp_path: Path, name: str
) -> None:
    artifact = tmp_path / "package.zip"
    with zipfile.ZipFile(artifact, "w") as archive:
        archive.writestr("potential.py", CALCULATOR.format(body="pass"))
        entry = zipfile.ZipInfo(name)
        if name == "link.py":
            entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/shadow")
    with pytest.raises(CalculatorFailure) as caught:
        start(attacker.sandbox, "package", artifact)
    assert caught.value.verdict is Verdict.INVALID_ARTIFACT


def test_a_missing_artifact_is_our_own_fault(attacker: Attacker, tmp_path: Path) -> None:
    with pytest.raises(CalculatorFailure, match=r"gone\.zip is missing") as caught:
        start(attacker.sandbox, "package", tmp_path / "gone.zip")
    assert caught.value.verdict is Verdict.INFRASTRUCTURE_ERROR
