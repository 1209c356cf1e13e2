"""Which potentials the demo submits: all that are at hand, and a small MACE that it trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

from deploy.demo.stack import ROOT, DemoError
from evaluator.client import Client, NotFound
from evaluator.potentials.names import KnownPotential, known_potentials, resolve

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


def _at_hand() -> tuple[KnownPotential, ...]:
    mirror = os.environ.get("TOUCHSTONE_DATA_MIRROR")
    return known_potentials(Path(mirror) if mirror else None)


def require_known(only: Collection[str]) -> None:
    """Raises DemoError where a potential is named that is not at hand."""
    names = [potential.reference for potential in _at_hand()] if only else []
    unknown = [name for name in only if name not in names]
    if unknown:
        raise DemoError(
            f"There is no potential {', '.join(unknown)} here. At hand: {', '.join(names)}."
        )


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


def submit_potentials(
    client: Client, data_dir: Path, *, is_baseline: bool, only: Collection[str] = ()
) -> None:
    """Upload the baselines, or every other potential at hand; or those named alone.

    What an earlier demo submitted is left alone.
    """
    with tempfile.TemporaryDirectory(dir=data_dir) as folder:
        for potential in _at_hand():
            if potential.is_baseline != is_baseline:
                continue
            if only and potential.reference not in only:
                continue
            if _is_there(client, potential.slug, potential.version):
                continue
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
            print(f"    uploaded {potential.name} {potential.version} ({size_MiB:.1f} MiB)")


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
