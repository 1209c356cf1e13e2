from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from evaluator.cli import main
from evaluator.cli.exit_codes import ExitCode
from evaluator.cli.service import (
    Login,
    NotSignedIn,
    config_path,
    connect,
    describe_error,
    read_login,
    write_login,
)
from evaluator.client import Client, Invalid
from evaluator.client.records import Problem
from evaluator.exceptions import SubmissionError

Capture = pytest.CaptureFixture[str]


def token_of(client: Client) -> str:
    return client._transport.token


def arguments(url: str | None = None) -> argparse.Namespace:
    return argparse.Namespace(url=url)


def test_what_is_written_is_read_back_by_its_owner_alone() -> None:
    login = Login(url="https://host", token='tst_with "quotes"')
    path = write_login(login)
    assert path == config_path()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert read_login() == login
    write_login(Login(url="https://host"))
    assert read_login() == Login(url="https://host")
    assert [file.name for file in path.parent.iterdir()] == [path.name], "nothing is left beside it"


def test_an_option_wins_over_the_environment_and_that_over_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_login(Login(url="https://file", token="tst_file"))
    assert connect(arguments()).url == "https://file"
    monkeypatch.setenv("TOUCHSTONE_URL", "https://environment/")
    monkeypatch.setenv("TOUCHSTONE_TOKEN", "tst_environment")
    client = connect(arguments())
    assert (client.url, token_of(client)) == ("https://environment", "tst_environment")
    assert connect(arguments("https://option")).url == "https://option"


def test_the_files_token_goes_only_to_the_service_it_is_of() -> None:
    write_login(Login(url="https://file", token="tst_file"))
    assert token_of(connect(arguments())) == "tst_file"
    assert token_of(connect(arguments("https://other"), needs_token=False)) == ""
    with pytest.raises(NotSignedIn, match="not signed in to https://other"):
        connect(arguments("https://other"))


def test_a_token_that_others_can_read_is_complained_of(capsys: Capture) -> None:
    path = write_login(Login(url="https://host", token="tst_1"))
    path.chmod(0o644)
    read_login()
    assert f"others can read the token in {path}" in capsys.readouterr().err


def test_a_file_that_is_none_is_the_users_to_mend() -> None:
    config_path().parent.mkdir(parents=True)
    config_path().write_text("no toml at all")
    with pytest.raises(SubmissionError, match=r"config\.toml is no TOML"):
        read_login()


def test_without_a_service_one_is_asked_for(capsys: Capture) -> None:
    assert main(["status"]) == ExitCode.USAGE
    assert "which service? Name it with --url" in capsys.readouterr().err


def test_a_password_is_asked_for_at_a_terminal_alone(capsys: Capture, tmp_path: Path) -> None:
    assert main(["login", "--url", "https://host", "--username", "alice"]) == ExitCode.USAGE
    assert "--token-stdin" in capsys.readouterr().err
    assert not config_path().exists()


def test_what_a_service_says_keeps_its_lines_and_loses_what_is_for_programs() -> None:
    told = "nothing was submitted:\n  --a: It is wrong.\n  --b: Too long! PATCH it.\n  Do this: x"
    error = Invalid(Problem(type="", title="", status=400))
    error.args = (told,)
    assert describe_error(error) == told.replace(" PATCH it.", "")
