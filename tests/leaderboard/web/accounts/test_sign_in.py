from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from rest_framework.test import APIClient

from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

PASSWORD = "blue-heron-42-lake"
FORM = {
    "username": "dora",
    "email": "dora@example.org",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


def link_of(letter: int = -1) -> str:
    found = re.search(r"http://testserver(/\S+)", mail.outbox[letter].body)
    assert found is not None, mail.outbox[letter].body
    return found[1]


def sign_in(client: Client, login: str = "dora", password: str = PASSWORD) -> bool:
    client.post("/login/", {"login": login, "password": password})
    return "_auth_user_id" in client.session


def test_one_signs_up_confirms_the_address_and_signs_in(client: Client) -> None:
    assert client.get("/signup/").status_code == 200
    assert client.post("/signup/", FORM)["Location"] == "/account/confirm/"
    assert not sign_in(Client())
    assert client.post(link_of())["Location"].startswith("/")
    assert EmailAddress.objects.get().verified
    assert sign_in(Client())
    assert sign_in(Client(), login="dora@example.org")


def test_who_has_confirmed_his_address_is_led_to_the_next_steps(client: Client) -> None:
    client.post("/signup/", FORM)
    elsewhere = Client()
    assert elsewhere.post(link_of())["Location"] == "/account/welcome/"
    page = elsewhere.get("/account/welcome/").content.decode()
    assert "You have confirmed dora@example.org" in page
    assert 'href="/login/?next=/account/welcome/"' in page
    signed_in = elsewhere.post(
        "/login/?next=/account/welcome/", {"login": "dora", "password": PASSWORD}, follow=True
    )
    assert signed_in.redirect_chain[-1][0] == "/account/welcome/"
    page = signed_in.content.decode()
    assert 'href="/account/#tokens"' in page
    assert 'id="tokens"' in elsewhere.get("/account/").content.decode()
    assert 'href="/submissions/new/"' in page
    assert "touchstone login --url http://testserver</code>" in page


def test_who_confirms_where_he_signed_up_is_led_to_the_next_steps_too(client: Client) -> None:
    client.post("/signup/", FORM)
    answer = client.post(link_of(), follow=True)
    assert answer.redirect_chain[0][0] == "/account/welcome/"


@pytest.mark.parametrize("name", ["al", "dora", "alice", "charlotte-the-third", "d.o_ra"])
def test_a_name_counts_for_nothing_in_a_password_whoevers_it_is(client: Client, name: str) -> None:
    for password in (f"{name}2024", f"X{name.upper()}x99", f"{name[::-1]}1234", f"{name}password"):
        form = {**FORM, "username": name, "password1": password, "password2": password}
        refused = client.post("/signup/", form)
        assert refused.status_code == 200, password
        assert not User.objects.exists()
    good = f"{name}-{PASSWORD}"
    form = {**FORM, "username": name, "password1": good, "password2": good}
    assert client.post("/signup/", form).status_code == 302


def test_where_no_mail_is_sent_the_page_says_where_the_letter_stands(
    client: Client, settings: Any
) -> None:
    hint = "the letter stands in the log of its web server"
    for page in ("/account/confirm/", "/account/password/reset/sent/"):
        assert hint in client.get(page).content.decode()
    settings.EMAIL_HOST = "mail.example.org"
    assert hint not in client.get("/account/confirm/").content.decode()


def test_an_account_whose_address_is_not_confirmed_gets_no_token(client: Client) -> None:
    client.post("/signup/", FORM)
    body = {"username": "dora", "password": PASSWORD, "name": "laptop"}
    refused = client.post("/api/v1/tokens/", body, content_type="application/json")
    assert refused.status_code == 401
    assert "not confirmed" in refused.json()["detail"]
    client.post(link_of())
    client.logout()
    made = client.post("/api/v1/tokens/", body, content_type="application/json")
    assert made.status_code == 201


def test_accounts_made_by_an_administrator_need_no_confirmation(client: Client) -> None:
    factories.user("alice")
    assert sign_in(client, "alice", "a good password")


def test_signing_up_with_an_address_that_is_known_looks_like_any_other(client: Client) -> None:
    first = client.post("/signup/", FORM)
    again = Client().post("/signup/", {**FORM, "username": "other"})
    assert (again.status_code, again["Location"]) == (first.status_code, first["Location"])
    assert [m.to for m in mail.outbox] == [["dora@example.org"]] * 2
    assert User.objects.count() == 1


def test_resetting_a_password_tells_nobody_who_has_an_account(client: Client) -> None:
    factories.user("alice")
    known = client.post("/account/password/reset/", {"email": "alice@example.org"})
    unknown = client.post("/account/password/reset/", {"email": "nobody@example.org"})
    assert known["Location"] == unknown["Location"] == "/account/password/reset/sent/"
    assert known.status_code == unknown.status_code == 302


def test_a_forgotten_password_is_reset_by_a_link_that_works_once(client: Client) -> None:
    alice = factories.user("alice")
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    client.post("/account/password/reset/", {"email": alice.email})
    link = link_of()
    form = client.get(link, follow=True)
    action = form.redirect_chain[-1][0]
    client.post(action, {"password1": PASSWORD, "password2": PASSWORD})
    assert sign_in(Client(), "alice", PASSWORD)
    assert "has been used already" in Client().get(link, follow=True).content.decode()


def test_a_password_is_changed_by_who_knows_the_old_one(client: Client) -> None:
    client.force_login(factories.user("alice"))
    new = {"password1": PASSWORD, "password2": PASSWORD}
    wrong = client.post("/account/password/", {"oldpassword": "wrong", **new})
    assert wrong.status_code == 200
    client.post("/account/password/", {"oldpassword": "a good password", **new})
    assert sign_in(Client(), "alice", PASSWORD)


def test_guesses_are_slowed_down_by_address(client: Client, settings: object) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "login": "2/min"}  # type: ignore[attr-defined]
    guess = {"login": "alice", "password": "wrong"}
    assert [client.post("/login/", guess).status_code for _ in range(3)] == [200, 200, 429]
    last = client.post("/login/", guess)
    assert 0 < int(last["Retry-After"]) <= 60
    assert "Too many tries" in last.content.decode()
    assert client.get("/login/").status_code == 200


