"""What pages show, to whom, and that nothing hostile gets through."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evaluator.catalog.verdicts import VERDICTS
from evaluator.contract import Verdict
from leaderboard import models
from leaderboard.enums import VersionState
from leaderboard.services.evaluations import operations
from tests.leaderboard import factories
from tests.leaderboard.gallery import EOS_METRICS, build_site

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"
BACKWARDS = "\u202egnp.exe"


def text_of(response: Any) -> str:
    """The page's words, without tags."""
    content: str = response.content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content))


def test_a_young_site_greets_instead_of_failing(client: Client) -> None:
    assert "No benchmark has been published yet" in text_of(client.get("/"))
    for address in ("/tasks/", "/potentials/", "/queue/"):
        assert client.get(address).status_code == 200


def test_the_board_shows_ranks_states_marks_and_links(client: Client) -> None:
    site = build_site()
    response = client.get("/")
    rows = response.context["lines"]
    assert [(row.entrant.title, row.rank) for row in rows] == [
        ("CHGNet 0.3.0", 1),
        ("CHGNet 0.2.0", 2),
        ("CHGNet r2SCAN 1.0", 3),
        ("M3GNet 2021.2.8", 4),
        ("Mean energy, no force 1", 5),
        ("EMT 1", None),
        ("MACE small demo", None),
        ("TensorNet 2025.1", None),
    ]
    shown = text_of(response)
    for words in ("queued", "simulating 31/71", "load error", "11 % covered", "baseline"):
        assert words in shown
    assert "cannot be told apart from the row above" in shown
    for evaluation in models.Evaluation.objects.all():
        assert evaluation.get_absolute_url() in response.content.decode()
    assert f"/api/v1/leaderboards/{site.benchmark.benchmark.slug}/?version=1&amp;format=csv" in (
        response.content.decode()
    )


def test_the_readers_weights_stand_in_the_address_and_bad_ones_are_explained(
    client: Client,
) -> None:
    build_site()
    response = client.get("/", {"weight.Forces": "0"})
    ranks = {line.entrant.title: line.rank for line in response.context["lines"]}
    assert ranks["MACE small demo"] == 5  # its missing task does not count any more
    refused = client.get("/", {"weight.Forces": "a lot"})
    assert refused.status_code == 400
    assert "must be a number from 0 to 1000" in text_of(refused)
    assert len(refused.context["lines"]) == 8


