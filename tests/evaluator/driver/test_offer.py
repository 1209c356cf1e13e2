"""What a worker offers, with the classical runtime and the real sandbox."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluator.driver import offer as offers
from evaluator.driver.offer import ABSENT, BUILDING, FAULTY, READY, RuntimeOffer
from evaluator.runtimes.definitions import UnknownRuntime, definition_of
from evaluator.runtimes.store import RuntimeStore
from evaluator.sandbox.base import Sandbox
from evaluator.sandbox.unconfined import UnconfinedSandbox
from tests.evaluator.runtimes.real import classical_runtime


class _Told:
    """States as they were told, by name."""

    def __init__(self) -> None:
        self.states: list[dict[str, str]] = []

    def __call__(self, states: Mapping[str, dict[str, Any]]) -> None:
        self.states.append({name: state["state"] for name, state in states.items()})


def test_worker_offers_nothing_before_it_has_looked() -> None:
    offer = RuntimeOffer(UnconfinedSandbox(), "cpu", ["classical"], _Told())
    assert offer.states == {"classical": {"state": ABSENT, "kinds": ["ase", "dummy"]}}


def test_worker_without_a_sandbox_offers_what_is_built_in_alone() -> None:
    offer = RuntimeOffer(UnconfinedSandbox(), "cpu", ["all"], _Told())
    assert list(offer.states) == ["classical"]


def test_runtime_that_does_not_ship_is_refused() -> None:
    with pytest.raises(UnknownRuntime, match="'nosuch'"):
        RuntimeOffer(UnconfinedSandbox(), "cpu", ["classical", "nosuch"], _Told())


def test_why_a_runtime_cannot_be_built_is_told_without_paths_and_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://name:secret@127.0.0.1:9/simple/")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    store = RuntimeStore(tmp_path / "runtimes")
    offer = RuntimeOffer(UnconfinedSandbox(), "cpu", ["classical"], _Told(), store)

    offer.work([])

    told = offer.states["classical"]
    assert told["state"] == FAULTY
    assert "could not be built" in told["message"]
    assert str(tmp_path) not in told["message"]
    assert "127.0.0.1" not in told["message"]


@pytest.mark.sandbox
def test_runtime_is_offered_once_it_has_answered_as_it_must(sandbox: Sandbox) -> None:
    runtime, told = classical_runtime(), _Told()
    offer = RuntimeOffer(sandbox, "cpu", ["classical"], told)
    assert offer.work([]) == "classical"
    assert told.states == [{"classical": BUILDING}, {"classical": READY}]
    offered = offer.states["classical"]
    assert (offered["digest"], offered["kinds"]) == (runtime.digest, ["ase", "dummy"])
    assert offered["verification"]["is_well"]
    assert offer.work(["ase"]) is None


@pytest.mark.sandbox
def test_runtime_that_answers_otherwise_is_not_offered(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classical_runtime()
    definition = definition_of("classical")
    folder = shutil.copytree(definition.folder, tmp_path / "classical")
    changed = replace(definition, folder=folder)
    text = changed.known_answers_file.read_text()
    changed.known_answers_file.write_text(text.replace('"energy_eV_per_atom": ', "\\g<0>9"))
    changed.known_answers_file.write_text(
        text.replace('"energy_eV_per_atom": -', '"energy_eV_per_atom": -9')
    )
    monkeypatch.setattr(offers, "definition_of", lambda name: changed)
    offer = RuntimeOffer(sandbox, "cpu", ["classical"], _Told())
    assert offer.work([]) == "classical"
    assert offer.states["classical"]["state"] == FAULTY
    assert "off what is known" in offer.states["classical"]["message"]
    assert offer.work(["ase"]) is None  # not at once again


def test_what_somebody_waits_for_comes_first_and_what_nobody_asked_for_is_not_built(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    offer = RuntimeOffer(
        sandbox, "cpu", ["all"], _Told(), store=offers.RuntimeStore(tmp_path / "none")
    )
    assert list(offer._due([])) == ["classical"]
    assert list(offer._due(["mace", "tea-leaves"])) == ["mace", "classical"]
    eager = RuntimeOffer(
        sandbox, "cpu", ["mace", "chgnet"], _Told(), store=offers.RuntimeStore(tmp_path / "none")
    )
    assert list(eager._due(["chgnet"])) == ["chgnet", "mace"]
