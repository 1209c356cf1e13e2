"""Known answers, asked of real runtimes in the real sandbox."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evaluator.driver.known_answers import read_questions, verify, write_answers
from evaluator.exceptions import InfrastructureError
from evaluator.runtimes.definitions import RuntimeDefinition, definition_of, known_definitions
from evaluator.sandbox.base import Sandbox
from tests.evaluator.runtimes.real import classical_runtime, real_runtime


@pytest.fixture
def copied(tmp_path: Path) -> RuntimeDefinition:
    """The classical runtime's definition, in a folder that may be changed."""
    definition = definition_of("classical")
    folder = shutil.copytree(definition.folder, tmp_path / "classical")
    return replace(definition, folder=folder)


def _change(definition: RuntimeDefinition, **fields: object) -> None:
    questions = read_questions(definition)[:1]
    questions[0] |= fields
    definition.known_answers_file.write_text(json.dumps(questions))


@pytest.mark.parametrize("name", sorted(known_definitions()))
def test_every_runtime_has_an_answer_that_is_known(name: str) -> None:
    definition = definition_of(name)
    questions = read_questions(definition)
    assert {question["kind"] for question in questions} >= set(definition.kinds)
    assert all({"energy_eV_per_atom", "forces_eV_per_A"} <= q.keys() for q in questions)


@pytest.mark.sandbox
def test_runtime_answers_as_it_must(sandbox: Sandbox) -> None:
    verification = verify(definition_of("classical"), classical_runtime(), sandbox)
    assert verification.is_well and len(verification.answers) == 3
    assert verification.to_json()["largest_energy_error_eV_per_atom"] < 1e-8


@pytest.mark.sandbox
@pytest.mark.trained
def test_chgnet_answers_as_it_must_in_a_runtime_of_its_own(sandbox: Sandbox) -> None:
    verification = verify(definition_of("chgnet"), real_runtime("chgnet"), sandbox)
    assert verification.faults == [] and len(verification.answers) == 3


@pytest.mark.sandbox
def test_another_answer_is_a_fault(sandbox: Sandbox, copied: RuntimeDefinition) -> None:
    _change(copied, energy_eV_per_atom=0.1)
    verification = verify(copied, classical_runtime(), sandbox)
    assert not verification.is_well
    assert "eV/atom and" in verification.faults[0] and "off what is known" in verification.faults[0]


@pytest.mark.sandbox
def test_what_cannot_be_loaded_is_a_fault(sandbox: Sandbox, copied: RuntimeDefinition) -> None:
    _change(copied, artifact={"calculator": "nosuch"})
    assert "nosuch" in verify(copied, classical_runtime(), sandbox).faults[0]


@pytest.mark.sandbox
def test_answers_that_are_written_are_known_from_then_on(
    sandbox: Sandbox, copied: RuntimeDefinition
) -> None:
    _change(copied, energy_eV_per_atom=0.1)
    write_answers(copied, classical_runtime(), sandbox)
    known = read_questions(definition_of("classical"))[0]["energy_eV_per_atom"]
    assert read_questions(copied)[0]["energy_eV_per_atom"] == pytest.approx(known, abs=1e-9)


@pytest.mark.parametrize(("text", "message"), [("", "cannot be read"), ("[]", "Nothing is known")])
def test_answers_that_are_missing_are_told(
    copied: RuntimeDefinition, text: str, message: str
) -> None:
    copied.known_answers_file.write_text(text)
    with pytest.raises(InfrastructureError, match=message):
        read_questions(copied)
