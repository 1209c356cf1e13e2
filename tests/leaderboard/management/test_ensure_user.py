"""``manage.py ensure_user`` never lets an operator believe that somebody is an administrator."""

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
