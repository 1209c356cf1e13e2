"""Nothing of a hidden set is told: every address, format and field asked by everybody.

Whoever adds an address, a field or a column decides here what is told of a hidden set.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pyarrow import parquet
from rest_framework.test import APIClient

from leaderboard import models
from leaderboard.api.serializers.fields import Record
from leaderboard.models import disclosure
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import client_of
from tests.leaderboard.decided_fields import FIELDS, NOT_OF_EVALUATIONS
from tests.leaderboard.hidden_world import MARK, HiddenWorld, make_hidden_world, open_the_sets
from tests.leaderboard.stored_files import keep_files_in
from tests.leaderboard.test_permission_matrix import patterns

pytestmark = pytest.mark.django_db

TABLES = ("csv", "jsonl", "parquet", "xlsx", "tex")
#: Addresses that show nothing of evaluations or sets, or take no GET.
_NOTHING = """
    admin-login login logout robots sitemap
    docs verdicts protocols protocol doc cite card team team-create
    team-invite team-uninvite team-member invitation token-create token-revoke submission-new
    potential-edit withdraw publish evaluation-cancel evaluation-reevaluate welcome
    api:submission-check runtimes runtime api:runtimes api:runtime
    api:schema api:docs api:redoc api:nowhere api:index api:me
    api:signed-in api:my-quota api:tokens api:token api:teams api:team api:team-quota
    api:team-members
    api:team-member api:team-invitations api:team-invitation api:invitations api:invitation
    api:invitation-accept api:uploads api:upload api:upload-part api:upload-complete
    api:webhooks api:webhook api:webhook-ping api:protocols api:calculators api:queue api:bundle
    api:bundle-file api:submission-publish api:submission-withdraw api:evaluation-cancel
    api:evaluation-reevaluate evaluation-cancel evaluation-reevaluate
