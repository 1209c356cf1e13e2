"""Whatever a file holds, the answer is what it holds or a refusal with words: fuzzed, bounded.

By hand, and longer: ``python -m tests.evaluator.references.mutations 20000``.
"""

from __future__ import annotations

import random
import resource
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluator.exceptions import SubmissionError
from evaluator.references.extxyz import read_frames
from evaluator.references.json_structures import read_json
from tests.evaluator.references.mutations import CASE_MiB, mutated, outcome, real_files

pytestmark = pytest.mark.slow

NAMES = ("energy", "forces", "stress")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutations")


def test_the_unchanged_files_are_read(folder: Path) -> None:
    for suffix, content in real_files()[:5]:
        text = content.decode()
        records = read_json(text, NAMES) if suffix == ".json" else read_frames(text)
        assert len(records) in (2, 5)


def test_mutated_files_are_read_or_refused_with_words(folder: Path) -> None:
    before_KiB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = [outcome(seed, folder) for seed in range(200)]
    assert outcomes.count("read") > 20
    assert outcomes.count("refused") > 100
    grown_KiB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_KiB
    assert grown_KiB < CASE_MiB << 10


@settings(
    max_examples=150,
    deadline=2000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(min_value=0), text=st.text(max_size=40), at=st.integers(min_value=0))
def test_any_text_put_into_a_file_is_read_or_refused(seed: int, text: str, at: int) -> None:
    rng = random.Random(seed)
    suffix, content = rng.choice(real_files())
    whole = mutated(content, rng).decode("utf-8", "replace")
    at %= len(whole) + 1
    whole = whole[:at] + text + whole[at:]
    try:
        records = read_json(whole, NAMES) if suffix == ".json" else read_frames(whole)
    except SubmissionError as error:
        assert str(error)
    else:
        assert all(len(record.place) > 6 for record in records)
