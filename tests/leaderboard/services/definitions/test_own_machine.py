from __future__ import annotations

import shlex

import pytest

from leaderboard.enums import VersionState
from leaderboard.services.definitions.own_machine import (
    given_references,
    run_submission,
    run_with_any_potential,
    why_not_given,
)
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db
SITE = "https://example.org"


def test_a_public_task_has_a_command_that_names_site_and_version() -> None:
    version = factories.task_version()
    run = run_with_any_potential(version, SITE)
    assert run.why_not == ""
    assert shlex.split(run.command) == [
        *("touchstone", "evaluate", "--url", SITE, "--task", version.task.slug),
        *("--version", "1", "--calculator", "chgnet:0.3.0", "--json", "out.json"),
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"state": VersionState.DRAFT, "published_at": None}, "It is a draft"),
        ({"protocol_version": 1}, "today's software has version 2"),
    ],
)
def test_what_would_fail_is_no_command_but_its_reason(change: dict[str, object], why: str) -> None:
    run = run_with_any_potential(factories.task_version(**change), SITE)
    assert run.command == ""
    assert why in run.why_not


def test_a_hidden_set_is_given_to_nobody_and_its_task_has_no_command() -> None:
    hidden = factories.reference_set(is_public=False)
    version = factories.task_version(reference_set=hidden)
    assert why_not_given(version) == "Its reference set is hidden: this service alone can run it."
    assert run_with_any_potential(version, SITE).command == ""
    assert not given_references().exists()


def test_of_public_sets_those_of_drafts_alone_are_not_given() -> None:
    draft = factories.reference_set(slug="draft")
    factories.task_version(reference_set=draft, state=VersionState.DRAFT, published_at=None)
    published = factories.task_version().reference_set
    assert list(given_references()) == [published]


def test_a_submission_is_run_on_the_first_task_that_can_be_with_all_that_was_declared() -> None:
    hidden = factories.task_version(
        reference_set=factories.reference_set(slug="secret", is_public=False)
    )
    version = factories.task_version()
    submission = factories.submission(
        artifact_filename="it's mine.zip",
        calculator_kind="package",
        settings={"entry_point": "a:b", "flag": True, "cutoff_A": 5.0},
        supported_elements=["Cu", "Al"],
    )
    words = shlex.split(run_submission([hidden, version], submission, SITE).command)
    assert words[words.index("--task") + 1] == version.task.slug
    given = words[words.index("--calculator") + 1]
    assert given == "package:it's mine.zip,entry_point=a:b,flag=true,cutoff_A=5.0"
    assert words[words.index("--elements") + 1] == "Cu,Al"
    alone = run_submission([hidden], submission, SITE)
    assert (alone.command, alone.why_not) == ("", why_not_given(hidden))
    assert "not been put on any task" in run_submission([], submission, SITE).why_not


def test_a_file_name_that_reads_as_a_setting_is_told_instead_of_a_command_that_fails() -> None:
    submission = factories.submission(artifact_filename="a,b=c.json")
    run = run_submission([factories.task_version()], submission, SITE)
    assert run.command == ""
    assert "rename the file" in run.why_not
