"""A potential of a family that the service does not know: code, lock and scores over REST."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from evaluator import tasks
from evaluator.contract import Verdict
from evaluator.runtimes.definitions import definition_of
from evaluator.runtimes.locks import Lock
from evaluator.runtimes.store import RUNTIMES_VARIABLE, RuntimeStore
from evaluator.runtimes.uv import find_links
from leaderboard import models
from leaderboard.lib import blobs
from tests.end_to_end.conftest import Touchstone, token_of
from tests.evaluator.small_tasks import FORCE_MAE, write_forces
from tests.leaderboard import factories
from tests.wheels import make_wheel

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

#: Wheels that were fetched once are kept from run to run.
_KEPT = Path(__file__).resolve().parent.parent.parent / ".pytest_cache" / "touchstone-runtimes"
_FAMILY = """
import numpy as np
from ase.calculators.calculator import Calculator, all_changes

class Nothing(Calculator):
    implemented_properties = ["energy", "forces", "stress"]
    def calculate(self, atoms=None, properties=("energy",), changes=all_changes):
        super().calculate(atoms, properties, changes)
        n = len(self.atoms)
        self.results = {"energy": 0.0, "forces": np.zeros((n, 3)), "stress": np.zeros(6)}
"""
_PACKAGE = """
from unheard_family import Nothing

def calculator(folder):
    return Nothing()
"""


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The lock of a family that nobody knows, beside what it needs; its wheel is to be had."""
    monkeypatch.setenv(RUNTIMES_VARIABLE, str(_KEPT))
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    line = make_wheel(wheels, "unheard_family", {"unheard_family.py": _FAMILY})
    pip = find_links()
    monkeypatch.setenv("PIP_FIND_LINKS", " ".join([str(wheels), *pip]))
    known = Lock.read(definition_of("classical").lock_file("cpu")).packages
    needed = tuple(p for p in known if p.name in ("ase", "msgpack", "numpy", "scipy"))
    yield Lock(packages=needed).text() + line
    for runtime in RuntimeStore().built():
        if runtime.name.startswith("own-"):
            RuntimeStore().remove(runtime.name, runtime.digest)


@pytest.fixture
def task(tmp_path: Path) -> models.TaskVersion:
    """Forces of zero, which the unheard family answers."""
    crystals = [bulk("Cu", "fcc", a=3.6, cubic=True), bulk("Al", "fcc", a=4.0, cubic=True)]
    content = write_forces(tmp_path / "forces.xyz", crystals).read_bytes()
    blob = blobs.write([content])
    reference = factories.reference_set(sha256=blob.sha256, size_bytes=len(content))
    blob.keep(reference.storage_name)
    return factories.task_version(
        protocol="energy_forces", reference_set=reference, metrics=[FORCE_MAE.to_json()]
    )


def _submit(task: models.TaskVersion, lock: str, version: str = "1.0") -> Any:
    client = APIClient()
    client.force_authenticate(factories.user("alice"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("potential.py", _PACKAGE)
    content = packed.getvalue()
    form = {
        "potential": "unheard",
        "card": '{"name": "Unheard"}',
        "version": version,
        "calculator_kind": "package",
        "sha256": hashlib.sha256(content).hexdigest(),
        "artifact": SimpleUploadedFile("unheard.zip", content),
        "lock": SimpleUploadedFile("requirements.txt", lock.encode()),
        "tasks": task.task.slug,
    }
    return client, client.post("/api/v1/submissions/", form, format="multipart")


def _evaluate() -> models.Evaluation:
    """As a worker does that hears of it."""
    tasks.this_host.cache_clear()
    evaluation = models.Evaluation.objects.get()
    tasks.evaluate.push_request(hostname="worker@host")
    try:
        tasks.evaluate.run(str(evaluation.pk))
    finally:
        tasks.evaluate.pop_request()
        tasks.this_host.cache_clear()
    evaluation.refresh_from_db()
    return evaluation


@pytest.mark.parametrize("device", ["cpu", "cuda:0"])
def test_a_family_that_nobody_knows_is_scored_in_the_runtime_that_it_brings(
    own_blobs: None,
    family: str,
    task: models.TaskVersion,
    device: str,
    settings: Any,
) -> None:
    settings.DEVICE = device
    client, response = _submit(task, family)
    assert response.status_code == 201, response.content
    told = response.json()["runtime"]
    assert told["state"] == "waiting"

    evaluation = _evaluate()

    assert (evaluation.verdict, evaluation.message) == (Verdict.OK, "")
    assert evaluation.scores.get(metric="force_mae").value == 0.0
    # Its runtime is built for the processor, wherever it is evaluated.
    assert evaluation.provenance["device"] == "cpu"
    runtime = evaluation.provenance["runtime"]
    assert runtime["packages"]["unheard-family"] == "1.0"
    read = client.get(told["url"]).json()
    assert (read["state"], read["digest"]) == ("built", runtime["digest"])
    assert [u["submission"]["version"] for u in read["used_by"]] == ["1.0"]
    assert "+ unheard-family==1.0" in read["log"]
    page = client.get(f"/evaluations/{evaluation.pk}/").content.decode()
    assert f"/runtimes/{runtime['name']}/" in page
    stranger = APIClient().get(told["url"]).json()
    assert stranger["log"] == ""
    assert stranger["packages"] == read["packages"]


def test_a_lock_of_which_nothing_can_be_built_ends_the_evaluation_with_its_line(
    own_blobs: None, family: str, task: models.TaskVersion
) -> None:
    lock = family.rpartition("sha256:")[0] + f"sha256:{'0' * 64}\n"
    client, response = _submit(task, lock)

    evaluation = _evaluate()

    assert evaluation.verdict == Verdict.INVALID_ARTIFACT
    assert "unheard-family==1.0 cannot be installed from a wheel" in evaluation.message
    assert client.get(response.json()["runtime"]["url"]).json()["state"] == "refused"


def test_a_lock_that_is_none_is_refused_at_once(
    own_blobs: None, family: str, task: models.TaskVersion
) -> None:
    _, response = _submit(task, family + "--index-url https://example.org/simple\n")

    assert response.status_code == 400
    assert "no options may stand in a lock" in response.content.decode()
    assert not models.Submission.objects.exists()
    assert not models.RuntimeLock.objects.exists()


def test_the_command_line_brings_a_lock_and_tells_what_is_wrong_with_it(
    touchstone: Touchstone, tmp_path: Path
) -> None:
    factories.benchmark_version((factories.task_version(), "bulk"))
    package, lock = tmp_path / "potential.zip", tmp_path / "requirements.txt"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("potential.py", _PACKAGE)
    names = ("ase==3.29.0", "msgpack==1.2.4", "numpy==2.4.6")
    good = "".join(f"{name} --hash=sha256:{'a' * 64}\n" for name in names)
    asked = (
        *("submit", str(package), "--kind", "package", "--lock", str(lock)),
        *("--potential", "unheard", "--name", "Unheard", "--version", "1.0"),
    )
    token = token_of("alice")

    lock.write_text(good + "rare>=1.0\n")
    refused = touchstone(*asked, token=token)
    lock.write_text(good)
    accepted = touchstone(*asked, token=token)

    assert refused.returncode != 0
    assert "--lock" in refused.stderr
    assert "Line 4: 'rare>=1.0' is not pinned" in refused.stderr
    assert accepted.returncode == 0, accepted.stderr
    assert models.Submission.objects.get().runtime_lock is not None
