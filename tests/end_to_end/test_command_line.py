"""The command line as its users run it: processes of their own against a server that listens."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from evaluator.cli.exit_codes import ExitCode
from leaderboard import models
from tests.end_to_end.conftest import Touchstone, token_of
from tests.leaderboard import factories
from tests.leaderboard.api.world import make_world

pytestmark = [pytest.mark.django_db(transaction=True)]

EMT = '{"calculator": "emt"}'


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "emt.json"
    path.write_text(EMT)
    return path


def submit(artifact: Path, *more: str) -> tuple[str, ...]:
    return ("submit", str(artifact), "--kind", "ase", "--potential", "my-emt", *more)


def test_login_keeps_the_token_for_oneself_and_logout_revokes_it(
    touchstone: Touchstone, tmp_path: Path, live_server: Any
) -> None:
    token = token_of("alice")

    done = touchstone("login", "--url", live_server.url, "--token-stdin", stdin=token + "\n")

    assert done.returncode == ExitCode.OK, done.stderr
    assert "as alice" in done.stdout
    assert token not in done.stdout + done.stderr
    config = tmp_path / "config" / "config.toml"
    assert config.stat().st_mode & 0o777 == 0o600
    assert touchstone("whoami", url="").stdout.startswith(f"alice at {live_server.url}")

    assert touchstone("logout", url="").returncode == ExitCode.OK
    assert token not in config.read_text()
    assert models.ApiToken.objects.valid().count() == 0
    done = touchstone("whoami", url="")
    assert done.returncode == ExitCode.NOT_ALLOWED
    assert "touchstone login" in done.stderr


def test_a_stored_token_goes_to_no_other_service(touchstone: Touchstone, live_server: Any) -> None:
    token = token_of("alice")
    touchstone("login", "--url", live_server.url, "--token-stdin", stdin=token + "\n")
    other = live_server.url.replace("localhost", "127.0.0.1")

    done = touchstone("whoami", "--url", other)

    assert done.returncode == ExitCode.NOT_ALLOWED
    assert f"you are not signed in to {other}" in done.stderr


def test_a_wrong_or_expired_token_is_told_in_the_services_words(touchstone: Touchstone) -> None:
    done = touchstone("whoami", token="tst_wrong")
    assert done.returncode == ExitCode.NOT_ALLOWED
    assert "Sign in again: touchstone login" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_service_that_is_away_is_one_line(touchstone: Touchstone) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        done = touchstone("leaderboard", "core", url=url)
    assert done.returncode == ExitCode.UNREACHABLE
    assert done.stderr.startswith(f"touchstone: {url} cannot be reached: ")
    assert done.stderr.count("\n") == 1


def test_submit_registers_the_potential_and_the_same_again_changes_nothing(
    touchstone: Touchstone, artifact: Path
) -> None:
    token = token_of("alice")
    factories.benchmark_version((factories.task_version(), "Mechanics"))
    command = submit(artifact, "--version", "1.0", "--name", "My EMT", "--private")

    first = touchstone(*command, "--json", token=token)

    assert first.returncode == ExitCode.OK, first.stderr
    answer = json.loads(first.stdout)
    assert (answer["potential"]["slug"], answer["version"]) == ("my-emt", "1.0")
    assert answer["visibility"] == "private"
    assert "Registered the potential my-emt." in first.stderr

    again = touchstone(*command, token=token)

    assert again.returncode == ExitCode.OK, again.stderr
    assert "This file is version 1.0 already; nothing new was submitted" in again.stderr
    assert answer["id"] in again.stdout
    assert models.Submission.objects.count() == 1
    listed = touchstone("status", token=token)
    assert listed.stdout.startswith(answer["id"][:8])
    status = touchstone("status", answer["id"], token=token)
    assert status.returncode == ExitCode.UNFINISHED
    assert "queued" in status.stdout
    queued = touchstone("status", answer["evaluations"][0]["id"], token=token)
    assert "place 1 in the queue" in queued.stdout

    assert touchstone("publish", answer["id"], token=token).returncode == ExitCode.OK
    assert models.Submission.objects.get().visibility == "public"


def test_a_card_says_all_of_a_submission(
    touchstone: Touchstone, artifact: Path, tmp_path: Path
) -> None:
    card = tmp_path / "card.toml"
    card.write_text(
        'slug = "carded"\nname = "Carded"\nlevel_of_theory = "PBE"\ntraining_sets = ["MPtrj"]\n'
        '[submission]\nversion = "2"\ncalculator_kind = "ase"\nsupported_elements = ["Cu"]\n'
    )
    done = touchstone(
        "submit", str(artifact), "--card", str(card), "--json", token=token_of("alice")
    )
    assert done.returncode == ExitCode.OK, done.stderr
    (submission,) = models.Submission.objects.all()
    assert (submission.potential.slug, submission.version) == ("carded", "2")
    assert submission.potential.training_sets == ["MPtrj"]
    assert submission.supported_elements == ["Cu"]


@pytest.mark.parametrize(
    ("more", "code", "complaint"),
    [
        (("--name", "E"), ExitCode.USAGE, "which version is it?"),
        (("--version", "1"), ExitCode.REFUSED, "There is no potential 'my-emt' that you may see"),
        (("--version", "1", "--elements", "Xx"), ExitCode.USAGE, "must be chemical symbols"),
        (("--version", "1", "--setting", "x=1"), ExitCode.USAGE, "x is unknown"),
        (("--version", "1", "--card", "no.toml"), ExitCode.USAGE, "card no.toml cannot be read"),
        (("--version", "no good", "--name", "E"), ExitCode.REFUSED, "ersion"),
    ],
)
def test_a_mistake_is_one_line_and_submits_nothing(
    more: tuple[str, ...], code: ExitCode, complaint: str, touchstone: Touchstone, artifact: Path
) -> None:
    done = touchstone(*submit(artifact, *more), token=token_of("alice"))
    assert (done.returncode, done.stdout) == (code, "")
    assert complaint in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert models.Submission.objects.count() == 0
    assert models.Potential.objects.count() == 0


def test_all_that_is_wrong_or_missing_is_told_at_once_and_nothing_is_registered(
    touchstone: Touchstone, artifact: Path, tmp_path: Path
) -> None:
    token = token_of("alice")
    unclear = tmp_path / "unclear.json"
    unclear.write_text('{"potential": "emt"}')
    nothing_said = touchstone("submit", str(unclear), "--elements", "Xx", token=token)
    assert nothing_said.returncode == ExitCode.USAGE
    for words in ("Say --kind", "--potential: which", "--version: which", "Xx: no such chemical"):
        assert words in nothing_said.stderr

    wrong = (
        *("--version", "1", "--task", "nowhere", "--benchmark", "nowhere"),
        *("--paper-url", "no address", "--team", "unknown"),
    )
    refused = touchstone(*submit(artifact, *wrong), token=token)
    assert refused.returncode == ExitCode.REFUSED
    for words in ("--task: ", "--benchmark: There is no", "--paper-url: ", "--name: There is no"):
        assert words in refused.stderr

    (tmp_path / "emt.exe").write_text(EMT)
    ending = touchstone(*submit(tmp_path / "emt.exe", "--version", "1", "--name", "E"), token=token)
    assert ending.returncode == ExitCode.REFUSED
    assert ending.stderr.startswith("touchstone: emt.exe must end in .json: ")
    assert ending.stderr.count("\n") == 1
    assert not models.Potential.objects.exists()
    assert not models.Artifact.objects.exists()


def test_nothing_that_is_asked_of_a_known_file_is_dropped(
    touchstone: Touchstone, artifact: Path
) -> None:
    token = token_of("alice")
    task = factories.task_version().task.slug
    first = ("--version", "1.0", "--name", "My EMT", "--licence", "MIT")
    assert touchstone(*submit(artifact, *first), token=token).returncode == ExitCode.OK
    for more, words in (
        (("--version", "2.0", "--task", task, "--private"), "--version: This file is version 1.0"),
        (("--version", "1.0", "--private"), "--private: Version 1.0"),
        (
            ("--version", "1.0", "--licence", "GPL"),
            "To change the card: touchstone potential edit my-emt --licence GPL",
        ),
    ):
        done = touchstone(*submit(artifact, *more), token=token)
        assert done.returncode == ExitCode.REFUSED
        assert words in done.stderr
    assert models.Submission.objects.get().visibility == "public"
    assert not models.Evaluation.objects.exists()

    further = touchstone(*submit(artifact, "--version", "1.0", "--task", task), token=token)
    assert f"This file is version 1.0 already; queued for it: {task}" in further.stderr

    smoke = models.Task.objects.create(slug="smoke", name="Smoke", summary="Does it load?")
    on_smoke = factories.task_version(smoke)
    failed = {"state": "failed", "verdict": "load_error"}
    factories.evaluation(models.Submission.objects.get(), on_smoke, **failed)
    more = ("--version", "1.0", "--task", factories.task_version().task.slug)
    held_back = touchstone(*submit(artifact, *more), token=token)
    assert held_back.returncode == ExitCode.REFUSED
    assert "--task: " in held_back.stderr
    assert "not queued, since the smoke evaluation" in held_back.stderr

    # The command that was printed does what it says.
    edit = touchstone("potential", "edit", "my-emt", "--licence", "GPL", token=token)
    assert edit.stdout == "licence: MIT -> GPL\n", edit.stderr
    again = submit(artifact, "--version", "1.0", "--licence", "GPL")
    assert touchstone(*again, token=token).returncode == ExitCode.OK


def test_a_potential_is_shown_changed_and_removed(touchstone: Touchstone, tmp_path: Path) -> None:
    token = token_of("alice")
    factories.potential(factories.user("alice"), slug="p", name="P", licence="MIT")
    card = tmp_path / "card.toml"
    card.write_text('slug = "p"\nlicence = ""\nn_parameters = 7\n[submission]\nversion = "1"\n')

    edited = touchstone("potential", "edit", "p", "--card", str(card), token=token)
    assert edited.stdout == "n parameters: (empty) -> 7\nlicence: MIT -> (empty)\n", edited.stderr
    again = touchstone("potential", "edit", "p", "--card", str(card), token=token)
    assert "nothing was changed" in again.stdout
    for arguments, code, words in (
        (("edit", "p"), ExitCode.USAGE, "say what is to change"),
        (("edit", "q", "--card", str(card)), ExitCode.USAGE, "the card is that of 'p'"),
        (("edit", "p", "--paper-url", "x"), ExitCode.REFUSED, "--paper-url: "),
        (("delete", "p"), ExitCode.USAGE, "say --yes"),
        (("delete", "nowhere", "--yes"), ExitCode.NOT_FOUND, "no potential 'nowhere': there are p"),
        (("show", "pp"), ExitCode.NOT_FOUND, "did you mean p?"),
    ):
        done = touchstone("potential", *arguments, token=token)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert "licence          (empty)" in touchstone("potential", "show", "p", token=token).stdout

    removed = touchstone("potential", "delete", "p", "--yes", token=token)
    assert removed.returncode == ExitCode.OK, removed.stderr
    assert not models.Potential.objects.exists()


def test_a_file_whose_kind_is_not_told_by_its_name_is_asked_about(
    touchstone: Touchstone, artifact: Path
) -> None:
    artifact.write_text('{"potential": "emt"}')
    done = touchstone("submit", str(artifact), "--potential", "p", "--version", "1", token="t")
    assert done.returncode == ExitCode.USAGE
    assert "Say --kind with one of xtb, ase, dummy" in done.stderr


def test_a_stranger_reads_the_board_and_nothing_private(touchstone: Touchstone) -> None:
    world = make_world()
    slug = world.benchmark.benchmark.slug

    board = touchstone("leaderboard", slug)
    task = touchstone("leaderboard", "--task", world.task.task.slug)

    assert (board.returncode, task.returncode) == (ExitCode.OK, ExitCode.OK), board.stderr
    assert "open potential open-1" in board.stdout
    assert "open potential open-1" in task.stdout
    assert "secret" not in board.stdout + task.stdout

    private = touchstone("status", str(world.private.submission.pk), token=token_of("bob"))
    assert private.returncode == ExitCode.NOT_FOUND
    assert "secret" not in private.stdout + private.stderr
    logs = touchstone("logs", str(world.public.ended.pk), token=token_of("bob"))
    assert logs.returncode == ExitCode.NOT_ALLOWED
    assert logs.stdout == ""


def test_the_owner_reads_status_and_logs_and_cancels(touchstone: Touchstone) -> None:
    world = make_world()
    token = token_of("alice")
    ended, queued = world.private.ended, world.private.queued

    status = touchstone("status", str(ended.pk), token=token)
    assert status.returncode == ExitCode.OK
    assert "secret potential secret-1 on" in status.stdout

    logs = touchstone("logs", "-f", str(ended.pk), token=token)
    assert "secret out" in logs.stdout
    assert "secret err" in logs.stderr

    assert touchstone("cancel", str(queued.pk), token=token).returncode == ExitCode.OK
    queued.refresh_from_db()
    assert queued.state == "cancelled"
    again = touchstone("cancel", str(queued.pk), token=token)
    assert again.returncode == ExitCode.REFUSED
    assert touchstone("status", str(queued.pk), token=token).returncode == ExitCode.CANCELLED
    assert touchstone("status", "nonsense", token=token).returncode == ExitCode.USAGE


def test_what_has_ended_is_evaluated_again_and_a_version_is_withdrawn(
    touchstone: Touchstone,
) -> None:
    token = token_of("alice")
    submission = factories.submission(factories.potential(factories.user("alice")))
    failed = {"state": "failed", "verdict": "load_error"}
    old, other = (factories.evaluation(submission, **failed) for _ in range(2))
    task = old.task_version.task.slug
    reason = ("--reason", "a worker without the package")

    unclear = touchstone("reevaluate", str(submission.pk), *reason, token=token)
    assert unclear.returncode == ExitCode.USAGE
    assert "say which with --task or its id" in unclear.stderr
    for evaluation in (old, other):
        assert str(evaluation.pk)[:8] in unclear.stderr
    nowhere = touchstone("reevaluate", str(submission.pk), "--task", "x", *reason, token=token)
    assert "none of them is on x" in nowhere.stderr
    assert touchstone("reevaluate", str(old.pk), token=token).returncode == ExitCode.USAGE

    done = touchstone("reevaluate", str(submission.pk), "--task", task, *reason, token=token)
    assert done.returncode == ExitCode.OK, done.stderr
    new = submission.evaluations.get(is_current=True, task_version=old.task_version)
    assert (new.supersedes, new.reason) == (old, "a worker without the package")
    assert f"touchstone status {str(new.pk)[:8]} --watch" in done.stdout
    refused = touchstone("reevaluate", str(old.pk), *reason, token=token)
    assert refused.returncode == ExitCode.REFUSED
    assert "repeat the newer one" in refused.stderr

    unasked = touchstone("withdraw", str(submission.pk), token=token)
    assert unasked.returncode == ExitCode.USAGE
    assert "say --yes" in unasked.stderr
    gone = touchstone("withdraw", str(submission.pk), "--yes", token=token)
    assert gone.returncode == ExitCode.OK, gone.stderr
    submission.refresh_from_db()
    assert submission.withdrawn_at is not None
    again = touchstone("withdraw", str(submission.pk), "--json", token=token)
    assert json.loads(again.stdout)["id"] == str(submission.pk)


def test_a_failure_is_told_where_one_looks(touchstone: Touchstone) -> None:
    token = token_of("alice")
    submission = factories.submission(factories.potential(factories.user("alice")))
    failed = {"state": "failed", "verdict": "load_error", "message": "No module named 'x'."}
    silent = factories.evaluation(submission, **failed)
    talking = factories.evaluation(submission, **failed, stderr="Traceback ...\n")
    stopped = {"state": "cancelled", "verdict": "cancelled", "message": "The smoke task failed."}
    for _ in range(2):
        factories.evaluation(submission, **stopped)

    status = touchstone("status", str(submission.pk), token=token)

    assert status.returncode == ExitCode.LOAD_ERROR
    assert status.stdout.count("No module named 'x'.") == 1, "said once, for all that it stopped"
    assert status.stdout.count("The smoke task failed.") == 1
    assert f"touchstone logs {str(talking.pk)[:8]}" in status.stdout
    one = touchstone("status", str(silent.pk), token=token)
    assert "No module named 'x'." in one.stdout
    assert "Do what the reason says." in one.stdout
    assert "log" not in one.stdout.replace("logs/", "")

    empty = touchstone("logs", str(silent.pk), token=token)
    assert empty.stdout == ""
    for words in ("failed: load_error", "No module named 'x'.", "It wrote nothing"):
        assert words in empty.stderr
    assert "Read the log" not in empty.stderr
    written = touchstone("logs", str(talking.pk), token=token)
    assert "Traceback ..." in written.stderr
    assert "It wrote nothing" not in written.stderr
