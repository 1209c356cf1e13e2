"""Pages of a task that is scored by skill say so, and what each number is."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.test import Client

from evaluator.contract import Verdict
from leaderboard.models import Evaluation
from tests.leaderboard import factories, skilled

pytestmark = pytest.mark.django_db


@pytest.fixture
def evaluation() -> Evaluation:
    return skilled.evaluation()


def text_of(client: Client, address: str) -> str:
    html = client.get(address).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_tasks_page_tells_noise_and_the_error_of_a_guess(
    client: Client, evaluation: Evaluation
) -> None:
    text = text_of(client, f"/tasks/{evaluation.task_version.task.slug}/")
    assert "Scored by skill, system by system" in text
    assert re.search(r"Weight Noise A guess At most", text)
    assert re.search(r"1 1 \(log\) 7\.10 100 B₀ MAE", text)
    assert "shown, not scored" in text


def test_an_evaluation_tells_the_skill_on_each_system(
    client: Client, evaluation: Evaluation
) -> None:
    text = text_of(client, evaluation.get_absolute_url())
    assert "Median error A guess median error Tested systems" in text
    assert re.search(r"0\.433 2\.50 7\.10 3 4 1", text)
    assert re.search(r"He .* not tested", text)
    assert re.search(r"AlCu .* 0\.00 failed No minimum\.", text)


def test_records_of_what_was_refused_are_not_said_to_test_nothing(client: Client) -> None:
    whole = skilled.report()
    bare = [
        replace(system, values={"element": system.values["element"]}) for system in whole.systems
    ]
    refused = replace(
        whole, verdict=Verdict.INCONSISTENT, scores=(), task_score=None, systems=tuple(bare)
    )
    text = text_of(client, skilled.evaluation(ended=refused).get_absolute_url())
    assert "AlCu" in text
    assert "not tested" not in text


def test_a_board_tells_the_noise_and_the_largest_error(
    client: Client, evaluation: Evaluation
) -> None:
    version = factories.benchmark_version((evaluation.task_version, "Bulk"))
    text = text_of(client, f"/benchmarks/{version.benchmark.slug}/1/")
    assert "1 → 100 meV/atom (log)" in text


def test_a_hidden_set_tells_no_skill(client: Client) -> None:
    hidden = skilled.evaluation(
        version=skilled.task_version(reference_set=factories.reference_set(is_public=False))
    )
    for address in (hidden.get_absolute_url(), f"/tasks/{hidden.task_version.task.slug}/"):
        text = text_of(client, address)
        assert "7.10" not in text
        assert "0.433" not in text
        assert "not tested" not in text
