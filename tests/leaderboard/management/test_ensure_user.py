"""``manage.py ensure_user``: the rules of those who sign up, and nobody is taken for staff."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db


def test_who_exists_is_left_as_he_is_and_is_not_taken_for_an_administrator(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOUCHSTONE_PASSWORD", "long enough")
    call_command("ensure_user", "alice")
    call_command("ensure_user", "charlie", "--staff")

    for arguments in (["alice"], ["charlie"], ["charlie", "--staff"]):
        call_command("ensure_user", *arguments)
        assert capsys.readouterr().out.endswith(f"{arguments[0]} exists already\n")
    with pytest.raises(CommandError, match="alice exists already and is no administrator"):
        call_command("ensure_user", "alice", "--staff")
    assert set(User.objects.values_list("username", "is_superuser")) == {
        ("alice", False),
        ("charlie", True),
    }


@pytest.mark.parametrize(
    ("password", "complaint"),
    [
        ("", "Set TOUCHSTONE_PASSWORD to the password"),
        ("short", "at least 8 characters"),
        ("password123", "too common"),
        ("8413759602", "entirely numeric"),
        ("dora2024", "user name and address count for nothing"),
        ("example.org1", "user name and address count for nothing"),
    ],
)
def test_a_password_that_nobody_could_sign_up_with_is_refused(
    password: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHSTONE_PASSWORD", password)
    with pytest.raises(CommandError, match=complaint):
        call_command("ensure_user", "dora", "--staff", "--email", "dora@example.org")
    assert not User.objects.exists()


def test_a_name_and_an_address_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_PASSWORD", "long enough")
    for arguments, complaint in (
        (["two words"], "username: Enter a valid username"),
        (["dora", "--email", "dora"], "email: Enter a valid email address"),
        (["do\u200bra"], "username: "),
    ):
        with pytest.raises(CommandError, match=complaint):
            call_command("ensure_user", *arguments)
    assert not User.objects.exists()


def test_nobody_gets_the_name_or_the_address_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_PASSWORD", "long enough")
    call_command("ensure_user", "dora", "--email", "dora@example.org")
    for arguments, complaint in (
        (["Dora"], "username: Somebody has it"),
        (["emil", "--email", "Dora@Example.org"], "email: It is another account's"),
    ):
        with pytest.raises(CommandError, match=complaint):
            call_command("ensure_user", *arguments)
    assert [str(user) for user in User.objects.all()] == ["dora"]