@pytest.mark.parametrize(
    "address",
    [
        "/tasks/nothing/",
        "/tasks/No%00thing/",
        "/benchmarks/nothing/1/",
        "/potentials/nothing/",
        "/submissions/7d1cfd8a-31ba-4a61-8f35-53a5ea9d5e1b/",
        "/submissions/7d1cfd8a-31ba-4a61-8f35-53a5ea9d5e1b/progress/",
        "/evaluations/7d1cfd8a-31ba-4a61-8f35-53a5ea9d5e1b/",
        "/evaluations/1/",
    ],
)
def test_unknown_things_are_not_found(client: Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 404
    assert "There is nothing at this address" in text_of(response)


@pytest.mark.slow
def test_private_and_withdrawn_submissions_are_seen_by_their_owner_alone(client: Client) -> None:
    task = factories.task_version(metrics=EOS_METRICS)
    alice, bob = factories.user("alice"), factories.user("bob")
    secret = factories.submission(
        factories.potential(alice, slug="secret", name="SecretName"), visibility="private"
    )
    gone = factories.submission(
        factories.potential(alice, slug="gone", name="GoneName"), withdrawn_at=timezone.now()
    )
    benchmark = factories.benchmark_version((task, "bulk"))
    hidden = []
    for submission in (secret, gone):
        evaluation = factories.evaluation(submission, task, score=0.5)
        hidden += [
            submission.get_absolute_url(),
            f"{submission.get_absolute_url()}progress/",
            evaluation.get_absolute_url(),
            submission.potential.get_absolute_url(),
        ]
    queued = factories.evaluation(secret, factories.task_version())
    lists = ["/", "/tasks/", task.task.get_absolute_url(), "/potentials/", "/queue/"]

    for stranger in (None, bob):
        client.logout()
        if stranger:
            client.force_login(stranger)
        for address in hidden:
            assert client.get(address).status_code == 404, address
        for address in lists:
            page = client.get(address).content.decode()
            assert "SecretName" not in page, address
            assert "GoneName" not in page, address
            assert str(queued.pk) not in page, address
        assert client.post(f"{secret.get_absolute_url()}withdraw/").status_code in {302, 404}
    secret.refresh_from_db()
    assert secret.withdrawn_at is None

    client.force_login(alice)
    assert {client.get(address).status_code for address in hidden} == {200}
    board = client.get("/").content.decode()
    assert "SecretName" in board
    assert "GoneName" not in board
    assert benchmark.benchmark.name in board


def test_an_owner_withdraws_his_submission(client: Client) -> None:
    submission = factories.submission()
    client.force_login(submission.potential.owner)
    response = client.post(f"{submission.get_absolute_url()}withdraw/", follow=True)
    assert "is withdrawn" in text_of(response)
    submission.refresh_from_db()
    assert submission.withdrawn_at is not None


@pytest.mark.slow
def test_hostile_names_are_escaped_everywhere(client: Client) -> None:
    task = factories.task_version(metrics=EOS_METRICS)
    factories.benchmark_version((task, "bulk"))
    potential = factories.potential(
        slug="bad",
        name=f"{SCRIPT}{BACKWARDS}",
        architecture=SCRIPT,
        licence=SCRIPT,
        level_of_theory=SCRIPT,
        training_sets=[SCRIPT],
        authors=SCRIPT,
        description=SCRIPT * 200,
    )
    submission = factories.submission(potential, version="9" * 64, artifact_filename=f"{SCRIPT}.pt")
    evaluation = factories.evaluation(
        submission, task, score=0.5, stderr=SCRIPT, provenance={SCRIPT: {SCRIPT: SCRIPT}}
    )
    models.SystemResult.objects.create(
        evaluation=evaluation,
        position=0,
        system_id=SCRIPT,
        status="ok",
        values={"bulk_modulus_GPa": 3.0, "element": SCRIPT},
        reference={"bulk_modulus_GPa": 4.0},
    )
    client.force_login(potential.owner)
    for address in (
        "/",
        task.task.get_absolute_url(),
        "/potentials/",
        "/potentials/bad/",
        submission.get_absolute_url(),
        evaluation.get_absolute_url(),
        "/account/",
    ):
        page = client.get(address).content.decode()
        assert SCRIPT not in page, address
        assert "alert(1)" in page, address
    assert "<bdi>&lt;script&gt;alert(1)" in client.get("/").content.decode()


def test_logs_are_shown_to_the_owner_alone(client: Client) -> None:
    evaluation = factories.evaluation(
        state="failed", verdict="load_error", message="It did not load.", stderr="SECRET LOG"
    )
    address = evaluation.get_absolute_url()
    assert "SECRET LOG" not in text_of(client.get(address))
    client.force_login(factories.user("bob"))
    assert "SECRET LOG" not in text_of(client.get(address))
    client.force_login(evaluation.submission.potential.owner)
    assert "SECRET LOG" in text_of(client.get(address))


@pytest.mark.slow
def test_hidden_reference_values_are_on_no_page(client: Client) -> None:
    site = build_site()
    evaluation = site.eos.evaluations.filter(state="succeeded").first()
    assert evaluation is not None
    value = evaluation.systems.get(position=40).reference["bulk_modulus_GPa"]
    address, words = evaluation.get_absolute_url(), f"{value:.2f}"
    task = client.get("/tasks/eos-wien2k/")
    assert words in text_of(client.get(address))  # it could leak
    assert task.context["chart"] is not None

    models.ReferenceSet.objects.filter(pk=site.eos.reference_set_id).update(is_public=False)

    assert words not in text_of(client.get(address))
    hidden = client.get("/tasks/eos-wien2k/")
    assert hidden.context["chart"] is None
    assert str(value) not in hidden.content.decode()


def test_drafts_are_seen_by_the_staff_alone(client: Client) -> None:
    draft = factories.task_version(state=VersionState.DRAFT, metrics=EOS_METRICS)
    address = f"/tasks/{draft.task.slug}/1/"
    assert client.get(address).status_code == 404
    assert client.get(draft.task.get_absolute_url()).status_code == 404
    client.force_login(factories.charlie())
    assert client.get(address).status_code == 200


def test_progress_answers_304_while_nothing_has_changed(client: Client) -> None:
    evaluation = factories.evaluation()
    address = f"{evaluation.submission.get_absolute_url()}progress/"
    first = client.get(address)
    assert "place 1 in the queue" in text_of(first)
    assert b"data-ended" not in first.content
    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    now = timezone.now()
    models.Evaluation.objects.update(
        state="failed", verdict="wall_timeout", message="No time left.", finished_at=now
    )
    changed = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert "No time left." in text_of(changed)
    assert VERDICTS["wall_timeout"].what_to_do in text_of(changed)
    assert b"data-ended" in changed.content


def test_an_unfinished_submission_reloads_itself_without_scripts(client: Client) -> None:
    evaluation = factories.evaluation()
    page = client.get(evaluation.submission.get_absolute_url()).content.decode()
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in page
    assert re.findall(r"<script(?! src=)", page) == []


def test_every_verdict_is_explained(client: Client) -> None:
    assert set(VERDICTS) == {verdict.value for verdict in Verdict}
    page = client.get("/docs/verdicts/")
    for name in Verdict:
        assert f'id="{name}"' in page.content.decode()
        assert VERDICTS[name].what_to_do in text_of(page).replace("&#x27;", "'")


def test_a_private_version_is_published_on_its_page_once(client: Client) -> None:
    submission = factories.submission(visibility="private", published_at=None)
    address = submission.get_absolute_url()
    client.force_login(submission.potential.owner)
    assert f'action="{address}publish/"' in client.get(address).content.decode()
    page = client.post(f"{address}publish/", follow=True).content.decode()
    assert "is public: everybody sees it" in page
    assert f'action="{address}publish/"' not in page
    submission.refresh_from_db()
    assert (submission.visibility, submission.published_at is not None) == ("public", True)


def test_an_owner_stops_an_evaluation_and_asks_for_it_again_on_its_page(client: Client) -> None:
    evaluation = factories.evaluation()
    address = evaluation.get_absolute_url()
    cancel, repeat = f'action="{address}cancel/"', f'action="{address}reevaluate/"'
    page = client.get(address).content.decode()
    assert cancel not in page
    assert repeat not in page

    client.force_login(evaluation.submission.potential.owner)
    page = client.get(address).content.decode()
    assert cancel in page
    assert repeat not in page
    page = client.post(f"{address}cancel/", follow=True).content.decode()
    assert "It is stopped." in page
    assert cancel not in page
    assert repeat in page
    again = client.post(f"{address}cancel/", follow=True).content.decode()
    assert "It has ended already: cancelled." in again.lower().replace("it has", "It has")

    page = client.post(f"{address}reevaluate/", {"reason": " "}, follow=True).content.decode()
    assert "Say in 1 to 300 characters why it is repeated." in page
    done = client.post(f"{address}reevaluate/", {"reason": "a pause"}, follow=True)
    new = evaluation.submission.evaluations.get(is_current=True)
    assert done.redirect_chain[-1][0] == new.get_absolute_url()
    assert "Repeated because: a pause" in text_of(done)
    assert repeat not in client.get(address).content.decode()


def test_a_reason_that_no_database_holds_is_kept_without_it(client: Client) -> None:
    old = factories.evaluation()
    client.force_login(old.submission.potential.owner)
    address = f"{old.get_absolute_url()}reevaluate/"
    client.post(f"{old.get_absolute_url()}cancel/")
    assert client.post(address, {"reason": "a\0pause"}).status_code == 302
    assert (
        old.submission.evaluations.get(is_current=True).reason == "a\N{REPLACEMENT CHARACTER}pause"
    )


def test_pages_count_stops_and_repeats_as_requests_count(client: Client, settings: Any) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "submit": "2/hour"}
    old = factories.evaluation()
    client.force_login(old.submission.potential.owner)
    address = old.get_absolute_url()
    assert client.post(f"{address}cancel/").status_code == 302
    again = client.post(f"{address}reevaluate/", {"reason": "a pause"})
    refused = [
        client.post(f"{again['Location']}cancel/"),
        client.post(f"{again['Location']}reevaluate/", {"reason": "a pause"}),
    ]
    assert [response.status_code for response in refused] == [429, 429]
    assert old.submission.evaluations.get(is_current=True).state == "queued"