def guess(n: int, login: str = "alice", password: str = "wrong") -> int:
    """Status of a try from the address with this number."""
    return (
        Client()
        .post("/login/", {"login": login, "password": password}, REMOTE_ADDR=f"203.0.113.{n}")
        .status_code
    )


def test_who_guesses_at_an_account_locks_out_his_own_address_alone(settings: Any) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "login-account": "3/min"}
    factories.user("alice")
    assert [guess(1) for _ in range(4)] == [200, 200, 200, 429]
    assert guess(1, login="Alice ") == 429
    assert guess(1, login="bob") == 200
    assert guess(2, password="a good password") == 302, "the owner, from where he is"
    token = APIClient().post(
        "/api/v1/tokens/",
        {"username": "alice", "password": "a good password", "name": "x"},
        REMOTE_ADDR="203.0.113.3",
    )
    assert token.status_code == 201


def test_guesses_from_many_addresses_have_few_tries_each_and_the_owner_gets_in(
    settings: Any,
) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "login-everywhere": "5/min"}
    factories.user("alice")
    assert [guess(n) for n in range(5)] == [200] * 5
    assert [guess(9) for _ in range(4)] == [200, 200, 429, 429]
    assert guess(10, password="a good password") == 302
    assert guess(9, login="bob") == 200


def test_nobody_is_flooded_with_letters(settings: Any, mailoutbox: list[Any]) -> None:
    settings.THROTTLES = {**settings.THROTTLES, "letter": "2/hour", "letter-sender": "4/hour"}
    factories.user("alice")

    def ask(n: int, email: str) -> int:
        return (
            Client()
            .post("/account/password/reset/", {"email": email}, REMOTE_ADDR=f"203.0.113.{n}")
            .status_code
        )

    assert [ask(n, "alice@example.org") for n in range(4)] == [302, 302, 429, 429]
    assert len(mailoutbox) == 2
    assert [ask(9, f"stranger-{n}@example.org") for n in range(5)] == [302] * 4 + [429]


def test_nobody_signs_up_where_no_letter_can_be_sent(client: Client, settings: object) -> None:
    settings.SIGN_UP_IS_OPEN = False  # type: ignore[attr-defined]
    assert "Nobody can sign up" in client.get("/signup/").content.decode()
    client.post("/signup/", FORM)
    assert not User.objects.exists()


def test_the_admin_is_entered_by_the_same_door(client: Client) -> None:
    assert client.get("/admin/login/?next=/admin/")["Location"] == "/login/?next=%2Fadmin%2F"
    client.force_login(factories.user("bob"))
    assert client.get("/admin/login/?next=/admin/").status_code == 403


def test_an_address_is_changed_once_the_new_one_is_confirmed(client: Client) -> None:
    alice = factories.user("alice")
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    client.force_login(alice)
    client.post("/account/email/", {"email": "new@example.org", "action_add": ""})
    assert User.objects.get().email == "alice@example.org"
    confirmation = next(n for n, m in enumerate(mail.outbox) if m.to == ["new@example.org"])
    client.post(link_of(confirmation))
    assert User.objects.get().email == "new@example.org"


def test_who_was_let_in_before_is_not_shut_out_by_an_address_that_waits(client: Client) -> None:
    factories.user("alice")
    assert sign_in(client, "alice", "a good password")
    assert "not confirmed" in client.get("/account/email/").content.decode()
    assert not EmailAddress.objects.filter(verified=True).exists()
    assert sign_in(Client(), "alice", "a good password")
