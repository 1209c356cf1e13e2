"""An administrator makes a task from a protocol, publishes it, and evaluates everybody."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from evaluator.catalog import METRICS, PROTOCOLS
from leaderboard import models
from leaderboard.enums import VersionState
from tests.leaderboard import factories
from tests.leaderboard.admin.answers import answer

pytestmark = pytest.mark.django_db
ADD = "/admin/leaderboard/taskversion/add/?protocol=equation_of_state"
LIST = "/admin/leaderboard/taskversion/"


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("charlie", "charlie@example.org", "x"))
    return client


def metric_boxes(rows: list[dict[str, Any]]) -> dict[str, str]:
    """What a browser sends of the table of metrics."""
    sent = {}
    for row in rows:
        name = f"metrics-{row['key']}"
        sent[f"{name}-use"] = "on"
        for part in ("good", "bad", "worst"):
            sent[f"{name}-{part}"] = str(row[part])
        sent[f"{name}-weight"] = str(row.get("weight", 1.0))
        sent[f"{name}-scale"] = "linear"
    return sent


def form(**changes: Any) -> dict[str, Any]:
    task = models.Task.objects.create(slug="eos", name="EOS", summary="EOS")
    return {
        "task": task.pk,
        "description": "What and why.",
        "limitations": "Fixed shapes.",
        "reference_set": factories.reference_set().pk,
        "parameter_volume_range_percent": "6",
        "parameter_n_volumes": "9",
        "parameter_search_range_percent": "30",
        **metric_boxes(factories.METRICS),
        "min_coverage": "0.5",
        "seed": "0",
    } | changes


def errors_of(response: Any) -> dict[str, list[str]]:
    found = response.context["adminform"].form.errors
    return {name: [str(error) for error in errors] for name, errors in found.items()}


def act(admin: Client, action: str, *versions: models.TaskVersion) -> list[str]:
    data = {"action": action, "_selected_action": [version.pk for version in versions]}
    response = answer(admin, LIST, data)
    return [str(message) for message in response.context["messages"]]


def test_the_protocol_is_chosen_first(admin: Client) -> None:
    response = admin.get("/admin/leaderboard/taskversion/add/")
    assert b'name="protocol" value="equation_of_state"' in response.content
    assert b'name="protocol" value="energy_forces"' in response.content
    shown = admin.get(ADD).content.decode()
    assert 'name="parameter_n_volumes" value="7"' in shown
    assert "Number of equally spaced volumes in the fit. At least 5, at most 41" in shown


@pytest.mark.slow
def test_a_task_is_made_from_a_protocol_published_and_evaluated_for_everybody(
    admin: Client,
) -> None:
    submissions = [factories.submission() for _ in range(3)]
    data = form()

    assert "was added" in admin.post(ADD, data, follow=True).content.decode()
    draft = models.TaskVersion.objects.get()
    assert (draft.number, draft.state, draft.protocol_version) == (1, VersionState.DRAFT, 2)
    assert draft.parameters == {
        "volume_range_percent": 6.0,
        "n_volumes": 9,
        "search_range_percent": 30.0,
    }

    assert act(admin, "publish", draft) == ["Published: 1."]
    draft.refresh_from_db()
    assert draft.state == VersionState.PUBLISHED
    assert act(admin, "evaluate_every_submission", draft) == [
        "Sent to the queue: 1. eos v1: 3 evaluations queued."
    ]
    evaluations = models.Evaluation.objects.filter(task_version=draft)
    assert {e.submission for e in evaluations} == set(submissions)
    assert act(admin, "evaluate_every_submission", draft) == [
        "Sent to the queue: 1. eos v1: 0 evaluations queued."
    ]


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("parameter_n_volumes", "3", "Must be at least 5, not 3."),
        ("parameter_n_volumes", "many", "Enter a whole number."),
        ("parameter_volume_range_percent", "90", "Must be at most 20, not 90.0."),
        ("metrics-eos_delta_mean-good", "", "eos_delta_mean: good must be a finite number."),
        ("metrics-eos_delta_mean-bad", "nan", "eos_delta_mean: bad must be a finite number."),
        ("metrics-eos_delta_mean-good", "70", "lower is better, so good must be below bad"),
        ("metrics-eos_delta_mean-scale", "cubic", "scale must be linear or log, not 'cubic'"),
        ("limitations", "", "This field is required."),
        ("limits-memory_MiB", "-4", "memory_MiB must be a positive number."),
    ],
)
def test_bad_parameters_are_refused_at_their_field(
    admin: Client, field: str, value: str, complaint: str
) -> None:
    response = admin.post(ADD, form(**{field: value}))
    assert response.status_code == 200
    found = errors_of(response)
    name = field.split("-")[0]
    assert set(found) == {name}
    assert complaint in found[name][0]
    assert not models.TaskVersion.objects.exists()


def test_everything_that_is_wrong_is_told_at_once_each_at_its_row(admin: Client) -> None:
    poor = factories.reference_set(properties=["energy"])
    wrong = {
        "reference_set": poor.pk,
        "description": "",
        "parameter_n_volumes": "3",
        "metrics-eos_delta_mean-good": "",
        "metrics-bulk_modulus_relative_error-good": "70",
        "limits-memory_MiB": "much",
        "limits-wall_time_s": "-1",
    }
    response = admin.post(ADD, form(**wrong))
    assert set(errors_of(response)) == {
        *("description", "reference_set", "parameter_n_volumes", "metrics", "limits")
    }
    page = " ".join(response.content.decode().split())
    rows = dict(
        re.findall(r'<tr class="wrong">.*?id="use-(\w+)".*?complaint">(.*?)</strong>', page)
    )
    assert rows == {
        "eos_delta_mean": "Good must be a finite number.",
        "bulk_modulus_relative_error": "Lower is better, so good must be below bad.",
    }
    assert "memory_MiB must be a positive number.</strong>" in page
    assert "wall_time_s must be a positive number.</strong>" in page


def test_names_in_a_complaint_keep_their_case(admin: Client) -> None:
    address = "/admin/leaderboard/taskversion/add/?protocol=efficiency"
    response = admin.post(address, {"parameter_reference_potential": "Other:MyNet"})
    told = errors_of(response)["parameter_reference_potential"]
    assert "not 'Other:MyNet'" in told[0]


def test_the_definition_of_each_metric_stands_beside_it(admin: Client) -> None:
    page = admin.get(ADD).content.decode()
    definitions = re.findall(r'<div class="definition">(.*?)</div>', page, re.DOTALL)
    keys = PROTOCOLS["equation_of_state"].metrics
    assert [html.unescape(text) for text in definitions] == [METRICS[k].description for k in keys]


def test_the_cost_is_unknown_before_a_dry_run(admin: Client) -> None:
    draft = factories.task_version(state=VersionState.DRAFT)
    submissions = [factories.submission() for _ in range(2)]
    factories.worker()
    desk = f"{LIST}{draft.pk}/desk/"
    page = " ".join(admin.get(desk).content.decode().split())
    assert "2 evaluations: how long they take is unknown before a dry run." in page
    assert "0 s" not in page
    factories.evaluation(
        submissions[0], draft, score=0.5, is_dry_run=True, is_current=False, wall_time_s=30.0
    )
    page = " ".join(admin.get(desk).content.decode().split())
    assert "2 evaluations: 60 s of worker time, about 60 s with the 1 worker online" in page


def test_a_reference_set_that_lacks_what_is_needed_is_refused(admin: Client) -> None:
    poor = factories.reference_set(properties=["energy"])
    response = admin.post(ADD, form(reference_set=poor.pk))
    assert set(errors_of(response)) == {"reference_set"}


def test_a_draft_is_edited_and_a_published_version_is_only_read(admin: Client) -> None:
    draft = factories.task_version(state=VersionState.DRAFT, parameters={"n_volumes": 11})
    address = f"{LIST}{draft.pk}/change/"
    assert 'name="parameter_n_volumes" value="11"' in admin.get(address).content.decode()
    changed = form() | {"task": draft.task.pk, "reference_set": draft.reference_set_id}
    assert admin.post(address, changed).status_code == 302
    draft.refresh_from_db()
    assert draft.parameters["n_volumes"] == 9

    published = factories.task_version()
    address = f"{LIST}{published.pk}/change/"
    assert b'name="description"' not in admin.get(address).content
    assert admin.post(address, changed).status_code == 403
    assert act(admin, "publish", published) == [
        f"{published}: {published} is published already and never changes."
    ]
    assert act(admin, "retire", published) == ["Retired: 1."]


def test_strangers_and_staff_without_rights_change_nothing(client: Client) -> None:
    client.force_login(factories.user("bob"))
    assert client.get(LIST).status_code == 302
    client.force_login(factories.charlie())
    assert client.get(LIST).status_code == 403
    assert client.post(ADD, form()).status_code == 403
    assert not models.TaskVersion.objects.exists()