def test_the_log_is_advised_to_who_may_read_one_that_says_something(client: Client) -> None:
    failed = {"state": "failed", "verdict": "load_error", "message": "No module named x."}
    told = {}
    for text in ("", "Traceback"):
        evaluation = factories.evaluation(**failed, stderr=text)
        for reader in (None, evaluation.submission.potential.owner):
            client.logout()
            if reader is not None:
                client.force_login(reader)
            page = text_of(client.get(evaluation.get_absolute_url()))
            assert VERDICTS["load_error"].what_to_do in page
            told[text, reader is not None] = VERDICTS["load_error"].in_the_log in page
    assert told == {
        ("", False): False,
        ("", True): False,
        ("Traceback", False): False,
        ("Traceback", True): True,
    }


def test_systems_are_sorted_by_link_with_missing_values_last(client: Client) -> None:
    site = build_site()
    evaluation = site.submissions["chgnet-r2scan:1.0"].evaluations.get(task_version=site.eos)

    def first_and_last(sort: str) -> list[Any]:
        lines = client.get(evaluation.get_absolute_url(), {"sort": sort}).context["lines"]
        return [lines[0].system.values.get("delta_meV"), lines[-1].system.status]

    low, status = first_and_last("delta_meV")
    high, _ = first_and_last("-delta_meV")
    assert low < high
    assert status == "failed"
    assert first_and_last("nonsense")[1] == "ok"


