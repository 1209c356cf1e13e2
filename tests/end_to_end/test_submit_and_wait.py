"""Submit from the command line and get scored by a real worker; break off and go on."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from evaluator.cli.exit_codes import ExitCode
from evaluator.standard_tasks.read import standard_task
from leaderboard import models
from leaderboard.services.definitions import standard
from tests.end_to_end.conftest import Touchstone, environment, token_of
from tests.end_to_end.site import Site, load_equation_of_state, running_site
from tests.leaderboard import factories

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.django_db(transaction=True),
    # kombu's tables are declared with an option that SQLAlchemy 2.1 deprecates.
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),
]

PART = 8 * 2**20
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def site(
    transactional_db: None, own_blobs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    with running_site(tmp_path, monkeypatch) as site:
        yield site


def load_smoke() -> None:
    smoke = standard_task("smoke")
    standard.ensure_task(smoke)


@pytest.fixture
def background(live_server: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start the command line and leave it running; killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, token: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "evaluator.cli", *arguments],
            cwd=settings.BASE_DIR,
            env=environment(live_server.url, tmp_path, token),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background jobs ignore the signal; this one must not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(is_so: Callable[[], bool], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_submit_waits_for_the_smoke_task_and_the_scores(
    touchstone: Touchstone, site: Site, tmp_path: Path
) -> None:
    load_equation_of_state()
    load_smoke()
    site.start_worker("worker")
    (tmp_path / "emt.json").write_text('{"calculator": "emt"}')
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as package:
        package.writestr("potential.py", "raise RuntimeError('no weights')")
    token = token_of("alice")
    common = ("--potential", "emt", "--name", "EMT", "--wait", "--json")

    good = touchstone("submit", str(tmp_path / "emt.json"), "--version", "1", *common, token=token)

    assert good.returncode == ExitCode.OK, good.stderr
    found = {e["task"]: e for e in json.loads(good.stdout)["evaluations"]}
    assert set(found) == {"smoke", "eos-wien2k"}
    assert {e["state"] for e in found.values()} == {"succeeded"}
    assert found["eos-wien2k"]["score"] is not None

    bad = touchstone("submit", str(tmp_path / "bad.zip"), "--version", "2", *common, token=token)

    # The smoke task's verdict, and not that the others were then not begun.
    verdicts = {e["task"]: e["verdict"] for e in json.loads(bad.stdout)["evaluations"]}
    assert verdicts["eos-wien2k"] == "cancelled"
    assert bad.returncode == ExitCode[verdicts["smoke"].upper()] != ExitCode.CANCELLED


def test_a_submission_with_nothing_but_curl_as_the_readme_says_is_scored(
    live_server: Any, site: Site, tmp_path: Path
) -> None:
    load_equation_of_state()
    alice = factories.user("alice")
    alice.set_password("a password of hers")
    alice.save()
    (tmp_path / "my.model").write_text('{"calculator": "emt"}')
    (script,) = (
        block
        for block in re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
        if "/submissions/" in block
    )
    for written, here in (
        ("https://touchstone.example.org", live_server.url),
        ('"password": "..."', '"password": "a password of hers"'),
        ("artifact=@my.model", "'artifact=@my.model;filename=emt.json'"),
        ("calculator_kind=mace", "calculator_kind=ase"),
    ):
        assert written in script
        script = script.replace(written, here)
    site.start_worker("worker")

    done = run_bash(script, tmp_path)

    assert done.returncode == 0, done.stderr
    evaluation = models.Evaluation.objects.get()
    wait_for(lambda: models.Evaluation.objects.filter(state="succeeded").exists(), 60)
    *_, last = script.strip().splitlines()
    again = run_bash(script.split("# A version of it")[0] + last, tmp_path)
    evaluation.refresh_from_db()
    assert f'"score":{evaluation.score}' in again.stdout


def run_bash(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_interrupted_watching_leaves_the_evaluation_and_says_how_to_go_on(
    background: Callable[..., Any], site: Site, tmp_path: Path
) -> None:
    load_equation_of_state()
    (tmp_path / "emt.json").write_text('{"calculator": "emt"}')
    process = background(
        *("submit", str(tmp_path / "emt.json"), "--kind", "ase", "--potential", "emt"),
        *("--name", "EMT", "--version", "1", "--wait"),
        token=token_of("alice"),
    )
    wait_for(models.Submission.objects.exists)
    time.sleep(1)  # until it has begun to watch

    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=15)

    assert process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in stderr
    (submission,) = models.Submission.objects.all()
    assert f"touchstone status {submission.pk} --watch" in stderr
    assert f"touchstone cancel {submission.pk}" in stderr
    assert submission.evaluations.get().state == "queued"


def test_an_interrupted_upload_leaves_nothing_half_done_and_goes_on(
    background: Callable[..., Any], touchstone: Touchstone, own_blobs: None, tmp_path: Path
) -> None:
    factories.benchmark_version((factories.task_version(), "Mechanics"))
    artifact = tmp_path / "large.zip"
    with zipfile.ZipFile(artifact, "w") as archive:
        archive.writestr("weights.bin", bytes(12 * PART))
    token = token_of("alice")
    command = (
        *("submit", str(artifact), "--kind", "package", "--potential", "large"),
        *("--name", "Large", "--version", "1", "--private"),
    )
    process = background(*command, token=token)
    wait_for(lambda: models.UploadPart.objects.count() >= 2)

    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=15)

    assert process.returncode == ExitCode.INTERRUPTED, stderr
    assert "The same command goes on where this one stopped" in stderr
    assert "Traceback" not in stderr
    assert models.Submission.objects.count() == 0
    arrived = {part.number: part.received_at for part in models.UploadPart.objects.all()}
    assert 2 <= len(arrived) < 13

    done = touchstone(*command, "--json", token=token)

    assert done.returncode == ExitCode.OK, done.stderr
    assert json.loads(done.stdout)["artifact"]["size_bytes"] == artifact.stat().st_size
    assert models.Upload.objects.count() == 1, "it went on with the same upload"
    assert models.Submission.objects.count() == 1