"""
NOTHING_OF_EVALUATIONS = frozenset(_NOTHING.split())
#: Sign-in, by django-allauth.
NOT_OURS = ("account_", "mfa_", "socialaccount_", "github_", "orcid_", "openid_", "login_")


@dataclass(frozen=True)
class Answer:
    address: str
    status: int
    text: str


@pytest.fixture
def world(settings: Any, tmp_path: Any) -> HiddenWorld:
    cache.clear()
    keep_files_in(settings, tmp_path)
    settings.STREAM_S = 0  # a stream tells what there is and ends
    return make_hidden_world()


def addresses(world: HiddenWorld) -> dict[str, list[str]]:
    """Every address that could tell of evaluations, for each thing of the world."""
    evaluations = [{"pk": e.pk} for e in asked_about(world)]
    submissions = [{"pk": s.pk} for s in world.submissions]
    potentials = [{"slug": p.slug} for p in world.potentials]
    versions = [*world.hidden, world.open_task]
    tasks = [{"slug": v.task.slug} for v in versions]
    numbered = [{**task, "number": 1} for task in tasks]
    systems = [
        {"slug": v.task.slug, "number": 1, "system_id": f"{MARK}-{v.protocol}"}
        for v in world.hidden
    ]
    latest = [{k: v for k, v in system.items() if k != "number"} for system in systems]
    board = {"slug": world.benchmark.benchmark.slug}
    files = [
        {"pk": f.evaluation_id, "system_id": f.system_id, "name": f.name}
        for f in models.EvaluationFile.objects.filter(evaluation__in=asked_about(world))
    ]
    kinds = [
        *({"kind": "potentials", **p} for p in potentials),
        *({"kind": "tasks", **task} for task in tasks),
        {"kind": "leaderboards", **board},
    ]
    hooks = [{"pk": hook.pk} for hook in models.Webhook.objects.all()]
    deliveries = [
        {"pk": d.webhook_id, "delivery": d.pk} for d in models.WebhookDelivery.objects.all()
    ]
    tables = [f"?format={name}" for name in TABLES]
    since = "?since=2020-01-01T00:00:00Z"
    chemistry = ["?chemistry=Al,Cu", "?chemistry=metals&format=csv&since=2020-01-01"]
    now = timezone.now().isoformat().replace("+", "%2B")
    rows: dict[str, tuple[Sequence[dict[str, Any]], Sequence[str]]] = {
        "home": ([{}], ["", "?columns=all", "?view=cards"]),
        "benchmark-latest": ([board], [""]),
        "benchmark": (
            [{**board, "number": 1}],
            ["", "?category=phonons", f"?as_of={now}", *chemistry],
        ),
        "benchmark-card": ([{**board, "number": 1}], [""]),
        "task-card": (tasks, [""]),
        "task-version-card": (numbered, [""]),
        "potential-card": (potentials, [""]),
        "tasks": ([{}], [""]),
        "task": (tasks, ["", "?columns=all", "?plot=force_rms_eV_A&show=alpha:1&show=beta:1"]),
        "task-version": (numbered, ["", "?columns=all"]),
        "system-latest": (latest, [""]),
        "system": (systems, ["", "?show=alpha:1"]),
        "structure": (systems, [""]),
        "potentials": ([{}], ["", "?q=alpha"]),
        "potential": (potentials, ["", "?version=1"]),
        "submissions": ([{}], [""]),
        "submission": (submissions, [""]),
        "submission-progress": (submissions, [""]),
        "evaluation": (evaluations, ["", "?sort=status", "?sort=-force_mae_eV_A&columns=all"]),
        "choose": ([{}], ["", "?elements=Al&atoms=100&hardware=", "?elements=Al,Cu"]),
        "compare": ([{}], ["?p=alpha&p=beta", "?p=alpha&p=gamma&p=beta", "?p=beta:1&p=alpha:1"]),
        "correlation": ([{}], ["", "?x=a&y=b"]),
        "queue": ([{}], [""]),
        "account": ([{}], [""]),
        "api:potentials": ([{}], [""]),
        "api:potential": (potentials, [""]),
        "api:potential-history": (potentials, [""]),
        "api:webhook-deliveries": (hooks, [""]),
        "api:webhook-delivery": (deliveries, [""]),
        "api:submissions": ([{}], [""]),
        "api:submission": (submissions, [""]),
        "api:submission-agreement": (submissions, [""]),
        "api:evaluations": ([{}], ["", "?superseded=true", "?state=failed"]),
        "api:evaluation": (evaluations, [""]),
        "api:evaluation-systems": ([evaluations[0], {"pk": world.failed.pk}], ["", *tables]),
        "api:evaluation-map": (evaluations, ["", *tables]),
        "api:evaluation-files": (evaluations, [""]),
        "api:evaluation-file": (files, [""]),
        "api:evaluation-logs": (evaluations, [""]),
        "api:evaluation-events": (evaluations, ["", "?format=sse"]),
        "api:tasks": ([{}], [""]),
        "api:task": (tasks, [""]),
        "api:task-leaderboard": (tasks, ["", *tables, f"?as_of={now}"]),
        "api:task-map": (tasks, ["", *tables]),
        "api:task-diff": (tasks, [since]),
        "api:task-committee": (tasks, ["", *tables]),
        "api:task-bundle": (tasks, [""]),
        "api:reference-file": ([{"sha256": s.sha256} for s in world.sets], [""]),
        "api:reference-sets": ([{}], [""]),
        "api:benchmarks": ([{}], [""]),
        "api:recommend": ([{}], ["?elements=Al", "?elements=Al,Cu&atoms=100"]),
        "api:leaderboard": (
            [board],
            ["", *tables, "?category=phonons", "?weight.phonons=2", *chemistry],
        ),
        "api:leaderboard-diff": ([board], [since]),
        "api:badge": (kinds, [""]),
        "api:feed": (kinds, [""]),
    }
    return {
        name: [reverse(name, kwargs=keys) + query for keys in places for query in queries]
        for name, (places, queries) in rows.items()
    }


def asked(world: HiddenWorld, reader: str) -> Iterator[Answer]:
    """By token where the API is asked, by session where a page is."""
    api, pages = APIClient(), Client()
    if reader != "nobody":
        user = models.Submission._meta.get_field("submitted_by").related_model.objects.get(
            username=reader
        )
        api = client_of(user)
        pages.force_login(user)
    for name, places in addresses(world).items():
        client = api if name.startswith("api:") else pages
        for address in places:
            cache.clear()  # the limits of requests are tested elsewhere
            headers = {"Accept": "text/event-stream"} if "format=sse" in address else {}
            place = address.replace("?format=sse", "")
            response = client.get(place, headers=headers)
            yield Answer(address, response.status_code, text_of(response))


def text_of(response: Any) -> str:
    """All that a reader could make out in an answer: headers, and the body unpacked."""
    content = b"".join(response.streaming_content) if response.streaming else response.content
    head = "\n".join(f"{name}: {value}" for name, value in response.items())
    kind = response.get("Content-Type", "")
    if kind.startswith("image/png"):
        return head  # what is drawn: test_pictures_say_two_decimals
    if "spreadsheet" in kind:
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            return head + "".join(book.read(name).decode() for name in book.namelist())
    if "parquet" in kind:
        return head + repr(parquet.read_table(io.BytesIO(content)).to_pylist())
    return head + content.decode()


def leaks(world: HiddenWorld, answers: Iterable[Answer]) -> list[str]:
    return [
        f"{answer.address} tells {leak}"
        for answer in answers
        for leak in world.planted.leaks_of(answer.text)
        if not (leak.startswith(MARK) and _is_echo(answer))
    ]


def _is_echo(answer: Answer) -> bool:
    """The address itself names the system: errors and redirects repeat it."""
    is_refusal = answer.status in {302, 403, 404, 401}
    return is_refusal and MARK in answer.address


@pytest.mark.slow
def test_why_an_evaluation_is_tried_again_is_told_to_those_who_may_read_its_message() -> None:
    hidden = factories.task_version(reference_set=factories.reference_set(is_public=False))
    waiting = factories.evaluation(
        factories.submission(),
        hidden,
        not_before=timezone.now() + timedelta(hours=1),
        message=f"The disk was full at {MARK}.",
    )
    staff, owner, stranger = Client(), Client(), Client()
    staff.force_login(factories.charlie())
    owner.force_login(factories.user("alice"))
    for name in ("submission", "submission-progress"):
        page = reverse(name, kwargs={"pk": waiting.submission_id})
        for reader in (owner, stranger):
            text = reader.get(page).content.decode()
            assert "It is tried again at" in text
            assert MARK not in text
        assert MARK in staff.get(page).content.decode()


def test_every_address_is_decided(world: HiddenWorld) -> None:
    names = set(patterns())
    ours = {name for name in names if not name.startswith(NOT_OURS)}
    decided = set(addresses(world)) | NOTHING_OF_EVALUATIONS
    missing = sorted(ours - decided)
    assert not missing, (
        f"What do {', '.join(missing)} tell of a hidden set? Add them to addresses(), or to "
        "NOTHING_OF_EVALUATIONS in tests/leaderboard/test_hidden_sets.py."
    )
    assert sorted(decided - names) == []


@pytest.mark.slow
def test_nothing_of_a_hidden_set_is_told(world: HiddenWorld) -> None:
    """Whoever reads first: what is kept of an answer must not reach another reader."""
    factories.charlie()
    for reader in ("charlie", "nobody", "bob", "alice"):
        answers = list(asked(world, reader))
        assert [a.address for a in answers if a.status >= 500] == []
        assert sum(a.status == 200 for a in answers) > 80, "little was asked"
        if reader == "charlie":
            check_that_all_is_told(world, "\n".join(answer.text for answer in answers))
        else:
            found = leaks(world, answers)
            assert not found, "\n".join([reader, *found[:40]])


def check_that_all_is_told(world: HiddenWorld, text: str) -> None:
    """Else nothing would leak because nothing is there."""
    for secret in (MARK, "positions", "forces", "no minimum", "last words", "beside it"):
        assert secret in text
    shown = [e for e in world.evaluations if e in asked_about(world)]
    assert all(str(e.score) in text for e in shown if e.score is not None)
    assert all(str(e.n_failed) in text for e in shown)
    record = world.ended.systems.first()
    assert record is not None
    assert all(str(value) in text for value in record.reference.values())


def asked_about(world: HiddenWorld) -> list[models.Evaluation]:
    """One of each protocol, a private one, and those that did not end well."""
    private = next(e for e in world.evaluations if e.submission == world.submissions[2])
    ended = [next(e for e in world.evaluations if e.task_version == v) for v in world.hidden]
    return [*ended, private, world.failed, world.running, world.retried]


@pytest.mark.slow
def test_a_set_that_is_opened_opens_its_old_evaluations(world: HiddenWorld) -> None:
    page, api = Client(), APIClient()
    address = world.ended.get_absolute_url()
    own = client_of(factories.user("alice"))
    logs = reverse("api:evaluation-logs", args=[world.ended.pk])
    board = reverse("api:task-leaderboard", args=[world.hidden[0].task.slug])
    assert own.get(logs).status_code == 403
    assert str(world.ended.score) not in api.get(board).content.decode()

    open_the_sets(world)

    assert MARK in page.get(address).content.decode()
    assert own.get(logs).json()["stdout"] == f"{MARK} positions"
    assert APIClient().get(logs).status_code == 401
    assert str(world.ended.score) in api.get(board).content.decode()
    assert f"{MARK} [[0.0" in page.get(world.failed.get_absolute_url()).content.decode()


def test_letters_and_deliveries_tell_no_more(world: HiddenWorld) -> None:
    bodies = [str(row.body) for row in models.WebhookDelivery.objects.all()]
    assert bodies, "nothing could leak"
    letters = [letter.body + letter.subject for letter in mail.outbox]
    assert not [leak for text in (*bodies, *letters) for leak in world.planted.leaks_of(text)]


@pytest.mark.slow
def test_answers_with_private_things_are_kept_by_no_proxy(world: HiddenWorld) -> None:
    own, page = client_of(factories.user("alice")), Client()
    open_the_sets(world)
    page.force_login(factories.user("alice"))
    secret = [
        own.get(reverse("api:evaluation-logs", args=[world.ended.pk])),
        page.get(world.ended.get_absolute_url()),
        page.get(world.submissions[0].get_absolute_url()),
    ]
    for response in secret:
        assert {"private", "no-store"} <= set(response["Cache-Control"].split(", "))
    private = [
        own.get(reverse("api:evaluation", args=[world.ended.pk])),
        own.get(reverse("api:submissions")),
        page.get("/submissions/"),
        page.get("/account/"),
        page.get(world.submissions[2].potential.get_absolute_url()),
    ]
    assert all("private" in response["Cache-Control"] for response in private)
    assert "Cache-Control" not in Client().get("/tasks/").headers


# --- what is told of each field


def test_every_field_of_an_evaluation_is_decided() -> None:
    for model, rules in (
        (models.Evaluation, disclosure.EVALUATION_FIELDS),
        (models.Score, disclosure.SCORE_FIELDS),
        (models.Event, disclosure.EVENT_FIELDS),
    ):
        fields = {field.attname for field in model._meta.concrete_fields}
        assert fields == set(rules), (
            f"Decide in models/disclosure.py what everybody may know of {model.__name__}."
        )


def test_every_model_that_hangs_on_an_evaluation_is_decided() -> None:
    hanging = {
        relation.related_model.__name__
        for relation in models.Evaluation._meta.related_objects
        if relation.related_model is not models.Evaluation
    }
    told = {"Score", "Event"}
    # Who pays is no part of what was found.
    assert hanging == told | disclosure.WITHHELD_ROWS | {"Charge"}


def test_a_copy_for_readers_cannot_be_saved(world: HiddenWorld) -> None:
    seen = disclosure.seen_by(None, world.ended)
    with pytest.raises(TypeError, match="save the row itself"):
        seen.save()
    assert (seen.stdout, seen.summary, seen.n_failed) == ("", {}, None)
    assert (seen.systems.all(), seen.files.all(), seen.scores.all()) == ([], [], [])
    world.ended.refresh_from_db()
    assert world.ended.stdout


def test_what_was_not_read_is_not_read_through_a_copy(world: HiddenWorld) -> None:
    row = models.Evaluation.objects.defer("stdout", "summary", "provenance", "message")
    seen = disclosure.seen_by(None, row.get(pk=world.failed.pk))
    assert (seen.stdout, seen.summary, seen.provenance, seen.message) == ("", {}, {}, "")


def test_every_field_of_the_api_is_decided() -> None:
    """The list is decided_fields.py; a field that is new is looked for in vain there."""
    patterns()  # whose views bring all serializers along
    serializers = {
        kind.__name__: kind
        for kind in _below(Record)
        if kind.__module__.startswith("leaderboard.") and kind.__module__ not in NOT_OF_EVALUATIONS
    }
    found = {name: set(kind().fields) for name, kind in serializers.items()}
    decided = {name: set(words.split()) for name, words in FIELDS.items()}
    for name in sorted(found.keys() | decided.keys()):
        assert found.get(name, set()) == decided.get(name, set()), (
            f"{name}: decide what a new field tells of a hidden set, make sure that "
            "tests/leaderboard/hidden_world.py plants a secret in it, and write it into "
            "tests/leaderboard/decided_fields.py."
        )


def _below(kind: type[Any]) -> Iterator[type[Any]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _below(inner)