def test_tokens_are_shown_once_and_revoked(client: Client) -> None:
    assert client.get("/account/").status_code == 302
    alice = factories.user("alice")
    client.force_login(alice)
    made = client.post("/account/tokens/", {"name": "laptop"})
    token = re.search(r"tst_[\w-]{20,}", made.content.decode())
    assert made.status_code == 201
    assert token is not None
    assert token.group() not in client.get("/account/").content.decode()
    assert client.post("/account/tokens/", {"name": " "}).status_code == 400

    row = models.ApiToken.objects.get()
    client.force_login(factories.user("bob"))
    assert client.post(f"/account/tokens/{row.pk}/revoke/").status_code == 404
    client.force_login(alice)
    client.post(f"/account/tokens/{row.pk}/revoke/")
    row.refresh_from_db()
    assert row.revoked_at is not None


def test_signing_in_and_out(client: Client) -> None:
    factories.user("alice")
    assert "Sign in" in text_of(client.get("/login/"))
    wrong = client.post("/login/", {"login": "alice", "password": "wrong"})
    assert "password you specified are not correct" in text_of(wrong)
    right = {"login": "alice", "password": "a good password", "next": "/account/"}
    assert client.post("/login/", right)["Location"] == "/account/"
    assert client.post("/logout/").status_code == 302
    elsewhere = {**right, "next": "https://evil.example/"}
    assert client.post("/login/", elsewhere)["Location"] == "/"


