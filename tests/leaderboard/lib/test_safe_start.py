from __future__ import annotations

import base64
import random

import pytest

from leaderboard.lib.safe_start import public_hosts, weakness_of_hosts, weakness_of_key


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("x", "has 1 characters"),
        ("k" * 60, "lacks digits"),
        ("k1" * 30, "too regular"),
        ("0123456789abcdefghijklmnopqrstuvwxyz0123456789", "too regular"),
        ("a7Gh2kQ9" * 8, "too regular"),
        ("django-insecure-x9f2v8w3k5m1q7z4p6r0t8y2u5i3o1", "contains 'django'"),
        ("this is the key of our service and nobody may know it", "lacks digits"),
        ("ChangeMe-1f7c0b92e4d85a36c7e90f12ab34d56e", "contains 'Change'"),
        ("# python -c 'import secrets; print(secrets.token_urlsafe(50))'", "comments on lines"),
        ("kX3vQ0-9mZtB7w_Lr2Hc8YpNfD5sGj1aUe6  # python -c 'import secrets'", "comments on lines"),
    ],
)
def test_a_key_that_can_be_guessed_is_refused_with_the_way_to_make_one(
    key: str, words: str
) -> None:
    weakness = weakness_of_key(key)
    assert words in weakness
    assert "token_urlsafe(50)" in weakness


def test_a_comment_behind_the_key_is_told_with_what_keeps_the_old_value_valid() -> None:
    key = base64.urlsafe_b64encode(random.Random(1).randbytes(40)).decode()
    for commented in (f"{key}   # made by hand", f"{key} # "):
        assert "TOUCHSTONE_OLD_SECRET_KEYS" in weakness_of_key(commented)
    for sound in (f"#{key}", f"{key[:20]}#{key[20:]}"):
        assert weakness_of_key(sound) == ""


def test_random_keys_of_every_usual_kind_are_taken() -> None:
    rng = random.Random(20)
    for _ in range(300):
        raw = rng.randbytes(50)
        assert weakness_of_key(base64.urlsafe_b64encode(raw).decode().rstrip("=")) == ""
        assert weakness_of_key(raw[:32].hex()) == ""
        assert weakness_of_key(raw[:16].hex() + "0a") == ""


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        (["*"], "every name"),
        (["touchstone.example.org", "*.example.org"], "every name"),
        ([".org"], "top-level domain"),
        (["https://touchstone.example.org"], "no host name"),
        (["touchstone.example.org:8000"], "no host name"),
        ([], "no host"),
    ],
)
def test_hosts_that_a_visitor_could_choose_are_refused(hosts: list[str], words: str) -> None:
    assert words in weakness_of_hosts(hosts)


def test_names_addresses_and_subdomains_are_hosts() -> None:
    hosts = ["touchstone.example.org", ".example.org", "10.0.0.1", "[2001:db8::1]", "intranet"]
    assert weakness_of_hosts(hosts) == ""
    assert public_hosts([*hosts, "localhost"]) == hosts
