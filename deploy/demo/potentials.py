"""Which potentials the demo submits: all that are at hand, and a small MACE that it trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any

from deploy.demo.stack import ROOT, DemoError
from evaluator.client import Client, NotFound
from evaluator.potentials.known import BASELINES
from evaluator.potentials.names import KnownPotential, kind_of_weights, resolve, to_be_had
from evaluator.runtimes.build import build
from evaluator.runtimes.definitions import serving
from evaluator.runtimes.recipes import Recipe
from evaluator.runtimes.store import RuntimeStore

#: Seconds of training; enough for a potential that is clearly better than the baselines.
MACE_TRAINING_S = 60
MACE_SLUG = "mace-mlearn-small"
MACE_CARD: dict[str, Any] = {
    "name": "MACE mlearn (small)",
    "architecture": "MACE",
    "authors": "Trained by the demo",
    "paper_url": "https://arxiv.org/abs/2206.07697",
    "licence": "MIT",
    "training_sets": ["mlearn training set (Zuo et al. 2020)"],
    "level_of_theory": "PBE",
    "description": "A deliberately small MACE, trained for a minute on 877 structures of Li, Mo, "
    "Si and Ge. It shows what a specialist looks like on the board, not what MACE can do.",
}
MACE_ELEMENTS = ("Li", "Si", "Ge", "Mo")


def _card(potential: KnownPotential) -> dict[str, Any]:
    # Only the administrator may say of a potential that it is a baseline.
    mark = {"is_baseline": True} if potential.is_baseline else {}
    return {
        **mark,
        "name": potential.name,
        "architecture": potential.architecture,
        "authors": potential.authors,
        "description": potential.citation,
        "paper_url": potential.url,
        "licence": potential.licence,
        "training_sets": [potential.training_set],
        "level_of_theory": potential.level_of_theory,
        "n_parameters": potential.n_parameters,
    }


#: Of the trained potentials those that plain "make demo" submits: two families, beside the small
#: MACE and the baselines. All together take hours on two cores.
CHOSEN = ("chgnet:0.3.0", "sevennet:7net-0")


def to_submit(only: Collection[str], *, is_all: bool, only_baselines: bool) -> list[KnownPotential]:
    """What the demo submits, quick ones first. Raises DemoError for a name that leads nowhere."""
    mirror = os.environ.get("TOUCHSTONE_DATA_MIRROR")
    known = to_be_had(Path(mirror) if mirror else None)
    names = [potential.reference for potential in known]
    if unknown := [name for name in only if name not in names]:
        raise DemoError(
            f"There is no potential {', '.join(unknown)} here. At hand: {', '.join(names)}."
        )
    quick = [p for p in known if p in BASELINES]
    others = [p for p in known if p not in BASELINES and not only_baselines]
    if only:
        return [p for p in (*quick, *others) if p.reference in only]
    if is_all:
        return [*quick, *others]
    return [*quick, *(p for p in others if p.reference in CHOSEN)]


def left_out(chosen: Collection[KnownPotential]) -> list[str]:
    """Names of what ``--all`` would add."""
    whole = to_submit((), is_all=True, only_baselines=False)
    return [f"{p.name} {p.version}" for p in whole if p not in chosen]


def _is_there(client: Client, slug: str, version: str) -> bool:
    """Whether an earlier demo has submitted it, which is left alone."""
    return any(s.version == version for s in client.submissions(potential=slug))


def _card_if_new(client: Client, slug: str, card: dict[str, Any]) -> dict[str, Any] | None:
    """None where the potential is registered: its card speaks for all its versions, and stays."""
    try:
        client.potential(slug)
    except NotFound:
        return card
    return None


class Uploads:
    """Submits potentials one after the other, each when its weights are there.

    Some come with the packages of a runtime. These are built beside the first evaluations, in the
    order of the potentials.
    """

    def __init__(self, data_dir: Path, chosen: Sequence[KnownPotential]) -> None:
        self._data_dir = data_dir
        self._waiting = deque(chosen)
        self._ready: Queue[tuple[KnownPotential, str]] = Queue()
        #: Names of those that could not be submitted, for the end.
        self.failed: list[str] = []

    def start(self) -> None:
        Thread(target=self._build_runtimes, name="runtimes", daemon=True).start()

    @property
    def is_pending(self) -> bool:
        return bool(self._waiting)

    def _build_runtimes(self) -> None:
        for potential in tuple(self._waiting):
            try:
                kind = kind_of_weights(potential.reference)
                if kind is not None:
                    build(Recipe.of(serving(kind)), RuntimeStore())
                self._ready.put((potential, ""))
            except Exception as error:  # noqa: BLE001  (told where it is waited for)
                self._ready.put((potential, str(error) or type(error).__name__))

    def submit_ready(self, author: Client, administrator: Client) -> None:
        """Upload what has become ready; only the administrator may submit baselines.

        What an earlier demo submitted is left alone.
        """
        with suppress(Empty):
            while True:
                potential, problem = self._ready.get_nowait()
                self._waiting.remove(potential)
                if problem:
                    print(f"    {potential.name} {potential.version} is not submitted: {problem}")
                    self.failed.append(potential.name)
                else:
                    client = administrator if potential.is_baseline else author
                    self._submit(client, potential)

    def _submit(self, client: Client, potential: KnownPotential) -> None:
        if _is_there(client, potential.slug, potential.version):
            return
        with tempfile.TemporaryDirectory(dir=self._data_dir) as folder:
            resolved = resolve(potential.reference, Path(folder))
            client.submit(
                potential.slug,
                resolved.artifact,
                card=_card_if_new(client, potential.slug, _card(potential)),
                version=potential.version,
                calculator_kind=resolved.spec.calculator_kind,
                settings=resolved.spec.settings,
                supported_elements=potential.supported_elements,
            )
            size_MiB = resolved.artifact.stat().st_size / 2**20
        print(f"    uploaded {potential.name} {potential.version} ({size_MiB:.1f} MiB)", flush=True)


class MaceTraining:
    """Trains the small MACE beside the first evaluations and submits it when it is ready."""

    def __init__(self, data_dir: Path) -> None:
        self._model = data_dir / "mace-mlearn-small.model"
        self._log_path = data_dir / "logs" / "mace-training.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.is_pending = False

    def start(self, environment: dict[str, str]) -> None:
        if self._model.exists():
            self.is_pending = True
            return
        frames = self._training_frames(environment)
        if frames is None:
            return
        self._log = self._log_path.open("ab")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "evaluator.potentials.training", "--frames", frames),
                *("--out", str(self._model), "--seconds", str(MACE_TRAINING_S)),
            ],
            cwd=ROOT,
            env=environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.is_pending = True

    def _training_frames(self, environment: dict[str, str]) -> str | None:
        done = subprocess.run(
            [sys.executable, "-m", "evaluator.cli", "data", "fetch", "mlearn-train", "--json"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"    no MACE is trained: its reference data cannot be had ({why})")
            return None
        path: str = json.loads(done.stdout)["path"]
        return path

    def submit_when_trained(self, client: Client) -> None:
        if not self.is_pending:
            return
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return
            if status:
                self.is_pending = False
                print(f"    the training of the MACE failed; see {self._log_path}")
                return
        if not _is_there(client, MACE_SLUG, "1"):
            client.submit(
                MACE_SLUG,
                self._model,
                card=_card_if_new(client, MACE_SLUG, MACE_CARD),
                version="1",
                calculator_kind="mace",
                supported_elements=MACE_ELEMENTS,
            )
        self.is_pending = False

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)
        if self._log is not None:
            self._log.close()