def test_the_queue_counts_what_is_private_without_naming_it(client: Client) -> None:
    private = factories.submission(factories.potential(name="Hush"), visibility="private")
    factories.evaluation(private)
    factories.evaluation()
    response = client.get("/queue/")
    assert response.context["depth"] == 2
    assert len(response.context["next_up"]) == 1
    assert "no worker is online" in text_of(response)
    factories.worker()
    assert "no worker is online" not in text_of(client.get("/queue/"))


def test_the_queue_shows_a_free_worker_that_does_not_hear_of_work(client: Client) -> None:
    long_ago = timezone.now() - timedelta(minutes=5)
    factories.worker(free_since=long_ago)
    factories.evaluation()
    assert "does not hear of" not in text_of(client.get("/queue/"))
    models.Evaluation.objects.update(queued_at=long_ago)

    page = text_of(client.get("/queue/"))
    assert "1 worker online, 1 of them deaf" in page
    assert "Work has waited for more than 40 s for a worker with nothing to do" in page
    assert "does not hear of work" in page
    assert client.get("/api/v1/queue/").json() == {
        "n_queued": 1,
        "n_held": 0,
        "n_running": 0,
        "oldest_at": long_ago.isoformat().replace("+00:00", "Z"),
        "n_workers": 1,
        "n_deaf": 1,
    }
    assert [state.is_deaf for state in operations.overview().workers] == [True]


def test_the_account_tells_in_a_few_words_how_submissions_went(client: Client) -> None:
    alice = factories.user("alice")
    submission = factories.submission(factories.potential(alice))
    for fields in (
        {"score": 0.5},
        {"score": 0.6},
        {"state": "failed", "verdict": "load_error"},
        {},
    ):
        factories.evaluation(submission, factories.task_version(), **fields)
    client.force_login(alice)
    page = client.get("/account/").content.decode()
    words = "2 ended well, 1 ended without a score, 1 to go"
    assert f'<a href="{submission.get_absolute_url()}">{words}</a>' in page


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 3])
def test_pages_take_a_constant_number_of_queries(client: Client, n: int) -> None:
    tasks = [factories.task_version(metrics=EOS_METRICS) for _ in range(n)]
    factories.benchmark_version(*((task, "bulk") for task in tasks))
    potential = factories.potential(slug="many")
    for _ in range(n):
        submission = factories.submission(potential)
        for task in tasks:
            factories.evaluation(submission, task, score=0.5, replicates=[0.4, 0.6])
    evaluation = models.Evaluation.objects.all()[0]

    task = evaluation.task_version.task.get_absolute_url()

    def queries(address: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code == 200
        return len(captured)

    assert {
        "board, which nobody has computed": queries("/"),
        "board": queries("/"),
        "tasks": queries("/tasks/"),
        "task, whose board nobody has computed": queries(task),
        "task": queries(task),
        "potentials": queries("/potentials/"),
        "potential": queries("/potentials/many/"),
        "submission": queries(evaluation.submission.get_absolute_url()),
        "progress": queries(f"{evaluation.submission.get_absolute_url()}progress/"),
        "evaluation": queries(evaluation.get_absolute_url()),
        "queue": queries("/queue/"),
    } == {
        "board, which nobody has computed": 19,
        "board": 4,
        "tasks": 3,
        "task, whose board nobody has computed": 17,
        "task": 5,
        "potentials": 1,
        "potential": 10,  # one of them for the history
        "submission": 2,
        "progress": 2,
        "evaluation": 4,  # the queue is not read for what has ended
        "queue": 12,
    }


@pytest.mark.slow
def test_links_into_the_api_lead_somewhere(client: Client) -> None:
    site = build_site()
    evaluation = site.eos.evaluations.filter(state="succeeded")[0]
    found: set[str] = set()
    for address in ("/", "/?weight.Forces=2", "/tasks/eos-wien2k/", evaluation.get_absolute_url()):
        page = client.get(address).content.decode()
        found.update(re.findall(r'href="(/api/[^"]*)"', page))
    assert len(found) == 14
    for address in found:
        assert client.get(address.replace("&amp;", "&")).status_code == 200, address
